//! Instances in PostgreSQL.

//! Instances in MySQL or MariaDB.

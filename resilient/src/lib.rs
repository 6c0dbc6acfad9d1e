//! resilient.

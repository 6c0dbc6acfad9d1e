//! resilient-macros.

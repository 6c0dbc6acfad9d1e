//! What `resilient-axum` promises, through real connections on loopback.

mod web {
    pub(crate) mod app;
    mod health;
    mod problems;
    mod server;
}

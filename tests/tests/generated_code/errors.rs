//! Every error a function can have.

use resilient::prelude::*;

/// An error of the user's.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Later.
    #[error("later")]
    Later(#[from] Postpone),
    /// The scrapbook.
    #[error("the scrapbook")]
    Save(#[from] SaveError),
}

/// With thiserror.
///
/// # Errors
///
/// Always.
#[resilient_fn(type_id = "generated.Thiserror")]
pub async fn with_thiserror((): ()) -> Result<(), Trouble> {
    Postpone::for_(std::time::Duration::ZERO).into_err()
}

/// With anyhow.
///
/// # Errors
///
/// Always.
#[resilient_fn(type_id = "generated.Anyhow")]
pub async fn with_anyhow((): ()) -> anyhow::Result<u8> {
    Err(Postpone::for_(std::time::Duration::ZERO))?
}

/// With a box.
///
/// # Errors
///
/// Always.
#[resilient_fn(type_id = "generated.Boxed")]
pub async fn with_box((): ()) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
    Err("no".into())
}

//! `retry(…)`: when failed runs are tried again.

mod args;
mod check;
mod expand;
mod model;

pub(super) use self::check::check;
pub(super) use self::expand::expand;
pub(super) use self::model::Retry;

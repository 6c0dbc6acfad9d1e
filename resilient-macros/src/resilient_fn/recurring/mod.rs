//! `every`, `cron`, `timezone` and `missed`: when a function runs by itself.

mod check;
mod expand;
mod model;

pub(super) use self::check::check;
pub(super) use self::expand::expand;
pub(super) use self::model::{Recurring, example};

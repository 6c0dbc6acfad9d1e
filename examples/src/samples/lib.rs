//! What the samples in `src/bin` share, and what is not about resilient: a stage to play on, and the companies of a shop.

pub mod shop;
mod stage;

pub use self::stage::Stage;

//! Attributes below ours hold for what is added, too.

use resilient::resilient_fn;

/// Not there.
#[resilient_fn(type_id = "generated.Gone")]
#[cfg(any())]
pub async fn gone(missing: TypeThatIsNotThere) {}

/// Not there either.
#[cfg(any())]
#[resilient_fn(type_id = "generated.Gone")]
pub async fn gone_above(missing: TypeThatIsNotThere) {}

/// There, in a way.
#[resilient_fn(type_id = "generated.Old")]
#[deprecated = "use another"]
#[must_use]
#[cfg_attr(all(), cfg(all()))]
pub async fn old(number: u32) -> u32 {
    number
}

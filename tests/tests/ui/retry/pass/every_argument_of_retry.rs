use resilient::{Failure, resilient_fn};

mod failures {
    pub(super) fn is_transient(failure: &resilient::Failure) -> bool {
        !failure.message.is_empty()
    }
}

const fn never(_: &Failure) -> bool {
    false
}

#[resilient_fn(
    type_id = "ui.Exponential",
    retry(
        first = "500ms",
        factor = 2,
        max_delay = "1h",
        max_tries = 5,
        jitter = 0.1,
        in_memory_below = "5s",
        only_if = failures::is_transient
    )
)]
async fn exponential((): ()) {}

#[resilient_fn(type_id = "ui.Linear", retry(first = "1m", step = "2m", only_if = never))]
async fn linear((): ()) {}

#[resilient_fn(retry(first = "0s", jitter = 0, max_tries = 1,), type_id = "ui.Constant", dropped_scrapbook = 3)]
async fn constant((): (), _context: &resilient::Context) {}

#[resilient_fn(type_id = "ui.Powers", retry(first = "2d", factor = 1.5, jitter = 1.0, max_tries = 4_294_967_295))]
async fn powers((): ()) {}

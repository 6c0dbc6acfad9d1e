use resilient::resilient_fn;

mod elsewhere {
    pub(crate) use resilient;
}

#[resilient_fn(
    type_id = "ui.EveryArgument",
    version = 2147483647,
    handle = EveryArgument,
    register = false,
    crate = elsewhere::resilient,
)]
async fn every_argument(_: ()) {}

const _: u32 = EveryArgument::VERSION;

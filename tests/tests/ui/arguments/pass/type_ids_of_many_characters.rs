use resilient::resilient_fn;

#[resilient_fn(type_id = "ui.a_b")]
async fn underscore(_: ()) {}

#[resilient_fn(type_id = "ui.a.b")]
async fn point(_: ()) {}

#[resilient_fn(type_id = "ui.a b")]
async fn space(_: ()) {}

#[resilient_fn(type_id = "ui.注文 🍣")]
async fn letters(_: ()) {}

#[resilient_fn(type_id = r#"ui."quoted""#)]
async fn quoted(_: ()) {}

#[resilient_fn(
    type_id = "ui.4567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\
               1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
)]
async fn two_hundred_bytes(_: ()) {}

const _: () = assert!(two_hundred_bytes::TYPE_ID.len() == resilient::MAX_ID_BYTES);

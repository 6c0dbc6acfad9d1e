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

use resilient::resilient_fn;

#[derive(serde::Serialize, serde::Deserialize)]
struct Context {
    customer: String,
}

#[resilient_fn(type_id = "ui.OwnContext")]
async fn own_context(context: Context) -> String {
    context.customer
}

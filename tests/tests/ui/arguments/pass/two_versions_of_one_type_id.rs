mod v1 {
    #[resilient::resilient_fn(type_id = "ui.Versions")]
    async fn process(_order: u32) {}
}

mod v2 {
    #[resilient::resilient_fn(type_id = "ui.Versions", version = 2)]
    async fn process(_order: String) {}
}

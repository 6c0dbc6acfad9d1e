use resilient::prelude::*;

#[derive(Default, serde::Serialize, serde::Deserialize, Scrapbook)]
struct Book {}

#[resilient_fn(type_id = "ui.AnyOrder")]
async fn any_order(
    _order: (u8, String),
    _first: Dep<str>,
    _context: &Context,
    _second: Option<Dep<dyn Fn() + Send + Sync>>,
    _book: &mut Scrapbook<Book>,
    _third: Dep<Vec<u8>>,
) {
}

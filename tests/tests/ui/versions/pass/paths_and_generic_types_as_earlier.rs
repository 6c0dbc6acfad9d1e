mod old {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Book<A, B> {
        pub(super) a: A,
        pub(super) b: B,
    }
}

#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[scrapbook(version = 3, v1 = Vec<u8>, v2 = old::Book<u8, Option<u8>>)]
struct Book {
    a: u8,
}

impl From<Vec<u8>> for old::Book<u8, Option<u8>> {
    fn from(pages: Vec<u8>) -> Self {
        Self { a: pages.first().copied().unwrap_or_default(), b: None }
    }
}

impl From<old::Book<u8, Option<u8>>> for Book {
    fn from(book: old::Book<u8, Option<u8>>) -> Self {
        Self { a: book.a.max(book.b.unwrap_or_default()) }
    }
}

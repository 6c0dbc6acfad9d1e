#[derive(resilient::Scrapbook)]
pub union Book {
    pub number: u32,
}

fn main() {}

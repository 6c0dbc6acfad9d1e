#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[scrapbook(version = 1)]
struct Book {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_mail: Option<String>,
}

#[derive(serde::Serialize, serde::Deserialize, resilient::Versioned)]
#[serde(tag = "kind")]
#[versioned(version = 1)]
enum Command {
    Start { number: u32 },
    Stop,
}

#[derive(Default, serde::Serialize, serde::Deserialize, resilient::Scrapbook)]
struct Empty;

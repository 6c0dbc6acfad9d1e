use std::time::Duration;

use resilient::prelude::*;
use resilient_sqlx::SqliteStore;
use serde::{Deserialize, Serialize};

/// How far a mailing has come.
#[derive(Default, Serialize, Deserialize, Scrapbook)]
struct Mailing {
    sent: usize,
}

#[resilient_fn(type_id = "Newsletter")]
async fn newsletter(
    recipients: Vec<String>,
    mailing: &mut Scrapbook<Mailing>,
) -> resilient::Result<usize> {
    while let Some(recipient) = recipients.get(mailing.sent) {
        send_mail(recipient).await;
        mailing.sent += 1;
        mailing.save().await?; // from here on, this letter counts as sent
    }
    Ok(mailing.sent)
}

/// Stands for your mail server.
async fn send_mail(recipient: &str) {
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!("sent to {recipient}");
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let store = SqliteStore::open("newsletter.db").await?;
    let runtime = Runtime::builder(store).discover().start().await?;

    let recipients = (1..=10).map(|number| format!("reader {number}")).collect();
    newsletter::schedule(&runtime, "2026-11", recipients).await?;
    let sent = newsletter::completion(&runtime, "2026-11").await?;
    println!("{sent} letters are sent");

    runtime.shutdown().await?;
    Ok(())
}

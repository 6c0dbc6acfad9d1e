//! **Where does it go on when the process is killed in the middle?**
//!
//! At the top of the function, with the parameter and the scrapbook as it was saved last. Here the scrapbook counts the
//! mails that are out, so nobody is forgotten. A process is killed (`kill -9`) at its third mail, and another one takes over.
//!
//! ```console
//! $ cargo run --bin customer_emails
//! the first process:
//!   mail to ann@example.org
//!   mail to bob@example.org
//! killed; the second process:
//!   mail to cid@example.org
//!   mail to dan@example.org
//! 4 mails to 4 customers
//! ```

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_sqlx::SqliteStore;
use serde::{Deserialize, Serialize};

/// How long after its last sign of life a process counts as dead. The default of 5 s suits production.
const LEASE: Duration = Duration::from_secs(2);

#[derive(Serialize, Deserialize)]
struct Offer {
    recipients: Vec<String>,
    subject: String,
}

#[derive(Default, Serialize, Deserialize, Scrapbook)]
struct MailScrapbook {
    sent: usize,
}

#[resilient_fn(type_id = "OffersMailSender")]
async fn send_offers(
    offer: Offer,
    scrapbook: &mut Scrapbook<MailScrapbook>,
    smtp: Dep<Smtp>,
) -> resilient::Result<()> {
    while let Some(to) = offer.recipients.get(scrapbook.sent) {
        smtp.send(to, &offer.subject).await?;
        // Counted after the mail is out. A crash between the two sends this one mail again: `order_4_at_most_once` is about
        // calls for which that would be bad.
        scrapbook.sent += 1;
        scrapbook.save().await?;
    }
    Ok(())
}

/// The mail server: what it has sent stands in the ledger, whoever dies.
struct Smtp(Arc<Stage>);

impl Smtp {
    async fn send(&self, to: &str, subject: &str) -> io::Result<()> {
        if to == "cid@example.org" {
            self.0.killed_here().await;
        }
        self.0.write_down(&format!("`{subject}` to {to}")).await?;
        println!("  mail to {to}");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Arc::new(Stage::new()?);
    if !stage.is_doomed() {
        println!("the first process:");
        stage.kill_a_process().await?;
        println!("killed; the second process:");
    }
    // From here on both processes do the same.
    let store = SqliteStore::open(&stage.database()).await?;
    let settings = Settings::default().heartbeat(LEASE / 4).lease(LEASE);
    let smtp = Smtp(Arc::clone(&stage));
    let runtime = Runtime::builder(store).dep(smtp).settings(settings).discover().start().await?;

    let recipients = ["ann", "bob", "cid", "dan"].map(|name| format!("{name}@example.org")).to_vec();
    let offer = Offer { recipients, subject: "A chair for half the price".to_owned() };
    // The second process does not begin anew: it takes over what the first one has begun under this id.
    send_offers::invoke(&runtime, "offers-2026-11", offer).await?;

    let mails = stage.ledger_lines()?;
    println!("{} mails to {} customers", mails.len(), mails.iter().collect::<BTreeSet<_>>().len());
    runtime.shutdown().await?;
    Ok(())
}

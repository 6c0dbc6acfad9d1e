//! **How do I remind somebody every week until an answer comes?**
//!
//! With a loop: wait for the answer, and when the deadline has passed, remind and wait again. The deadlines are stored, so
//! weeks cost no memory, and a deployment in between loses nothing: here the runtime is stopped while the candidate is
//! waited for, and another one goes on.
//!
//! ```console
//! $ cargo run --bin engagement
//! …
//! stopped for a deployment, and started again
//! …
//!   to eve: we have not heard from you
//! …
//!   to HR: the candidate comes
//! …
//! eve: accepted
//! …
//! kim: no answer after 3 reminders
//! ```

use std::time::Duration;

use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_sqlx::SqliteStore;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// When the candidate is reminded. In production: after a week.
const REMIND_AFTER: Duration = Duration::from_millis(1_200);
const REMINDERS: u32 = 3;

#[derive(Serialize, Deserialize, Message)]
struct EngagementAccepted;
#[derive(Serialize, Deserialize, Message)]
struct EngagementDeclined;

#[derive(Messages)]
enum Reply {
    Accepted(EngagementAccepted),
    Declined(EngagementDeclined),
}

#[resilient_fn(type_id = "Engagement")]
async fn engage(candidate: String, context: &Context, mail: Dep<Mail>) -> resilient::Result<String> {
    context.at_least_once("offer", || mail.send(&candidate, "we would like to have you")).await?;
    for reminder in 1..=REMINDERS {
        let reply = context.messages().next_within(format!("reply {reminder}"), REMIND_AFTER).await?;
        match reply {
            Some(Reply::Accepted(EngagementAccepted)) => {
                context.at_least_once("tell HR", || mail.send("HR", "the candidate comes")).await?;
                return Ok("accepted".to_owned());
            }
            Some(Reply::Declined(EngagementDeclined)) => return Ok("declined".to_owned()),
            None => {
                let call = || mail.send(&candidate, "we have not heard from you");
                context.at_least_once(format!("reminder {reminder}"), call).await?;
            }
        }
    }
    Ok(format!("no answer after {REMINDERS} reminders"))
}

/// The mail server; who is written to is told at once.
#[derive(Clone)]
struct Mail(mpsc::Sender<String>);

impl Mail {
    async fn send(&self, to: &str, text: &str) -> resilient::Result<()> {
        println!("  to {to}: {text}");
        Ok(self.0.send(format!("{to}: {text}")).await?)
    }
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Stage::new()?;
    let store = SqliteStore::open(&stage.database()).await?;
    let (mail, mut mails) = mpsc::channel(16);
    let mail = Mail(mail);
    // Nobody waits in memory: every wait puts the function away at once.
    let settings = Settings::default().stay_in_memory(Duration::ZERO);
    let start = || {
        let builder = Runtime::builder(store.clone()).dep(mail.clone()).settings(settings.clone());
        builder.discover().start()
    };

    let runtime = start().await?;
    engage::schedule(&runtime, "eve", "eve".to_owned()).await?;
    engage::schedule(&runtime, "kim", "kim".to_owned()).await?;
    for _offer in ["eve", "kim"] {
        mails.recv().await;
    }
    runtime.shutdown().await?;
    println!("stopped for a deployment, and started again");

    let runtime = start().await?;
    // Eve answers when she is reminded, and Kim never does.
    while mails.recv().await.is_some_and(|mail| mail != "eve: we have not heard from you") {}
    engage::send(&runtime, "eve", EngagementAccepted).await?;
    println!("eve: {}", engage::completion(&runtime, "eve").await?);
    println!("kim: {}", engage::completion(&runtime, "kim").await?);

    runtime.shutdown().await?;
    Ok(())
}

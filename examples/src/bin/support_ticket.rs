//! **How does something go on when nobody answers in time?**
//!
//! A support ticket is offered to one agent after the other. Each has a while to take it; who lets it pass loses it to the
//! next one, and at last it is escalated. It is a loop with a durable deadline in it: no scheduler, no table of reminders,
//! and the process may be restarted at any time.
//!
//! ```console
//! $ cargo run --bin support_ticket
//! ticket 1:
//!   to ann: who takes `where is my chair`?
//!   taken by ann
//! ticket 2:
//!   to ann: who takes `may I have a blue one`?
//!   to bob: who takes `may I have a blue one`?
//!   to the boss: who takes `may I have a blue one`?
//!   escalated, and taken by the boss
//! ```

use std::time::Duration;

use resilient::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// How long an agent has. In production: 15 minutes.
const TAKE_WITHIN: Duration = Duration::from_millis(1_200);

#[derive(Serialize, Deserialize)]
struct Ticket {
    question: String,
    agents: Vec<String>,
}

#[derive(Serialize, Deserialize, Message)]
struct TicketTaken {
    by: String,
}

#[resilient_fn(type_id = "SupportTicket")]
async fn support_ticket(ticket: Ticket, context: &Context, mail: Dep<Mail>) -> resilient::Result<String> {
    let inbox = context.messages();
    for agent in &ticket.agents {
        // Noted when it is done: the run of the next deadline comes by here again.
        context.at_least_once(format!("offer to {agent}"), || mail.send(agent, &ticket.question)).await?;
        // From whomever: an agent who answers late may take it, too.
        let deadline = format!("answer of {agent}");
        if let Some(TicketTaken { by }) = inbox.next_within(deadline, TAKE_WITHIN).await? {
            return Ok(format!("taken by {by}"));
        }
    }
    context.at_least_once("escalate", || mail.send("the boss", &ticket.question)).await?;
    let TicketTaken { by } = inbox.next().await?;
    Ok(format!("escalated, and taken by {by}"))
}

/// The mail server; who is written to is told at once.
struct Mail(mpsc::Sender<String>);

impl Mail {
    async fn send(&self, to: &str, question: &str) -> resilient::Result<()> {
        println!("  to {to}: who takes `{question}`?");
        Ok(self.0.send(to.to_owned()).await?)
    }
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let (mail, mut readers) = mpsc::channel(16);
    // Nobody waits in memory: every wait puts the function away at once.
    let settings = Settings::default().stay_in_memory(Duration::ZERO);
    let runtime =
        Runtime::builder(InMemoryStore::new()).dep(Mail(mail)).settings(settings).discover().start().await?;

    // Ann takes the first ticket; the second one nobody takes but the boss.
    for (id, question, taker) in
        [("1", "where is my chair", "ann"), ("2", "may I have a blue one", "the boss")]
    {
        println!("ticket {id}:");
        let agents = ["ann", "bob"].map(str::to_owned).to_vec();
        support_ticket::schedule(&runtime, id, Ticket { question: question.to_owned(), agents }).await?;
        while readers.recv().await.is_some_and(|reader| reader != taker) {}
        support_ticket::send(&runtime, id, TicketTaken { by: taker.to_owned() }).await?;
        println!("  {}", support_ticket::completion(&runtime, id).await?);
    }

    runtime.shutdown().await?;
    Ok(())
}

//! Instances that wait for messages, and those who send them.

use std::time::Duration;

use resilient::FunctionId;
use resilient::prelude::*;
use resilient_tests::orders::Ledger;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::audit::Audit;
use super::process::Processes;
use super::random::Random;

/// How many instances each seed has, and how many send to each.
pub(crate) const GATHERS: u64 = 5;
const SENDERS: u64 = 3;

/// What its instance waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "Note")]
pub(crate) struct Note {
    sender: u64,
    number: u64,
}

/// What nobody reads.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "Noise")]
struct Noise;

/// How an instance waits.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Wish {
    notes: usize,
    /// How long it waits for a note before it counts a reminder.
    patience: Option<Duration>,
    /// How long it sleeps between two notes.
    rest: Option<Duration>,
    /// Whether it saves what it has seen.
    saves: bool,
}

impl Wish {
    /// How long it waits by its own wish, which may begin when the last trouble is over.
    fn waits(self) -> Duration {
        let each = self.patience.unwrap_or_default() + self.rest.unwrap_or_default();
        each * u32::try_from(self.notes).expect("few")
    }
}

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
pub(crate) struct Seen {
    notes: Vec<Note>,
}

/// Takes so many notes, in their order; every run sees those again that a run before it has saved.
#[resilient_fn(type_id = "model.Gather", register = false)]
pub(crate) async fn gather(
    wish: Wish,
    seen: &mut Scrapbook<Seen>,
    context: &Context,
    ledger: Dep<Ledger>,
) -> resilient::Result<Vec<Note>> {
    let running = ledger.begin(&name(context.instance_id().as_str()));
    let inbox = context.messages();
    let mut notes: Vec<Note> = Vec::new();
    while notes.len() < wish.notes {
        let number = notes.len();
        let early = match wish.patience {
            Some(patience) => inbox.next_within(format!("note {number}"), patience).await?,
            None => None,
        };
        let note = match early {
            Some(note) => note,
            None => inbox.next().await?,
        };
        if seen.notes.get(number).is_some_and(|before| *before != note) {
            return Err(resilient::Error::msg(format!("{note:?} was {:?} before", seen.notes.get(number))));
        }
        notes.push(note);
        if wish.saves && seen.notes.len() < notes.len() {
            seen.notes.push(note);
            seen.save().await?;
        }
        if let Some(rest) = wish.rest {
            context.sleep(format!("rest {number}"), rest).await?;
        }
    }
    drop(running);
    Ok(notes)
}

/// Its name in the ledger, which it shares with orders.
fn name(instance: &str) -> String {
    format!("gather {instance}")
}

/// One instance with all that is to be done for it.
pub(crate) struct Gather {
    number: u64,
    asker: JoinHandle<Vec<Note>>,
    senders: Vec<JoinHandle<()>>,
    wish: Wish,
    counts: Vec<u64>,
}

impl Gather {
    /// Asks for it, and sends to it, at whatever processes are there.
    pub(crate) fn start(seed: u64, number: u64, processes: &Processes) -> Self {
        let mut random = Random::new(seed, 3_000 + number);
        let counts: Vec<u64> = (0..SENDERS).map(|_| random.count(5)).collect();
        let notes = usize::try_from(counts.iter().sum::<u64>()).expect("few");
        let mut some = |chance| random.percent(chance).then(|| random.millis(1, 5_000));
        let (patience, rest) = (some(50), some(30));
        let wish = Wish { notes, patience, rest, saves: random.percent(50) };
        let client = |stream| Client {
            id: number.to_string(),
            random: Random::new(seed, stream + number),
            processes: processes.clone(),
        };
        let asker = tokio::spawn(client(4_000).ask(wish));
        let all_of = |(sender, count): (u64, &u64)| {
            tokio::spawn(client(5_000 + 1_000 * sender).send_all(sender, *count, wish))
        };
        let senders = (0..).zip(&counts).map(all_of).collect();
        Self { number, asker, senders, wish, counts }
    }

    /// Waits for its end, that long and as long as it waits itself; a violation when that does not come in time.
    pub(crate) async fn expect_kept(self, audit: &Audit, ledger: &Ledger, drain: Duration) {
        let Self { number, asker, senders, wish, counts } = self;
        let limit = drain + wish.waits();
        for (sender, sent) in senders.into_iter().enumerate() {
            if !matches!(tokio::time::timeout(limit, sent).await, Ok(Ok(()))) {
                audit.violation(format!("sender {sender} of gather {number} is stuck or panicked"));
            }
        }
        let Ok(Ok(notes)) = tokio::time::timeout(limit, asker).await else {
            return audit.violation(format!("gather {number} is stuck or failed: {wish:?}"));
        };
        let stored = stored(audit, number).await;
        if notes != stored {
            audit.violation(format!("gather {number} took {notes:?} of {stored:?}"));
        }
        for (sender, count) in (0..).zip(counts) {
            let of_it = notes.iter().filter(|note| note.sender == sender).map(|note| note.number);
            if !of_it.eq(0..count) {
                audit.violation(format!(
                    "gather {number} lost, doubled or mixed up notes of {sender}: {notes:?}"
                ));
            }
        }
        if ledger.page(&name(&number.to_string())).most_at_once > 1 {
            audit.violation(format!("gather {number} ran more than once at a time"));
        }
    }
}

/// The notes of an instance, as they are stored.
async fn stored(audit: &Audit, number: u64) -> Vec<Note> {
    let id = FunctionId::new("model.Gather", number.to_string());
    let notes = audit.messages(&id).await.into_iter().filter(|message| message.name == "Note");
    notes.map(|note| serde_json::from_str(&note.payload.body).expect("it is a note")).collect()
}

/// Whoever asks or sends, again and again, at whatever process is there.
struct Client {
    id: String,
    random: Random,
    processes: Processes,
}

impl Client {
    async fn ask(mut self, wish: Wish) -> Vec<Note> {
        sleep(self.random.millis(0, 20_000)).await;
        loop {
            let (patience, choice) = (self.random.millis(200, 15_000), self.random.below(3));
            if let Some(process) = self.processes.any(&mut self.random) {
                let attempt = attempt(&process.runtime, &self.id, wish, choice);
                if let Some(notes) = process.ask(patience, attempt).await {
                    return notes;
                }
            }
            sleep(self.random.millis(1, 1_000)).await;
        }
    }

    async fn send_all(mut self, sender: u64, count: u64, wish: Wish) {
        for number in 0..count {
            sleep(self.random.millis(0, 9_000)).await;
            while !self.sends(Note { sender, number }, wish).await {
                sleep(self.random.millis(1, 1_000)).await;
            }
        }
    }

    /// Tries once; answers whether it is known to be stored.
    async fn sends(&mut self, note: Note, wish: Wish) -> bool {
        let noise = self.random.percent(20);
        let (patience, choice) = (self.random.millis(50, 5_000), self.random.below(3));
        let Some(process) = self.processes.any(&mut self.random) else { return false };
        let sent = send(&process.runtime, &self.id, wish, note, (noise, choice));
        process.ask(patience, sent).await.is_some()
    }
}

async fn attempt(runtime: &Runtime, id: &str, wish: Wish, choice: usize) -> Option<Vec<Note>> {
    let asked = match choice {
        0 => gather::schedule(runtime, id, wish).await.err(),
        1 => None,
        _ => match gather::invoke(runtime, id, wish).await {
            Ok(notes) => return Some(notes),
            Err(InvokeError::Postponed { .. } | InvokeError::Suspended { .. }) => None,
            Err(error) => Some(error),
        },
    };
    let asked = match asked {
        None => gather::completion(runtime, id).await,
        Some(error) => Err(error),
    };
    match asked {
        Ok(notes) => Some(notes),
        Err(InvokeError::Store(_) | InvokeError::ShuttingDown | InvokeError::NotFound { .. }) => None,
        Err(other) => panic!("whoever asks cannot go on after: {other:?}"),
    }
}

/// Sends a note with its key, and sometimes noise before it; `None` when it is not known to be stored.
async fn send(
    runtime: &Runtime,
    id: &str,
    wish: Wish,
    note: Note,
    (noise, choice): (bool, usize),
) -> Option<()> {
    if noise {
        let _ = runtime.send::<gather>(id, Noise).await;
    }
    let message = Outgoing::from(note).with_key(format!("{} {}", note.sender, note.number));
    match runtime.send::<gather>(id, message.clone()).await {
        Ok(()) => Some(()),
        // With its first message, or it is there meanwhile.
        Err(InvokeError::NotFound { .. }) if choice == 0 => {
            let _ = runtime.schedule_with::<gather>(id, wish, [message]).await;
            None
        }
        Err(InvokeError::Store(_) | InvokeError::ShuttingDown | InvokeError::NotFound { .. }) => None,
        Err(other) => panic!("whoever sends cannot go on after: {other:?}"),
    }
}

//! Long random histories, told to a store and to the model in memory, which have to agree after every step.

use std::time::Duration;

use super::given::{self, HOUR, TYPE, edit, finish, kind, numbered, text};
use super::subject::{Opened, Subject};
use crate::clock::{Due, Timestamp};
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::record::{NewMessage, Replica, StoredFunction, StoredMessage};
use crate::store::{
    After, Append, Cancel, Claimable, Create, Delete, Edit, Ending, Finish, InMemoryStore, Replace, Save,
    Start, Transition, Write, Written,
};

/// "One write on one instance" after another has the answers and the effects of the model.
pub async fn a_long_history_agrees_with_the_model(store: &Subject) {
    History::new(store, 0x5eed).await.run(300, 1).await;
}

/// Another history, since one may miss what another finds.
pub async fn a_second_long_history_agrees_with_the_model(store: &Subject) {
    History::new(store, 2026).await.run(300, 1).await;
}

/// "A batch of writes" has the answers and the effects of the model, write by write.
pub async fn a_long_history_of_batches_agrees_with_the_model(store: &Subject) {
    History::new(store, 42).await.run(150, 3).await;
}

/// Small, repeatable random numbers (`SplitMix64`).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % sides as u64).expect("less than the number of sides")
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    fn version(&mut self) -> u32 {
        self.pick(&[1, 2, 3])
    }

    fn due(&mut self) -> Due {
        self.pick(&[Due::Now, Due::At(Timestamp::UNIX_EPOCH), Due::After(HOUR), Due::At(Timestamp::MAX)])
    }

    /// No text, or this one.
    fn note(&mut self, word: &str) -> Option<String> {
        self.one_in(3).then(|| format!("\"{word}\""))
    }

    /// Up to three messages of few keys, so that many are known already; what they say tells which was first.
    fn messages(&mut self, word: &str) -> Vec<NewMessage> {
        let keys = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "A", "a", "a "];
        let one = |dice: &mut Self| NewMessage { payload: text(1, word), ..given::message(dice.pick(&keys)) };
        (0..self.roll(4)).map(|_| one(self)).collect()
    }

    /// The count that was read, or another one.
    fn count(&mut self, read: i64) -> i64 {
        if self.one_in(4) { read + self.pick(&[-1, 1]) } else { read }
    }

    fn ending(&mut self, row: &StoredFunction, word: &str) -> Ending {
        match self.roll(8) {
            0 => Ending::Succeeded(text(self.version(), word)),
            1 => Ending::Failed(format!("\"{word}\"")),
            2 => Ending::Postponed(self.due()),
            3 => Ending::PutOff(self.due()),
            4 => Ending::Suspended { message_count: self.count(row.message_count), due: None },
            5 => Ending::Suspended { message_count: self.count(row.message_count), due: Some(self.due()) },
            6 => Ending::Released,
            _ => Ending::Lost,
        }
    }

    fn transition(&mut self, replica: ReplicaId, word: &str) -> Transition {
        match self.roll(6) {
            0 | 1 => Transition::Keep,
            2 => Transition::Run(replica),
            3 => Transition::Wait(self.due()),
            4 => Transition::Succeed(text(self.version(), word)),
            _ => Transition::Fail(format!("\"{word}\"")),
        }
    }
}

/// The same steps on two stores.
struct History {
    store: Subject,
    model: Subject,
    dice: Dice,
    ids: Vec<FunctionId>,
    replicas: Vec<Replica>,
}

impl History {
    async fn new(store: &Subject, seed: u64) -> Self {
        let model = InMemoryStore::new().subject().expect("it needs no server");
        let replicas = vec![given::replica(HOUR, &[TYPE]), given::replica(HOUR, &[TYPE])];
        for replica in &replicas {
            store.join(replica).await;
            model.join(replica).await;
        }
        let ids = vec![given::id("a"), given::id("A"), given::id("b")];
        Self { store: store.clone(), model, dice: Dice(seed), ids, replicas }
    }

    async fn run(&mut self, steps: usize, most: usize) {
        for step in 0..steps {
            let told = match self.dice.roll(10) {
                0 => self.claim().await,
                1 => self.release().await,
                2 if self.dice.one_in(3) => self.join_or_leave().await,
                _ => self.write(most, &format!("step {step}")).await,
            };
            let stored = self.store.get(&self.ids).await.expect("the store is there");
            let expected = self.model.get(&self.ids).await.expect("memory is there");
            for (stored, expected) in stored.into_iter().zip(expected) {
                assert_eq!(stored.map(timeless), expected.map(timeless), "after step {step}: {told}");
            }
            self.compare_messages(step, &told).await;
        }
    }

    /// The messages of all instances are the same, from wherever they are read.
    async fn compare_messages(&mut self, step: usize, told: &str) {
        let position = if self.dice.one_in(2) { 0 } else { i64::try_from(self.dice.roll(5)).expect("small") };
        let wanted: Vec<_> = self.ids.iter().map(|id| After { id: id.clone(), position }).collect();
        let stored = self.store.messages(&wanted, 1_000).await.expect("the store is there");
        let expected = self.model.messages(&wanted, 1_000).await.expect("memory is there");
        let untimed = |message: StoredMessage| StoredMessage { sent_at: Timestamp::UNIX_EPOCH, ..message };
        let untimed = |all: Vec<Vec<_>>| -> Vec<Vec<_>> {
            all.into_iter().map(|messages| messages.into_iter().map(untimed).collect()).collect()
        };
        assert_eq!(untimed(stored), untimed(expected), "after step {step}: {told}");
    }

    async fn write(&mut self, most: usize, word: &str) -> String {
        let mut ids = self.ids.clone();
        let mut batch = Vec::new();
        for _ in 0..=self.dice.roll(most) {
            let id = ids.remove(self.dice.roll(ids.len()));
            batch.push(self.one(&id, word).await);
        }
        let mut stored = Vec::new();
        for write in &batch {
            stored.push(self.dated(write).await);
        }
        let answers = self.store.write(&stored).await.expect("the store is there");
        let expected = self.model.write(&batch).await.expect("memory is there");
        let answers: Vec<_> = answers.into_iter().map(timeless_answer).collect();
        assert_eq!(answers, expected.into_iter().map(timeless_answer).collect::<Vec<_>>(), "to {batch:?}");
        format!("{batch:?}")
    }

    /// A write for the store, whose clock dates instances in its own way.
    async fn dated(&self, write: &Write) -> Write {
        let (stored, expected) = (self.store.find(write.id()).await, self.model.find(write.id()).await);
        let dated = |read: Timestamp| match (&stored, &expected) {
            (Some(stored), Some(expected)) if expected.created_at == read => stored.created_at,
            (stored, _) => stored.as_ref().map_or(read, another_creation),
        };
        match write.clone() {
            Write::Edit(edit) => Write::Edit(Edit { created_at: dated(edit.created_at), ..edit }),
            Write::Delete(delete) => Write::Delete(Delete { created_at: dated(delete.created_at), ..delete }),
            other => other,
        }
    }

    /// A write that often, and not always, meets the guard of the instance.
    async fn one(&mut self, id: &FunctionId, word: &str) -> Write {
        let dice = &mut self.dice;
        let replica = dice.pick(&self.replicas).id;
        let Some(mut row) = self.model.find(id).await else {
            let start = if dice.one_in(2) { Start::Running(replica) } else { Start::Waiting(dice.due()) };
            let scrapbook = dice.one_in(3).then(|| text(1, word));
            let (journal, messages) = (dice.note(word), dice.messages(word));
            let parent = dice.one_in(3).then(|| given::id(word));
            let create = Create { id: id.clone(), scrapbook, journal, parent, ..given::create("", start) };
            match dice.roll(16) {
                0 | 1 => return Write::Append(Append { id: id.clone(), messages }),
                2 => return Write::Cancel(Cancel { id: id.clone(), ..given::cancel("") }),
                _ => {}
            }
            return Write::Create(Create { param: text(dice.version(), word), messages, ..create });
        };
        if dice.one_in(6) {
            row.epoch = Epoch::new(row.epoch.as_i64() + dice.pick(&[-1, 1]));
        }
        if dice.one_in(8) {
            row.created_at = another_creation(&row);
        }
        row.owner = if dice.one_in(8) { Some(replica) } else { row.owner.or(Some(replica)) };
        Self::change(dice, &row, replica, word)
    }

    /// A write on what is stored.
    fn change(dice: &mut Dice, row: &StoredFunction, replica: ReplicaId, word: &str) -> Write {
        let id = row.id.clone();
        let scrapbook = dice.one_in(2).then(|| text(dice.version(), word));
        let journal = dice.note(word);
        match dice.roll(14) {
            0 => {
                let messages = dice.messages(word);
                let create = given::create("", Start::Waiting(Due::Now));
                Write::Create(Create { id, messages, ..create })
            }
            1 | 2 => {
                let number = row.saves + dice.pick(&[1, 1, 1, 3, 0]);
                Write::Save(Save { scrapbook, journal, ..numbered(row, number, text(1, "")) })
            }
            3..=5 => {
                let (ending, reason) = (dice.ending(row, word), dice.note(word));
                Write::Finish(Finish { scrapbook, journal, reason, ..finish(row, ending) })
            }
            6 | 7 => {
                let param = dice.one_in(3).then(|| text(dice.version(), word));
                let count = dice.count(row.message_count);
                let replace =
                    |dice: &mut Dice| Replace { message_count: count, messages: dice.messages(word) };
                let messages = dice.one_in(3).then(|| replace(dice));
                let edit = edit(row, dice.transition(replica, word));
                Write::Edit(Edit { param, scrapbook, journal, messages, ..edit })
            }
            8..=10 => Write::Append(Append { id, messages: dice.messages(word) }),
            11 | 12 => Write::Cancel(Cancel { id, failure: format!("\"{word}\"") }),
            _ => Write::Delete(Delete::of(row)),
        }
    }

    async fn claim(&mut self) -> String {
        let replica = self.dice.pick(&self.replicas).id;
        let kinds = [Claimable {
            param_version: self.dice.version(),
            scrapbook_version: self.dice.version() - 1,
            ..kind(TYPE)
        }];
        let claimed = self.store.claim_of(replica, &kinds, 9).await;
        let expected = self.model.claim_of(replica, &kinds, 9).await;
        let claimed: Vec<_> = claimed.into_iter().map(timeless).collect();
        assert_eq!(claimed, expected.into_iter().map(timeless).collect::<Vec<_>>(), "{kinds:?}");
        format!("a claim of {kinds:?}")
    }

    async fn release(&mut self) -> String {
        let released = self.store.release_dead().await.expect("the store is there");
        assert_eq!(released, self.model.release_dead().await.expect("memory is there"));
        format!("a release of {released}")
    }

    async fn join_or_leave(&mut self) -> String {
        let replica = self.dice.pick(&self.replicas);
        let joins = self.dice.one_in(2);
        for store in [&self.store, &self.model] {
            if joins {
                store.join(&replica).await;
            } else {
                store.leave(replica.id).await;
            }
        }
        format!("{} {}", replica.id, if joins { "joined" } else { "left" })
    }
}

/// The creation of another instance of that id.
fn another_creation(row: &StoredFunction) -> Timestamp {
    row.created_at.saturating_add(Duration::from_micros(1))
}

/// Two clocks differ; whether there is a time does not.
fn timeless(row: StoredFunction) -> StoredFunction {
    let some = |time: Option<Timestamp>| time.map(|_| Timestamp::UNIX_EPOCH);
    StoredFunction {
        due_at: some(row.due_at),
        completed_at: some(row.completed_at),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
        ..row
    }
}

fn timeless_answer(answer: Written) -> Written {
    match answer {
        Written::Exists(row) => Written::Exists(Box::new(timeless(*row))),
        answer => answer,
    }
}

//! What the writer makes of many writes, and of a store that errs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::*;
use crate::clock::Due;
use crate::id::ReplicaId;
use crate::payload::Payload;
use crate::record::{LiveReplica, NewMessage, StoredFunction, StoredMessage};
use crate::store::{
    After, Append, Claimable, Create, Edit, Ending, Expiry, Filter, Finish, InMemoryStore, Lifeline, Replace,
    Save, Start, Transition,
};

fn id(instance: &str) -> FunctionId {
    FunctionId::new("Order", instance)
}

fn message(key: &str) -> NewMessage {
    NewMessage { name: "Paid".into(), payload: Payload::new(1, format!("\"{key}\"")), key: key.into() }
}

fn append(instance: &str, keys: &[&str]) -> Write {
    Write::Append(Append { id: id(instance), messages: keys.iter().map(|key| message(key)).collect() })
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// The first write is applied, and its answer is lost.
    Lost,
    /// The first write is not applied.
    Refused,
    /// No batch with the key `bad` can be stored.
    Bad,
    /// An instance whose name begins with `held` cannot be had, which takes a batch so long.
    Held(Duration),
}

/// The store in memory, with a trouble before it.
#[derive(Debug)]
struct Troubled {
    inner: InMemoryStore,
    trouble: Trouble,
    writes: AtomicUsize,
    /// Whoever writes waits while this is held.
    gate: tokio::sync::Mutex<()>,
    sizes: Mutex<Vec<usize>>,
}

impl Troubled {
    /// With instance `a`, which runs under this replica.
    async fn running(trouble: Trouble) -> (Arc<Self>, ReplicaId) {
        let (inner, owner) = (InMemoryStore::new(), ReplicaId::random());
        let create = Create::new(id("a"), Start::Running(owner), 1, Payload::new(1, "0"));
        assert_eq!(inner.write(&[Write::Create(create)]).await.unwrap(), [Written::Done]);
        let (writes, gate, sizes) = Default::default();
        (Arc::new(Self { inner, trouble, writes, gate, sizes }), owner)
    }

    fn writer(self: &Arc<Self>, settings: &Settings) -> Writer {
        Writer::start(Arc::clone(self) as _, settings)
    }

    async fn keys(&self) -> Vec<String> {
        let all = [After { id: id("a"), position: 0 }];
        let messages = self.inner.messages(&all, u32::MAX).await.unwrap().remove(0);
        messages.into_iter().map(|message| message.key).collect()
    }

    async fn row(&self) -> StoredFunction {
        self.inner.get(&[id("a")]).await.unwrap().remove(0).unwrap()
    }
}

#[async_trait]
impl Store for Troubled {
    async fn initialize(&self) -> Result<(), StoreError> {
        Ok(())
    }
    async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        let gate = self.gate.lock().await;
        self.sizes.lock().unwrap().push(batch.len());
        let is_first = self.writes.fetch_add(1, Ordering::Relaxed) == 0;
        let has_bad = |append: &Append| append.messages.iter().any(|message| message.key == "bad");
        let is_bad = |write: &Write| matches!(write, Write::Append(append) if has_bad(append));
        let is_held = batch.iter().any(|write| write.id().instance_id.as_str().starts_with("held"));
        match self.trouble {
            Trouble::Held(time) if is_held => {
                drop(gate);
                tokio::time::sleep(time).await;
                Err(StoreError::transient("somebody holds it"))
            }
            Trouble::Bad if batch.iter().any(is_bad) => Err(StoreError::permanent("no such message")),
            Trouble::Refused if is_first => Err(StoreError::transient("it was not applied")),
            Trouble::Lost if is_first => {
                self.inner.write(batch).await?;
                Err(StoreError::transient("the answer was lost"))
            }
            _ => self.inner.write(batch).await,
        }
    }
    async fn get(&self, ids: &[FunctionId]) -> Result<Vec<Option<StoredFunction>>, StoreError> {
        self.inner.get(ids).await
    }
    async fn list(&self, filter: &Filter) -> Result<Vec<StoredFunction>, StoreError> {
        self.inner.list(filter).await
    }
    async fn messages(&self, wanted: &[After], limit: u32) -> Result<Vec<Vec<StoredMessage>>, StoreError> {
        self.inner.messages(wanted, limit).await
    }
    async fn claim(
        &self,
        replica: ReplicaId,
        kinds: &[Claimable],
        limit: u32,
    ) -> Result<Vec<StoredFunction>, StoreError> {
        self.inner.claim(replica, kinds, limit).await
    }
    async fn expire(&self, expiries: &[Expiry], limit: u32) -> Result<u64, StoreError> {
        self.inner.expire(expiries, limit).await
    }
    async fn release_dead(&self) -> Result<u64, StoreError> {
        self.inner.release_dead().await
    }
    async fn replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        self.inner.replicas().await
    }
    async fn lifeline(&self) -> Result<Box<dyn Lifeline>, StoreError> {
        self.inner.lifeline().await
    }
}

/// Hands these over at once, and answers their answers in their order.
async fn all(entrance: &Writer, writes: Vec<Write>) -> Vec<Result<Written, StoreError>> {
    let mut tasks = JoinSet::new();
    for (number, write) in writes.into_iter().enumerate() {
        let clone = entrance.clone();
        tasks.spawn(async move { (number, clone.write(write).await) });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn done(entrance: &Writer, writes: Vec<Write>) {
    for answer in all(entrance, writes).await {
        assert_eq!(answer.unwrap(), Written::Done);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_messages_for_one_instance_takes_few_writes() {
    let (store, _) = Troubled::running(Trouble::None).await;
    let keys: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
    let settings = Settings::default().max_batch(300);
    done(&store.writer(&settings), keys.iter().map(|key| append("a", &[key])).collect()).await;
    assert_eq!(*store.sizes.lock().unwrap(), [1; 4], "300 messages at most in each");
    assert_eq!(store.keys().await, keys);
    assert_eq!(store.row().await.message_count, 1_000);
}

#[tokio::test(start_paused = true)]
async fn messages_of_many_instances_go_together() {
    let (store, owner) = Troubled::running(Trouble::None).await;
    let names: Vec<_> = (0..20).map(|number| format!("{number:02}")).collect();
    let create =
        |name: &String| Write::Create(Create::new(id(name), Start::Running(owner), 1, Payload::new(1, "0")));
    let writer = store.writer(&Settings::default());
    done(&writer, names.iter().map(create).collect()).await;
    let burst = |key: &'static str| names.iter().map(move |name| append(name, &[key]));
    done(&writer, burst("1").chain(burst("2")).chain(burst("1")).collect()).await;
    assert_eq!(*store.sizes.lock().unwrap(), [20, 20]);
    let wanted: Vec<_> = names.iter().map(|name| After { id: id(name), position: 0 }).collect();
    for messages in store.inner.messages(&wanted, u32::MAX).await.unwrap() {
        assert!(messages.iter().map(|message| message.key.as_str()).eq(["1", "2"]), "{messages:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_do_not_overtake_what_was_there_before_them() {
    let (store, owner) = Troubled::running(Trouble::None).await;
    let epoch = store.row().await.epoch;
    let ending = Ending::Succeeded(Payload::new(1, "1"));
    let end = Finish::without_progress(id("a"), owner, epoch, ending);
    let writes = vec![append("a", &["1"]), append("a", &["2"]), Write::Finish(end), append("a", &["3"])];
    let answers = all(&store.writer(&Settings::default()), writes).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [Written::Done, Written::Done, Written::Done, Written::Completed]);
    assert_eq!(*store.sizes.lock().unwrap(), [1, 1, 1]);
    assert_eq!(store.keys().await, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn each_caller_is_told_what_became_of_its_own_messages() {
    let (store, owner) = Troubled::running(Trouble::None).await;
    let writer = store.writer(&Settings::default());
    done(&writer, vec![append("a", &["1", "2"])]).await;
    let ending = Ending::Succeeded(Payload::new(1, "1"));
    let end = Finish::without_progress(id("a"), owner, store.row().await.epoch, ending);
    done(&writer, vec![Write::Finish(end)]).await;
    let late: [&[&str]; 5] = [&["2"], &["3"], &["1", "4"], &["2", "1"], &[]];
    let answers = all(&writer, late.map(|keys| append("a", keys)).into()).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let (done, completed) = (Written::Done, Written::Completed);
    assert_eq!(answers, [done.clone(), completed.clone(), completed, done.clone(), done]);
    assert_eq!(store.keys().await, ["1", "2"]);
    let gone = all(&writer, vec![append("b", &["1"]), append("b", &["2"])]).await;
    assert!(gone.into_iter().all(|answer| answer.unwrap() == Written::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_stored_does_not_take_others_with_it() {
    let (store, _) = Troubled::running(Trouble::Bad).await;
    let writes = vec![append("a", &["1"]), append("a", &["2", "bad"]), append("a", &["3"])];
    let answers = all(&store.writer(&Settings::default()), writes).await;
    let done: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, true], "{answers:?}");
    assert_eq!(store.keys().await, ["1", "3"]);
}

/// Neither those that are stored together with it, nor those that come later.
#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_had_holds_up_no_other() {
    let (store, owner) = Troubled::running(Trouble::Held(Duration::from_secs(5))).await;
    let end = child(&store, owner, "b").await;
    for name in ["held", "held too"] {
        child(&store, owner, name).await;
    }
    let writer = store.writer(&Settings::default().batches_in_flight(1));
    let held = tokio::spawn({
        let writer = writer.clone();
        async move { all(&writer, vec![append("held", &["1"]), append("held", &["2"])]).await }
    });
    tokio::task::yield_now().await;
    let before = tokio::time::Instant::now();
    done(&writer, vec![append("a", &["1"])]).await;
    assert!(before.elapsed() < Duration::from_secs(1), "it is not waited for");
    let together = async {
        done(&writer, vec![append("a", &["2"])]).await;
        let before = tokio::time::Instant::now();
        done(&writer, vec![append("a", &["3"])]).await;
        assert!(before.elapsed() < Duration::from_secs(1), "what is stored may be written again");
    };
    let (refused, ()) = tokio::join!(writer.write(append("held too", &["4"])), together);
    refused.unwrap_err();
    let answers = told(&writer, vec![end]).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == Written::Done));
    assert_eq!(store.keys().await, ["1", "2", "3", "b"]);
    assert!(held.await.unwrap().into_iter().all(|answer| answer.is_err()));
}

#[tokio::test(start_paused = true)]
async fn an_end_and_its_message_stay_together_when_others_are_held() {
    let (store, owner) = Troubled::running(Trouble::Held(Duration::ZERO)).await;
    let ends = [child(&store, owner, "b").await, child(&store, owner, "c").await];
    child(&store, owner, "held").await;
    let writer = store.writer(&Settings::default());
    let held = tokio::spawn({
        let writer = writer.clone();
        async move { writer.write(append("held", &["1"])).await }
    });
    let answers = told(&writer, ends.into()).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == Written::Done));
    assert!(held.await.unwrap().is_err());
    assert_eq!(store.keys().await, ["b", "c"]);
    assert_eq!(store.sizes.lock().unwrap()[..2], [4, 3], "both ends, and what tells of them");
}

#[tokio::test(start_paused = true)]
async fn messages_whose_answer_was_lost_are_stored_once() {
    for trouble in [Trouble::Lost, Trouble::Refused] {
        let (store, _) = Troubled::running(trouble).await;
        let writes = vec![append("a", &["1"]), append("a", &["2", "3"]), append("a", &["4"])];
        done(&store.writer(&Settings::default()), writes).await;
        assert_eq!(store.keys().await, ["1", "2", "3", "4"], "{trouble:?}");
        assert_eq!(*store.sizes.lock().unwrap(), [1, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_whose_answer_was_lost_is_done_once() {
    for trouble in [Trouble::Lost, Trouble::Refused] {
        let (store, owner) = Troubled::running(trouble).await;
        let epoch = store.row().await.epoch;
        let (scrapbook, journal) = (None, Some("\"noted\"".to_owned()));
        let save = Save { id: id("a"), owner, epoch, number: 1, scrapbook, journal: journal.clone() };
        done(&store.writer(&Settings::default()), vec![Write::Save(save)]).await;
        let row = store.row().await;
        assert_eq!((row.saves, row.journal), (1, journal), "{trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_whose_answer_was_lost_is_told_from_another_edit() {
    for trouble in [Trouble::Lost, Trouble::Refused] {
        let (store, _) = Troubled::running(trouble).await;
        let row = store.row().await;
        let edit = |keys: &[&str]| Edit {
            messages: Some(Replace {
                message_count: 0,
                messages: keys.iter().map(|key| message(key)).collect(),
            }),
            ..Edit::of(&row, Transition::Wait(Due::Now))
        };
        let writer = store.writer(&Settings::default());
        // While the answer of the one is lost, the other is written behind its back.
        let (mine, other) = (Write::Edit(edit(&["mine", "mine"])), Write::Edit(edit(&["other"])));
        let gate = store.gate.lock().await;
        let written = tokio::spawn(async move { writer.write(mine).await });
        tokio::task::yield_now().await;
        drop(gate);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let theirs = store.inner.write(&[other]).await.unwrap();
        let mine = written.await.unwrap().unwrap();
        let expected = match trouble {
            Trouble::Lost => (Written::Done, Written::Changed, vec!["mine".to_owned()]),
            _ => (Written::Changed, Written::Done, vec!["other".to_owned()]),
        };
        assert_eq!((mine, theirs[0].clone(), store.keys().await), expected, "{trouble:?}");
    }
}

/// A running instance of this name, and what ends it.
async fn child(store: &Troubled, owner: ReplicaId, name: &str) -> Write {
    let create = Create::new(id(name), Start::Running(owner), 1, Payload::new(1, "0"));
    assert_eq!(store.inner.write(&[Write::Create(create)]).await.unwrap(), [Written::Done]);
    let ending = Ending::Succeeded(Payload::new(1, "1"));
    Write::Finish(Finish::without_progress(id(name), owner, crate::id::Epoch::ZERO, ending))
}

fn tell(keys: &[&str]) -> Option<Append> {
    let Write::Append(append) = append("a", keys) else { return None };
    Some(append)
}

/// Hands these ends over at once, each with a message for `a` under its name, and answers their answers.
async fn told(writer: &Writer, ends: Vec<Write>) -> Vec<Result<Written, StoreError>> {
    let mut tasks = Vec::new();
    for end in ends {
        let (writer, key) = (writer.clone(), end.id().instance_id.to_string());
        let tell = tell(&[&key]);
        tasks.push(tokio::spawn(async move { writer.write_and_tell(end, tell).await }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn an_end_and_its_message_are_in_one_batch() {
    for trouble in [Trouble::None, Trouble::Lost, Trouble::Refused] {
        let (store, owner) = Troubled::running(trouble).await;
        let mut ends = Vec::new();
        for name in ["b", "c", "0"] {
            ends.push(child(&store, owner, name).await);
        }
        let writer = store.writer(&Settings::default());
        let answers = told(&writer, ends).await;
        assert!(answers.iter().all(|answer| *answer.as_ref().unwrap() == Written::Done), "{trouble:?}");
        assert_eq!(store.keys().await, ["b", "c", "0"], "{trouble:?}");
        let first = store.sizes.lock().unwrap()[0];
        assert_eq!(first, 4, "three ends, and one append with three messages");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_waits_for_what_is_on_its_way_to_its_parent_and_is_not_overtaken() {
    let (store, owner) = Troubled::running(Trouble::None).await;
    let end = child(&store, owner, "b").await;
    let gate = store.gate.lock().await;
    let writer = store.writer(&Settings::default());
    let first = tokio::spawn({
        let writer = writer.clone();
        async move { writer.write(append("a", &["1"])).await }
    });
    tokio::task::yield_now().await;
    let ends = tokio::spawn({
        let writer = writer.clone();
        async move { told(&writer, vec![end]).await }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    // Both instances are free as far as the store knows, but the end stands before these.
    let late =
        tokio::spawn(async move { all(&writer, vec![append("b", &["2"]), append("a", &["3"])]).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(gate);
    assert_eq!(first.await.unwrap().unwrap(), Written::Done);
    assert_eq!(ends.await.unwrap().remove(0).unwrap(), Written::Done);
    let late: Vec<_> = late.await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(late, [Written::Completed, Written::Done]);
    assert_eq!(store.keys().await, ["1", "b", "3"]);
    let sizes = store.sizes.lock().unwrap().clone();
    assert_eq!(sizes, [1, 2, 1], "the last message for the parent goes with that of its child");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_stored_takes_its_message_with_it_and_no_other() {
    let (store, owner) = Troubled::running(Trouble::Bad).await;
    let (good, bad) = (child(&store, owner, "good").await, child(&store, owner, "bad").await);
    let answers = told(&store.writer(&Settings::default()), vec![bad, good]).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true], "{answers:?}");
    assert_eq!(store.keys().await, ["good"]);
    let rows = store.inner.get(&[id("bad"), id("good")]).await.unwrap();
    let stand: Vec<_> = rows.into_iter().flatten().map(|row| row.status.is_completed()).collect();
    assert_eq!(stand, [false, true], "what is not told has not ended");
}

#[tokio::test(start_paused = true)]
async fn an_end_is_stored_when_its_parent_has_succeeded_or_is_gone() {
    let (store, owner) = Troubled::running(Trouble::None).await;
    let (one, two) = (child(&store, owner, "b").await, child(&store, owner, "c").await);
    let writer = store.writer(&Settings::default());
    let ending = Ending::Succeeded(Payload::new(1, "1"));
    let over = Finish::without_progress(id("a"), owner, store.row().await.epoch, ending);
    done(&writer, vec![Write::Finish(over)]).await;
    let answers = told(&writer, vec![one, two]).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == Written::Done));
    assert_eq!(*store.sizes.lock().unwrap(), [1, 3], "nobody asks for the messages again");
    let gone = Append { id: id("nobody"), ..tell(&["d"]).unwrap() };
    let end = child(&store, owner, "d").await;
    assert_eq!(writer.write_and_tell(end, Some(gone)).await.unwrap(), Written::Done);
}

#[tokio::test(start_paused = true)]
async fn many_new_instances_are_stored_together_whatever_the_first_answer_is() {
    for trouble in [Trouble::None, Trouble::Lost, Trouble::Refused] {
        let (store, _) = Troubled::running(trouble).await;
        let create = |name: &str| Create::new(id(name), Start::Waiting(Due::Now), 1, Payload::new(1, "0"));
        let writer = store.writer(&Settings::default().max_batch(1));
        let written = writer.create_all(["c", "a", "b"].map(create).into()).await.unwrap();
        assert!(matches!(written[..], [Written::Exists(_), Written::Done, Written::Done]), "{written:?}");
        assert_eq!(store.sizes.lock().unwrap()[0], 3, "{trouble:?}");
    }
}

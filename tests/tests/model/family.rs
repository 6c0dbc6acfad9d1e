//! Parents with children: begun beside each other, together, and left to others; children that sleep, are put off, fail
//! and are repaired, have a child of their own, and are cancelled.

use std::collections::BTreeMap;
use std::time::Duration;

use resilient::prelude::*;
use resilient::{FunctionId, StoredFunction};
use resilient_tests::orders::Ledger;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::ask::{End, cancel, have_done, run_again};
use super::audit::Audit;
use super::process::Processes;
use super::random::Random;

/// How many parents each seed has.
pub(crate) const FAMILIES: u64 = 4;

/// The types of parents and children.
const PARENT: &str = "model.Parent";
pub(crate) const CHILD: &str = "model.Child";

/// What a child does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Task {
    work: Duration,
    nap: Option<Duration>,
    /// How long it puts itself off, once.
    pause: Option<Duration>,
    /// Whether it fails until somebody repairs it.
    broken: bool,
    /// What a child of its own does.
    own: Option<Box<Self>>,
}

impl Task {
    fn new(random: &mut Random, has_own: bool) -> Self {
        let work = random.millis(1, 2_000);
        let mut some = |chance| random.percent(chance).then(|| random.millis(1, 4_000));
        let (nap, pause) = (some(30), some(20));
        let broken = random.percent(15);
        let own = has_own.then(|| Box::new(Self::new(random, false)));
        Self { work, nap, pause, broken, own }
    }

    /// How long it takes by its own wish: it works again in each run.
    fn takes(&self) -> Duration {
        let own = self.own.as_ref().map(|own| own.takes()).unwrap_or_default();
        self.work * 6 + self.nap.unwrap_or_default() + self.pause.unwrap_or_default() + own
    }
}

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
pub(crate) struct Progress {
    waited: bool,
    repaired: bool,
}

/// Comes to a number that no other run comes to.
#[resilient_fn(type_id = "model.Child", register = false)]
pub(crate) async fn child(
    task: Task,
    progress: &mut Scrapbook<Progress>,
    context: &Context,
    ledger: Dep<Ledger>,
) -> resilient::Result<u64> {
    let running = ledger.begin(&name(CHILD, context.instance_id().as_str()));
    sleep(task.work).await;
    if let Some(nap) = task.nap {
        context.sleep("nap", nap).await?;
    }
    if let Some(pause) = task.pause.filter(|_| !progress.waited) {
        progress.waited = true;
        return Postpone::for_(pause).into_err();
    }
    if task.broken && !progress.repaired {
        return Err(resilient::Error::msg("it is broken"));
    }
    if let Some(own) = task.own {
        context.invoke::<child>("own", *own).await?;
    }
    drop(running);
    Ok(ledger.next())
}

/// What a parent has its children do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Left to others.
    left: Vec<Task>,
    /// Begun here, side by side.
    beside: Option<(Task, Task)>,
    /// Stored together.
    many: Vec<Task>,
    /// Whether it asks for the results of those that it has left to others.
    fetches: bool,
    /// Whether it is put off when a child has failed, instead of failing.
    patient: bool,
    /// Whether somebody deletes one of them, which is then begun anew when it is asked for.
    loses: bool,
}

impl Plan {
    fn new(random: &mut Random) -> Self {
        let mut some = |most: usize| -> Vec<Task> {
            let count = random.below(most + 1);
            (0..count)
                .map(|_| {
                    let has_own = random.percent(15);
                    Task::new(random, has_own)
                })
                .collect()
        };
        let (left, many) = (some(2), some(4));
        let beside = random.percent(60).then(|| (Task::new(random, false), Task::new(random, false)));
        Self {
            left,
            beside,
            many,
            fetches: random.percent(50),
            patient: random.percent(50),
            loses: random.percent(15),
        }
    }

    /// The names of its children, with what each of them does.
    fn children(&self) -> BTreeMap<String, Task> {
        let left = self.left.iter().enumerate().map(|(number, task)| (format!("left {number}"), task));
        let many = self.many.iter().enumerate().map(|(number, task)| (format!("many {number}"), task));
        let beside = self.beside.iter().flat_map(|(one, two)| [("one", one), ("two", two)]);
        let beside = beside.map(|(name, task)| (name.to_owned(), task));
        left.chain(many).chain(beside).map(|(name, task)| (name, task.clone())).collect()
    }

    fn takes(&self) -> Duration {
        self.children().values().map(Task::takes).sum()
    }
}

/// What the children have come to, by their names.
pub(crate) type Ends = BTreeMap<String, u64>;

#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
pub(crate) struct Seen {
    ends: Ends,
}

/// Comes to what its children have come to.
#[resilient_fn(type_id = "model.Parent", register = false)]
pub(crate) async fn parent(
    plan: Plan,
    seen: &mut Scrapbook<Seen>,
    context: &Context,
    ledger: Dep<Ledger>,
    audit: Dep<Audit>,
) -> resilient::Result<Ends> {
    let id = context.instance_id().as_str();
    let running = ledger.begin(&name(PARENT, id));
    let mut ends = Ends::new();
    let all = all_done(&plan, context, &mut ends).await;
    for (name, end) in ends {
        let before = seen.ends.insert(name.clone(), end);
        if !plan.loses {
            expect_stored(&audit, &format!("{id}/{name}"), end).await;
            audit.expect(before.is_none_or(|before| before == end), || {
                format!("{id}/{name} has come to {before:?} and then to {end}")
            });
        }
    }
    match all {
        Err(InvokeError::Failed(_)) if plan.patient => {
            return Postpone::for_(Duration::from_millis(700)).into_err();
        }
        all => all?,
    }
    drop(running);
    Ok(seen.ends.clone())
}

async fn all_done(plan: &Plan, context: &Context, ends: &mut Ends) -> Result<(), InvokeError> {
    for (number, task) in plan.left.iter().enumerate() {
        context.schedule::<child>(format!("left {number}"), task.clone()).await?;
    }
    if let Some((one, two)) = plan.beside.clone() {
        let (one, two) =
            tokio::try_join!(context.invoke::<child>("one", one), context.invoke::<child>("two", two))?;
        ends.extend([("one".to_owned(), one), ("two".to_owned(), two)]);
    }
    let names = (0..plan.many.len()).map(|number| format!("many {number}"));
    let many = context.invoke_all::<child>(names.clone().zip(plan.many.clone())).await?;
    ends.extend(names.zip(many));
    for (number, task) in plan.left.iter().enumerate().filter(|_| plan.fetches) {
        let name = format!("left {number}");
        let end = context.invoke::<child>(&name, task.clone()).await?;
        ends.insert(name, end);
    }
    Ok(())
}

async fn expect_stored(audit: &Audit, instance: &str, end: u64) {
    let row = audit.row(&FunctionId::new(CHILD, instance)).await;
    let stored = row.as_ref().and_then(|row| row.result.as_ref()).map(|result| result.body.clone());
    audit.expect(stored == Some(end.to_string()), || {
        format!("the parent of {instance} has seen {end}, and this is stored: {row:?}")
    });
}

/// Whether it may ask for the results of its children.
pub(crate) fn is_unfinished_parent(row: &StoredFunction) -> bool {
    [PARENT, CHILD].contains(&row.id.type_id.as_str()) && row.status != Status::Succeeded
}

/// Its name in the ledger, which it shares with others.
fn name(type_id: &str, instance: &str) -> String {
    format!("{type_id} {instance}")
}

/// One parent with all that is to be done for it.
pub(crate) struct Family {
    number: u64,
    plan: Plan,
    asker: JoinHandle<End<Ends>>,
    others: Vec<JoinHandle<()>>,
    /// Whether somebody cancels the parent.
    doomed: bool,
}

impl Family {
    /// Asks for it at whatever processes are there, repairs its children, and sometimes cancels one of them, or itself.
    pub(crate) fn start(seed: u64, number: u64, processes: &Processes, audit: &Audit) -> Self {
        let mut random = Random::new(seed, 20_000 + number);
        let plan = Plan::new(&mut random);
        let doomed = random.percent(20);
        let mut others = Vec::new();
        if doomed {
            let (random, id) = (Random::new(seed, 21_000 + number), number.to_string());
            others.push(tokio::spawn(undo::<parent>(processes.clone(), random, id)));
        }
        let children: Vec<_> = plan.children().into_keys().collect();
        if random.percent(30) && !children.is_empty() {
            let id = format!("{number}/{}", children[random.below(children.len())]);
            let random = Random::new(seed, 22_000 + number);
            others.push(tokio::spawn(undo::<child>(processes.clone(), random, id)));
        }
        if plan.loses && !children.is_empty() {
            let id = format!("{number}/{}", children[random.below(children.len())]);
            let random = Random::new(seed, 24_000 + number);
            others.push(tokio::spawn(lose(processes.clone(), random, id)));
        }
        let random = Random::new(seed, 23_000 + number);
        let asker =
            tokio::spawn(ask(processes.clone(), audit.clone(), random, number.to_string(), plan.clone()));
        Self { number, plan, asker, others, doomed }
    }

    /// Waits for the ends of all, that long and as long as they take by their own wish.
    pub(crate) async fn expect_kept(self, audit: &Audit, ledger: &Ledger, drain: Duration) {
        let Self { number, plan, asker, others, doomed } = self;
        let limit = drain + plan.takes();
        let Ok(Ok(end)) = timeout(limit, asker).await else {
            return audit.violation(format!("parent {number} is stuck or failed: {plan:?}"));
        };
        // What was never begun is not there to be cancelled.
        others.iter().for_each(JoinHandle::abort);
        let row = audit.row(&FunctionId::new(PARENT, number.to_string())).await.expect("it was asked for");
        match end {
            Ok(ends) => {
                let body = serde_json::to_string(&ends).expect("it is JSON");
                let stored = row.result.as_ref().map(|result| &result.body);
                audit.expect(stored == Some(&body), || format!("{number} gave {body}: {row:?}"));
                for (name, end) in ends.into_iter().filter(|_| !plan.loses) {
                    let child = format!("{number}/{name}");
                    // Nobody asks for it any more, so it may have expired.
                    if audit.row(&FunctionId::new(CHILD, child.as_str())).await.is_some() {
                        expect_stored(audit, &child, end).await;
                    }
                }
            }
            Err(failure) => audit.expect(doomed && row.status == Status::Failed, || {
                format!("parent {number} was said to have ended with {failure}: {row:?}")
            }),
        }
        expect_children(audit, ledger, number, &plan, limit).await;
    }
}

/// Children live on when their parent has ended; all of them end, and none runs beside itself.
async fn expect_children(audit: &Audit, ledger: &Ledger, number: u64, plan: &Plan, limit: Duration) {
    let ended = async {
        while !children(audit, &number.to_string()).await.iter().all(|row| row.status.is_completed()) {
            sleep(Duration::from_millis(500)).await;
        }
    };
    if timeout(limit, ended).await.is_err() {
        audit.violation(format!("a child of {number} is stuck: {plan:?}"));
    }
    for row in children(audit, &number.to_string()).await {
        let page = ledger.page(&name(CHILD, row.id.instance_id.as_str()));
        // The run of one that was deleted goes on for a while.
        audit.expect(plan.loses || page.most_at_once <= 1, || format!("{} ran beside itself", row.id));
        let is_ok = row.status == Status::Failed || page.begun > 0;
        audit.expect(is_ok, || format!("{} has succeeded without a run", row.id));
    }
    let page = ledger.page(&name(PARENT, &number.to_string()));
    audit.expect(page.most_at_once <= 1, || format!("parent {number} ran beside itself"));
}

/// The children of a parent, and those of its children.
async fn children(audit: &Audit, parent: &str) -> Vec<StoredFunction> {
    let begin = format!("{parent}/");
    let mut rows = audit.all().await;
    rows.retain(|row| row.id.type_id.as_str() == CHILD && row.id.instance_id.as_str().starts_with(&begin));
    rows
}

/// Asks for a parent until it has ended, and repairs what has failed.
async fn ask(processes: Processes, audit: Audit, mut random: Random, id: String, plan: Plan) -> End<Ends> {
    sleep(random.millis(0, 20_000)).await;
    let attempt = |runtime, choice| {
        let (audit, id, plan) = (audit.clone(), id.clone(), plan.clone());
        Box::pin(async move { attempt(&runtime, &audit, &id, plan, choice).await })
    };
    processes.insist(&mut random, attempt).await
}

async fn attempt(runtime: &Runtime, audit: &Audit, id: &str, plan: Plan, choice: usize) -> Option<End<Ends>> {
    mend_children(runtime, audit, id).await?;
    match have_done::<parent>(runtime, id, plan, choice).await? {
        Err(failure) if !failure.is_cancelled() => {
            run_again::<parent>(runtime, id, choice, |failure| !failure.is_cancelled()).await
        }
        end => Some(end),
    }
}

/// Lets all children run again that have failed, as a person does who has repaired what was wrong.
async fn mend_children(runtime: &Runtime, audit: &Audit, parent: &str) -> Option<()> {
    let mut rows = children(audit, parent).await;
    rows.retain(|row| row.status == Status::Failed);
    for row in rows {
        let mut panel = child::control_panel(runtime, &row.id.instance_id).await.ok()?;
        if panel.status() == Status::Failed {
            panel.scrapbook_mut().repaired = true;
            panel.schedule_reinvoke().await.ok()?;
        }
    }
    Some(())
}

/// Asks that a parent or a child of one ends, until that is stored or it has ended.
async fn undo<F: ResilientFn>(processes: Processes, mut random: Random, id: String) {
    sleep(random.millis(1_000, 38_000)).await;
    let attempt = |runtime, _| {
        let id = id.clone();
        async move { cancel::<F>(&runtime, &id).await }
    };
    processes.insist(&mut random, attempt).await;
}

/// Deletes a child, once it is there.
async fn lose(processes: Processes, mut random: Random, id: String) {
    sleep(random.millis(1_000, 30_000)).await;
    let attempt = |runtime: Runtime, _| {
        let id = id.clone();
        async move { child::control_panel(&runtime, id).await.ok()?.delete().await.ok() }
    };
    processes.insist(&mut random, attempt).await;
}

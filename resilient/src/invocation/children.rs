//! The children of one run: begun here or anywhere, and waited for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::begin::begin;
use super::bulk::{by_id, create_all};
use super::instance::Instance;
use super::post::RunPost;
use crate::answer::Answer;
use crate::backoff::Backoff;
use crate::context::{Child, Ends, Family, Link, Stand};
use crate::engine::Engine;
use crate::id::{Epoch, FunctionId};
use crate::invoke_error::InvokeError;
use crate::journal::Journal;
use crate::record::StoredFunction;
use crate::runs::Ended;
use crate::store::StoreError;
use crate::waiting::{Finds, PAGE, Pace, Until};

impl RunPost {
    /// Asks until the store is there; a run that has lost its instance meanwhile is stopped.
    async fn insist<T, F>(&self, question: impl Fn(Arc<Engine>) -> F) -> Result<T, InvokeError>
    where
        F: Future<Output = Result<T, InvokeError>>,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            let engine = self.engine()?;
            match question(Arc::clone(&engine)).await {
                Err(InvokeError::Store(error)) if error.is_transient() => {
                    engine.reporter.report("begin children", error);
                }
                answer => return answer,
            }
            drop(engine);
            backoff.wait().await;
        }
    }

    fn engine(&self) -> Result<Arc<Engine>, InvokeError> {
        let engine = self.engine.upgrade();
        engine.ok_or_else(|| StoreError::permanent("the runtime of this run is gone").into())
    }

    /// How a stored child stands, unless it is that of another instance, which has given it other work.
    fn stand(&self, row: &StoredFunction) -> Result<Stand, InvokeError> {
        let told = Journal::parent_in(row.journal.as_deref());
        let is_told = told.is_some();
        // A replica of an older build stores a parent in the journal only.
        if let Some(parent) = row.parent.clone().or(told).filter(|parent| *parent != self.id) {
            return Err(InvokeError::ChildOfAnother { id: row.id.clone(), parent });
        }
        Ok(match Answer::of(row).filter(Answer::is_final) {
            Some(answer) => Stand::Ended(answer),
            None => Stand::GoesOn(Link { is_told, here: None }),
        })
    }

    /// How a child stands that runs here.
    ///
    /// Its end may be stored while its run is still here, waiting for the answer. That end was told before this run was
    /// claimed, perhaps, and is not told again.
    fn stand_of_run(&self, row: Option<&StoredFunction>, ended: Ended) -> Result<Stand, InvokeError> {
        let here = Some(ended);
        Ok(match row.map(|row| self.stand(row)).transpose()? {
            Some(Stand::GoesOn(link)) => Stand::GoesOn(Link { here, ..link }),
            Some(ended) => ended,
            None => Stand::GoesOn(Link { is_told: false, here }),
        })
    }
}

/// The child as an instance of this parent, which waits for it.
fn instance(engine: &Engine, child: Child, parent: &FunctionId) -> Result<Instance, InvokeError> {
    let Child { id, version, param, .. } = child;
    let registration = engine.registration(id.type_id.as_str(), version)?;
    let (parent, tells_parent) = (Some(parent.clone()), true);
    Ok(Instance { id, registration, param, parent, tells_parent, journal: None, messages: Vec::new() })
}

/// Reads instances, some at a time.
async fn read(
    engine: &Engine,
    ids: &[FunctionId],
) -> Result<BTreeMap<FunctionId, StoredFunction>, StoreError> {
    let mut found = BTreeMap::new();
    for page in ids.chunks(PAGE) {
        found.extend(by_id(engine.store.get(page).await?.into_iter().flatten()));
    }
    Ok(found)
}

#[async_trait]
impl Family for RunPost {
    async fn begin(&self, child: Child) -> Result<Stand, InvokeError> {
        let begin = async |engine: Arc<Engine>| {
            let instance = instance(&engine, child.clone(), &self.id)?;
            instance.check(&engine)?;
            let kind = (instance.registration.type_id, instance.registration.version);
            let lease = engine.lease_of(kind);
            let ticket = match engine.runs.enter(&child.id, Epoch::ZERO, kind, lease) {
                Ok(ticket) => ticket,
                Err(ended) => {
                    // It runs here already, or is about to: an earlier run has begun it, or somebody else.
                    let row = read(&engine, std::slice::from_ref(&child.id)).await?.remove(&child.id);
                    return self.stand_of_run(row.as_ref(), ended);
                }
            };
            let here = Some(ticket.ended());
            match begin(&engine, ticket, instance).await? {
                None => Ok(Stand::GoesOn(Link { is_told: true, here })),
                Some(existing) => self.stand(&existing),
            }
        };
        self.insist(begin).await
    }

    async fn begin_all(&self, children: Vec<Child>) -> Result<Vec<Stand>, InvokeError> {
        let ids: Vec<_> = children.iter().map(|child| child.id.clone()).collect();
        let begin = async |engine: Arc<Engine>| {
            // What an earlier run has begun is not sent again.
            let mut rows = read(&engine, &ids).await?;
            let new = children.iter().filter(|child| !rows.contains_key(&child.id));
            let new = new.map(|child| instance(&engine, child.clone(), &self.id));
            rows.extend(by_id(create_all(&engine, new.collect::<Result<_, _>>()?).await?));
            Ok(rows)
        };
        let rows = self.insist(begin).await?;
        let new = || Stand::GoesOn(Link { is_told: true, here: None });
        ids.iter().map(|id| rows.get(id).map_or_else(|| Ok(new()), |row| self.stand(row))).collect()
    }

    async fn schedule(&self, child: Child) -> Result<(), InvokeError> {
        let schedule = async |engine: Arc<Engine>| {
            let instance = instance(&engine, child.clone(), &self.id)?;
            let instance = Instance { tells_parent: false, ..instance };
            instance.check(&engine)?;
            create_all(&engine, vec![instance]).await.map(drop)
        };
        self.insist(schedule).await
    }

    async fn ended(&self, children: &[FunctionId]) -> Result<Vec<(FunctionId, Answer)>, InvokeError> {
        let rows = self.insist(async |engine: Arc<Engine>| Ok(read(&engine, children).await?)).await?;
        let ended = rows.into_iter().filter_map(|(id, row)| match self.stand(&row) {
            Ok(Stand::Ended(answer)) => Some(Ok((id, answer))),
            Ok(Stand::GoesOn(_)) => None,
            Err(error) => Some(Err(error)),
        });
        ended.collect()
    }

    fn ends(&self, children: Vec<(FunctionId, Link)>) -> Ends {
        let (finds, ends) = mpsc::unbounded_channel();
        let Some(engine) = self.engine.upgrade() else { return ends };
        for (id, Link { is_told, here }) in children {
            let interval = engine.settings.wait_poll;
            let pace = if is_told { Pace::rarely(interval) } else { Pace::every(interval) };
            match here {
                None => engine.waiting.add(id, Until::Completed, pace, finds.clone()),
                Some(ended) => {
                    tokio::spawn(end_here(Arc::clone(&engine), id, ended, finds.clone()));
                }
            }
        }
        ends
    }
}

/// Brings the end of a child that runs here; when the run was only one of several, whoever goes on with it is waited for.
async fn end_here(engine: Arc<Engine>, id: FunctionId, mut ended: Ended, finds: Finds) {
    let answer = tokio::select! {
        biased;
        answer = ended.wait_for(Option::is_some) => answer.ok().and_then(|answer| answer.clone()),
        () = finds.closed() => return,
    };
    match answer.filter(Answer::is_final) {
        Some(answer) => drop(finds.send((id, Some(answer)))),
        None => engine.waiting.add(id, Until::Completed, Pace::every(engine.settings.wait_poll), finds),
    }
}

//! Children: other instances that a run begins, and whose ends it waits for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::pin::pin;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::wait::Wait;
use super::waits::{GoingOn, Waits};
use crate::answer::Answer;
use crate::id::{FunctionId, IdError, InstanceId, check_text};
use crate::invoke_error::InvokeError;
use crate::payload::Payload;

/// A child that is to be begun, unless it exists.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) id: FunctionId,
    /// What its parent calls it.
    pub(crate) name: String,
    /// The version of its function.
    pub(crate) version: u32,
    pub(crate) param: Payload,
}

/// How a child stands.
#[derive(Debug)]
pub(crate) enum Stand {
    /// It has ended.
    Ended(Answer),
    /// It has not.
    GoesOn(Link),
}

/// How its parent learns of the end of a child.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Whether its end is told to this instance: it is stored, and notes that it is a child of this one.
    pub(crate) is_told: bool,
    /// How to wait for the run of it that goes on in this process.
    pub(crate) here: Option<watch::Receiver<Option<Answer>>>,
}

/// Where the ends of children come from; without an answer, the child is gone.
pub(crate) type Ends = mpsc::UnboundedReceiver<(FunctionId, Option<Answer>)>;

/// The children of one instance.
#[async_trait]
pub(crate) trait Family: fmt::Debug + Send + Sync {
    /// Begins a child here, unless it exists.
    async fn begin(&self, child: Child) -> Result<Stand, InvokeError>;

    /// Stores those of these children that do not exist, to be run by any replica, and answers how each of them stands.
    async fn begin_all(&self, children: Vec<Child>) -> Result<Vec<Stand>, InvokeError>;

    /// Stores an instance that any replica runs, and that nobody waits for.
    async fn schedule(&self, child: Child) -> Result<(), InvokeError>;

    /// Answers the ends of those that have ended by now.
    async fn ended(&self, children: &[FunctionId]) -> Result<Vec<(FunctionId, Answer)>, InvokeError>;

    /// Brings the ends of children as they come.
    fn ends(&self, children: Vec<(FunctionId, Link)>) -> Ends;
}

/// The id of the child of this name.
pub(super) fn child_id(parent: &InstanceId, type_id: &str, name: &str) -> Result<FunctionId, IdError> {
    check_text("name of the child", name)?;
    let id = FunctionId::new(type_id, format!("{parent}/{name}"));
    check_text("instance id of the child", id.instance_id.as_str())?;
    Ok(id)
}

/// The children of one wait: who is waited for, and what has come of the others.
#[derive(Debug, Default)]
struct Brood {
    waits_for: BTreeSet<FunctionId>,
    ended: HashMap<FunctionId, Answer>,
}

impl Brood {
    fn ends(&mut self, id: FunctionId, answer: Answer, going_on: &GoingOn<'_>) {
        self.waits_for.remove(&id);
        going_on.change(|wait| {
            wait.children.remove(&id);
        });
        self.ended.insert(id, answer);
    }

    /// Whether there is nothing more to wait for: all have ended, or one has failed.
    fn is_over(&self) -> bool {
        self.waits_for.is_empty() || self.ended.values().any(Answer::is_failed)
    }
}

impl GoingOn<'_> {
    /// Says how the end of a child becomes known that it waits for.
    fn waits_for(&self, id: &FunctionId, is_told: bool) {
        self.change(|wait| {
            wait.children.insert(id.clone(), is_told);
        });
    }
}

impl Waits {
    /// Begins one child here and waits for its end.
    pub(super) async fn child(
        &self,
        family: &dyn Family,
        child: Child,
        shutdown: &watch::Receiver<bool>,
    ) -> Result<Answer, InvokeError> {
        let id = child.id.clone();
        let begin = async { Ok(vec![family.begin(child).await?]) };
        let mut ended = self.wait_for(family, vec![id.clone()], begin, shutdown).await?;
        ended.remove(&id).ok_or(InvokeError::NotFound { id })
    }

    /// Has children begun, and waits for the ends of all, or for a failure among them.
    pub(super) async fn children(
        &self,
        family: &dyn Family,
        children: Vec<Child>,
        shutdown: &watch::Receiver<bool>,
    ) -> Result<HashMap<FunctionId, Answer>, InvokeError> {
        let ids = children.iter().map(|child| child.id.clone()).collect();
        self.wait_for(family, ids, family.begin_all(children), shutdown).await
    }

    async fn wait_for(
        &self,
        family: &dyn Family,
        ids: Vec<FunctionId>,
        begin: impl Future<Output = Result<Vec<Stand>, InvokeError>>,
        shutdown: &watch::Receiver<bool>,
    ) -> Result<HashMap<FunctionId, Answer>, InvokeError> {
        // What ends from here on is told at a later position, or found by the look at it.
        let seen = Some(self.told.position());
        let children = ids.iter().map(|id| (id.clone(), false)).collect();
        let mut going_on = self.go_on(Wait { children, seen, ..Wait::default() });
        let stands = {
            // No wait suspends the run before those beside it are begun.
            let _preparing = self.prepare_beside().await;
            begin.await?
        };
        let (mut brood, mut pending) = (Brood::default(), Vec::new());
        for (id, stand) in ids.into_iter().zip(stands) {
            match stand {
                Stand::Ended(answer) => brood.ends(id, answer, &going_on),
                Stand::GoesOn(link) => {
                    going_on.waits_for(&id, link.is_told);
                    brood.waits_for.insert(id.clone());
                    pending.push((id, link));
                }
            }
        }
        if !brood.is_over() {
            going_on.watch_children();
            let ends = family.ends(pending);
            self.stay(family, (&mut brood, ends), &going_on, shutdown).await?;
        }
        going_on.end();
        Ok(brood.ended)
    }

    /// Waits in memory, as long as ends come soon enough one after the other.
    async fn stay(
        &self,
        family: &dyn Family,
        (brood, mut ends): (&mut Brood, Ends),
        going_on: &GoingOn<'_>,
        shutdown: &watch::Receiver<bool>,
    ) -> Result<(), InvokeError> {
        while !brood.is_over() {
            let patience = self.post.as_ref().map(|post| Instant::now() + post.stay_in_memory());
            let mut impatient = pin!(self.impatient(false, patience, shutdown));
            tokio::select! {
                biased;
                Some((id, end)) = ends.recv() => {
                    let Some(answer) = end else {
                        // Somebody has deleted it: the next run begins it anew.
                        going_on.waits_for(&id, false);
                        return Err(self.suspend().into());
                    };
                    brood.ends(id, answer, going_on);
                }
                () = &mut impatient => self.last_look(family, brood, going_on).await?,
            }
        }
        Ok(())
    }

    /// Suspends the run, unless it was told of ends that it has not seen.
    async fn last_look(
        &self,
        family: &dyn Family,
        brood: &mut Brood,
        going_on: &GoingOn<'_>,
    ) -> Result<(), InvokeError> {
        let told: Vec<_> = brood.waits_for.iter().filter(|id| self.told.tells_of(id)).cloned().collect();
        let ended = if told.is_empty() { Vec::new() } else { family.ended(&told).await? };
        if ended.is_empty() {
            return Err(self.suspend().into());
        }
        for (id, answer) in ended {
            brood.ends(id, answer, going_on);
        }
        Ok(())
    }
}

/// What a unit test says of the children, by type and name.
#[derive(Debug, Clone, Default)]
pub(super) struct GivenChildren(BTreeMap<(String, String), Answer>);

impl GivenChildren {
    pub(super) fn with(mut self, type_id: &str, name: &str, answer: Answer) -> Self {
        self.0.insert((type_id.to_owned(), name.to_owned()), answer);
        self
    }

    fn stand(&self, Child { id, name, .. }: Child) -> Result<Stand, InvokeError> {
        let given = self.0.get(&(id.type_id.to_string(), name)).cloned();
        given.map(Stand::Ended).ok_or(InvokeError::NoSuchChild { id })
    }
}

#[async_trait]
impl Family for GivenChildren {
    async fn begin(&self, child: Child) -> Result<Stand, InvokeError> {
        self.stand(child)
    }

    async fn begin_all(&self, children: Vec<Child>) -> Result<Vec<Stand>, InvokeError> {
        children.into_iter().map(|child| self.stand(child)).collect()
    }

    async fn schedule(&self, _: Child) -> Result<(), InvokeError> {
        Ok(())
    }

    async fn ended(&self, _: &[FunctionId]) -> Result<Vec<(FunctionId, Answer)>, InvokeError> {
        Ok(Vec::new())
    }

    fn ends(&self, _: Vec<(FunctionId, Link)>) -> Ends {
        mpsc::unbounded_channel().1
    }
}

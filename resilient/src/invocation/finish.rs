//! The end of a run: its outcome is stored, or what it owns is handed over.

use std::time::Duration;

use super::Claimed;
use super::outcome::Outcome;
use crate::backoff::Backoff;
use crate::clock::Due;
use crate::engine::Engine;
use crate::events;
use crate::family;
use crate::id::{Epoch, FunctionId, ReplicaId};
use crate::journal::Journal;
use crate::metrics::Run;
use crate::store::{Ending, Finish, StoreError, Write, Written};

/// Stores what a run came to, and tells those who wait for it.
pub(super) async fn finish(engine: &Engine, claimed: Claimed, outcome: Outcome, run: &mut Run) {
    let Outcome { mut ending, scrapbook, journal, mut reason, rest, answer, apart } = outcome;
    let mut answer = Some(answer);
    let Claimed { ticket, owner, journal: begun_with, .. } = claimed;
    let (id, epoch) = (ticket.id().clone(), ticket.epoch());
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        let finish = Finish {
            id: id.clone(),
            owner,
            epoch,
            scrapbook: scrapbook.clone(),
            journal: journal.clone(),
            reason: reason.clone(),
            ending: ending.clone(),
        };
        let is_over = matches!(ending, Ending::Succeeded(_) | Ending::Failed(_));
        let parent = begun_with.as_deref().filter(|_| is_over);
        let written = tokio::select! {
            biased;
            () = ticket.stopped() => return,
            written = write(engine, finish, parent, apart) => written,
        };
        match written {
            Ok(Written::Done) => {
                events::run_ended(run, (&id, epoch), &ending);
                wake(engine, &ending, rest);
                // Who waits for a run that is over before it has come to anything waits for the next one.
                return answer.map_or((), |answer| ticket.end(answer));
            }
            // A message arrived between the last look and the suspension, or the end of the instance was asked for: run
            // again at once, and with the answer. The next run begins with the wish, so this does not repeat itself.
            Ok(Written::Changed) => (ending, reason, answer) = (Ending::Released, None, None),
            Ok(_) => return events::outcome_dropped(&id, epoch),
            Err(error) => {
                let transient = error.is_transient();
                engine.reporter.report("finish", error);
                // What the store cannot take now it will not take later; the sweep hands the instance over.
                if !transient {
                    return;
                }
                backoff.wait().await;
            }
        }
    }
}

/// Writes the end of an instance, and with it, in one transaction, what tells the parent that its journal notes.
pub(crate) async fn tell_parent(
    engine: &Engine,
    journal: Option<&str>,
    write: Write,
) -> Result<Written, StoreError> {
    let Some(parent) = Journal::parent_in(journal) else { return engine.writer.write(write).await };
    let tell = family::ended(parent.clone(), write.id());
    let written = engine.writer.write_and_tell(write, tell).await?;
    if written == Written::Done {
        engine.wake_parent(&parent);
    }
    Ok(written)
}

async fn write(
    engine: &Engine,
    finish: Finish,
    journal: Option<&str>,
    apart: bool,
) -> Result<Written, StoreError> {
    let (finish, patience) = (Write::Finish(finish), engine.settings.store_patience);
    if !apart {
        return tell_parent(engine, journal, finish).await;
    }
    let parent = Journal::parent_in(journal);
    let tell = parent.clone().and_then(|parent| family::ended(parent, finish.id()));
    let written = engine.writer.write_apart(finish, tell, patience).await?;
    if let Some(parent) = parent.filter(|_| written == Written::Done) {
        engine.wake_parent(&parent);
    }
    Ok(written)
}

fn wake(engine: &Engine, ending: &Ending, rest: Option<Duration>) {
    match ending {
        Ending::Suspended { .. } => rest.map_or((), |rest| engine.wakes.at(Due::After(rest))),
        Ending::Postponed(due) | Ending::PutOff(due) => engine.wakes.at(*due),
        Ending::Released | Ending::Lost => engine.wakes.now(),
        Ending::Succeeded(_) | Ending::Failed(_) => {}
    }
}

/// Makes instances that this replica owns and does not run due at once, so that nobody has to wait for the end of its
/// lease; answers how many.
pub(crate) async fn hand_over(
    engine: &Engine,
    owner: ReplicaId,
    left: Vec<(FunctionId, Epoch)>,
) -> Result<usize, StoreError> {
    let mut releases = Vec::with_capacity(left.len());
    for (id, epoch) in left {
        let finish = Finish::without_progress(id.clone(), owner, epoch, Ending::Released);
        let writer = engine.writer.clone();
        releases.push(tokio::spawn(async move {
            let written = writer.write(Write::Finish(finish)).await?;
            if written == Written::Done {
                events::handed_over(&id, epoch);
            }
            Ok(written)
        }));
    }
    let mut handed_over = 0;
    let mut failed = None;
    for release in releases {
        match release.await {
            Ok(Ok(written)) => handed_over += usize::from(written == Written::Done),
            Ok(Err(error)) => failed = Some(error),
            Err(_) => failed = Some(StoreError::permanent("a hand-over was lost")),
        }
    }
    failed.map_or(Ok(handed_over), Err)
}

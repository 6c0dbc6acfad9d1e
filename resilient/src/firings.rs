//! The firings of recurring functions: instances whose id is their tick, each stored ahead of its time.
//!
//! The primary key makes a tick fire once, whoever stores it, and the store's clock decides when. Two things keep the
//! chain going: the run of a firing stores the next one before its body begins, and a watchdog stores the first one
//! and mends the chain. Ticks of another schedule, which code before or after this one has stored, fire like the
//! others, but are no part of the chain.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Due, Timestamp};
use crate::codec::Field;
use crate::context::StoreTime;
use crate::engine::Engine;
use crate::id::{FunctionId, TypeId};
use crate::invoke_error::InvokeError;
use crate::record::StoredFunction;
use crate::recurring::Tick;
use crate::registry::{Missed, Recurrence};
use crate::settings::Retention;
use crate::store::{Create, Filter, Start, StoreError, Write, Written};

/// What its errors are reported as.
pub(crate) const ACTIVITY: &str = "recur";

/// The most firings that are looked at in one query.
const PAGE: u32 = 100;

/// A run of an instance begins. When it is a firing, the one after it is stored first: whatever becomes of this run, the
/// function goes on recurring.
///
/// `attempt` counts its runs. A store that is away holds up the body for as long as any write is tried again. Then it
/// begins, and the watchdog stores the next firing.
pub(crate) async fn begins(engine: &Engine, id: &FunctionId, attempt: u32, time: Option<StoreTime>) {
    let recurring = engine.registry.recurring().iter();
    let function =
        recurring.into_iter().find(|function| function.registration.type_id == id.type_id.as_str());
    let (Some(function), Ok(tick)) = (function, id.instance_id.as_str().parse()) else { return };
    // What a caller runs at once, under a name that looks like a tick, is not what the chain has stored.
    let Some(time) = time else { return };
    let chain = Chain { engine, function, time };
    if let Err(error) = chain.go_on_after(Firing { tick, is_followed: attempt > 1 }).await {
        engine.reporter.report(ACTIVITY, error);
        engine.recurs.notify_one();
    }
}

/// Makes sure that the next firing of a function is stored.
pub(crate) async fn ensure(
    engine: &Engine,
    function: &Recurrence,
    time: StoreTime,
) -> Result<(), StoreError> {
    Chain { engine, function, time }.mend().await
}

/// A firing that is stored.
#[derive(Debug, Clone, Copy)]
struct Firing {
    tick: Tick,
    /// Whether it has been begun before, or ended by somebody: others may have followed it.
    is_followed: bool,
}

/// The firings of one function, as they stand at a time.
struct Chain<'a> {
    engine: &'a Engine,
    function: &'a Recurrence,
    time: StoreTime,
}

impl Chain<'_> {
    async fn go_on_after(&self, firing: Firing) -> Result<(), StoreError> {
        let tick = firing.tick;
        let now = self.time.at_least().max(tick.time());
        let next = match self.function.recurring.missed {
            Missed::Every if self.function.timetable.has(tick) => self.next(self.made_up_from(firing, now)),
            _ => self.next(now),
        };
        let is_late = next.is_some_and(|next| next.time() <= now);
        // An old firing that somebody runs again has been followed by others, which may be deleted by now.
        if is_late && self.is_any_stored(tick, self.horizon(now)).await? {
            return Ok(());
        }
        self.store_from(next).await
    }

    async fn mend(&self) -> Result<(), StoreError> {
        let now = self.time.at_least();
        let mut last = None;
        let mut waits = false;
        self.stored(Tick::within(now), self.horizon(now), |tick, row| {
            (last, waits) = (Some(tick.time()), waits || !row.status.is_completed());
            ControlFlow::Continue(())
        })
        .await?;
        if waits {
            return Ok(());
        }
        if last.is_none() && self.function.recurring.missed == Missed::Every {
            last = self.last_until(now).await?.map(|firing| self.made_up_from(firing, now));
        }
        self.store_from(self.next(last.unwrap_or(now))).await
    }

    /// From when on each tick is made up for, when this is the last firing that is stored.
    ///
    /// Firings that have followed it may have been deleted, as results are, and would fire again. What was due since then
    /// as long as a result is kept would still be there. A firing that has only waited was followed by none.
    fn made_up_from(&self, last: Firing, now: Timestamp) -> Timestamp {
        let registration = &self.function.registration;
        match self.engine.retention_of((registration.type_id, registration.version)) {
            Retention::For(kept) if last.is_followed => last.tick.time().max(now.saturating_sub(kept)),
            _ => last.tick.time(),
        }
    }

    /// The first tick after this time.
    fn next(&self, after: Timestamp) -> Option<Tick> {
        self.function.timetable.next(after)
    }

    /// What is stored ahead is not after this. The time is known as well as a lease allows, and somebody may have run
    /// the next firing before its time, so that the one after it is stored, too.
    fn horizon(&self, now: Timestamp) -> Tick {
        let surely = now.saturating_add(self.engine.settings.lease);
        let next = self.next(surely).and_then(|next| self.next(next.time()));
        next.unwrap_or_else(|| Tick::within(Timestamp::MAX))
    }

    /// Stores the first of these ticks that has not run, which somebody may have made happen before its time.
    async fn store_from(&self, first: Option<Tick>) -> Result<(), StoreError> {
        let mut next = first;
        while let Some(tick) = next {
            match self.store(tick).await? {
                Some(row) if row.status.is_completed() => next = self.next(tick.time()),
                _ => break,
            }
        }
        Ok(())
    }

    /// Stores a firing; answers what stands there already.
    async fn store(&self, tick: Tick) -> Result<Option<Box<StoredFunction>>, StoreError> {
        let id = self.id(tick);
        let create = self.create(id.clone(), tick).map_err(as_store_error)?;
        match self.engine.writer.write(Write::Create(create)).await? {
            Written::Exists(row) => return Ok(Some(row)),
            Written::Done => {}
            other => {
                return Err(StoreError::permanent(format!("the store answered a create with {other:?}")));
            }
        }
        let (type_id, instance_id) = (&id.type_id, &id.instance_id);
        tracing::debug!(%type_id, %instance_id, "the next firing is stored");
        if let Some(at) = self.time.reaches(tick.time()) {
            self.engine.wakes.at(Due::After(at.saturating_duration_since(Instant::now())));
        }
        Ok(None)
    }

    fn create(&self, id: FunctionId, tick: Tick) -> Result<Create, InvokeError> {
        let registration = &self.function.registration;
        let param = (self.function.recurring.param)(tick);
        let param = param.map_err(|source| InvokeError::Encode { field: "parameter", source })?;
        self.engine.check_payload(&id, Field::Param, &param)?;
        let journal = self.engine.noted_at_start(registration, &id, None)?;
        let start = Start::Waiting(Due::At(tick.time()));
        Ok(Create { journal, ..Create::new(id, start, registration.version, param) })
    }

    fn id(&self, tick: Tick) -> FunctionId {
        FunctionId::new(self.function.registration.type_id, tick)
    }

    /// Shows the firings of this schedule that are stored after one tick and up to another one.
    async fn stored(
        &self,
        after: Tick,
        until: Tick,
        mut show: impl FnMut(Tick, &StoredFunction) -> ControlFlow<()> + Send,
    ) -> Result<(), StoreError> {
        let type_id = TypeId::from(self.function.registration.type_id);
        let mut filter =
            Filter { type_id: Some(type_id), after: Some(self.id(after)), limit: PAGE, ..Filter::default() };
        // Ids are sorted by their bytes, as ticks are by time.
        let until = until.to_string();
        loop {
            let page = self.engine.store.list(&filter).await?;
            for row in &page {
                let id = row.id.instance_id.as_str();
                if id > until.as_str() {
                    return Ok(());
                }
                let tick = id.parse().ok().filter(|tick| self.function.timetable.has(*tick));
                if tick.is_some_and(|tick| show(tick, row).is_break()) {
                    return Ok(());
                }
            }
            if page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                return Ok(());
            }
            filter.after = page.last().map(|row| row.id.clone());
        }
    }

    async fn is_any_stored(&self, after: Tick, until: Tick) -> Result<bool, StoreError> {
        let mut found = false;
        self.stored(after, until, |_, _| {
            found = true;
            ControlFlow::Break(())
        })
        .await?;
        Ok(found)
    }

    /// The last firing that is stored up to this time. It is looked for further and further back: old ones may be many.
    async fn last_until(&self, now: Timestamp) -> Result<Option<Firing>, StoreError> {
        let mut window = Duration::from_hours(1);
        loop {
            let from = now.saturating_sub(window);
            let mut last = None;
            self.stored(Tick::within(from), Tick::within(now), |tick, row| {
                last = Some(Firing { tick, is_followed: row.attempts > 0 || row.status.is_completed() });
                ControlFlow::Continue(())
            })
            .await?;
            if last.is_some() || from == Timestamp::UNIX_EPOCH {
                return Ok(last);
            }
            window = window.saturating_mul(8);
        }
    }
}

/// In the background nobody is there to get another one.
fn as_store_error(error: InvokeError) -> StoreError {
    match error {
        InvokeError::Store(error) => error,
        other => StoreError::permanent(format!("a firing cannot be stored: {other}")),
    }
}

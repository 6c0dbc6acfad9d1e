//! The loops in the background. They never die: an error is reported, waited out, and the loop goes on.

mod arrivals;
mod crashed;
mod due;
mod expired;
mod heartbeat;
mod recurring;
mod stuck;
mod sweep;
mod waiters;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub(crate) use self::arrivals::Arrivals;
pub(crate) use self::crashed::Crashed;
pub(crate) use self::due::DueWork;
pub(crate) use self::expired::Expired;
pub(crate) use self::heartbeat::Heart;
pub(crate) use self::recurring::Recurring;
pub(crate) use self::stuck::Stuck;
pub(crate) use self::sweep::Sweep;
pub(crate) use self::waiters::Waiters;
use crate::backoff::Backoff;
use crate::engine::{Engine, Stage};
use crate::outcome::Failure;
use crate::panics::caught;
use crate::store::StoreError;

/// One loop in the background.
#[async_trait]
pub(crate) trait Watchdog: Send + Sync + 'static {
    /// What its errors are reported as.
    const ACTIVITY: &'static str;
    /// The stage of the runtime in which it ends.
    const ENDS: Stage;

    /// Waits until another pass makes sense. It may be dropped.
    async fn rest(&self, engine: &Engine);

    /// Does its work once. It is never dropped half-way.
    async fn pass(&self, engine: &Arc<Engine>) -> Result<(), StoreError>;
}

/// Starts a loop.
pub(crate) fn start<W: Watchdog>(watchdog: W, engine: &Arc<Engine>) {
    tokio::spawn(run(watchdog, Arc::clone(engine)));
}

/// Starts a loop that takes work, when the time for that has come.
pub(crate) fn start_delayed<W: Watchdog>(watchdog: W, engine: &Arc<Engine>) {
    let engine = Arc::clone(engine);
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = engine.reached(W::ENDS) => return,
            () = tokio::time::sleep(engine.settings.start_delay) => {}
        }
        run(watchdog, engine).await;
    });
}

async fn run<W: Watchdog>(watchdog: W, engine: Arc<Engine>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        tokio::select! {
            biased;
            () = engine.reached(W::ENDS) => return,
            () = watchdog.rest(&engine) => {}
        }
        match caught(watchdog.pass(&engine)).await.unwrap_or_else(|payload| Err(panicked(payload))) {
            Ok(()) => backoff.reset(),
            Err(error) => {
                engine.reporter.report(W::ACTIVITY, error);
                backoff.wait().await;
            }
        }
    }
}

/// A store, or a handler of the user's, panicked: one more error that the loop survives.
fn panicked(payload: Box<dyn Any + Send>) -> StoreError {
    StoreError::permanent(format!("it panicked: {}", Failure::panic(payload).message))
}

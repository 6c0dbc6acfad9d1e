//! How runtimes behave, through the public API, on every store.
//!
//! Two runtimes on two handles of a store stand for two processes; one that is dropped stands for one that crashed.
//!
//! - `invoke`: the result cache, callers in many processes, answers as typed errors, waiting through postponements.
//! - `schedule`: work that is stored and run elsewhere or later, at a time, after a delay, and long delays in virtual time.
//! - `outcomes`: what is stored of a run, how it learns that it has lost its instance, and running again.
//! - `failures`: panics, and errors with all their causes.
//! - `guards`: calls that must not happen twice and calls that have to happen, by field and by name.
//! - `panel_messages`: messages in a control panel, shown as they are stored and edited under compare-and-set.
//! - `recurring`: ticks that fire once over all replicas, missed ticks, repairs, and changes of a schedule.
//! - `recurring_days`: the same over days of virtual time, through daylight saving, outages and a fault at every call.
//! - `postpone`: every form of putting itself off, and the limits of time.
//! - `retry`: delays stored and in memory, counts, what is never tried again, and which policy decides.
//! - `middleware`: its order, what it may do with a run, headers and the hook for failures.
//! - `correlation`: one id for a request in all its runs, and a span around each.
//! - `metrics`: every documented name, unit and label, and no other.
//! - `messages`: sent from anywhere, waits in memory and suspended, keys, dead letters, races and crashes.
//! - `timers`: sleeps and deadlines, in memory and suspended, side by side, across restarts and in virtual time.
//! - `transactions`: instances, messages and progress in the user's own transaction, stored with the user's rows.
//! - `crash`: takeovers from the last save, leases, crash loops, at-most-once steps, heartbeats beside blocked code.
//! - `control_panel`: every verb with edits, on stale, deleted and running instances.
//! - `created_again`: panels of an instance that was deleted, and whose id was taken again.
//! - `raw_panel`: data and types that this program does not know, and lists of instances.
//! - `resolve`: what a person says of a call whose outcome is unknown.
//! - `shutdown`: draining, handing over, nested calls, what is refused afterwards.
//! - `settings`: the effect of each setting on leases, intervals, patience and places, self-fencing, lost claims.
//! - `bulk`: many instances in one call.
//! - `children`: functions that a body invokes, and that wake it when they end.
//! - `background`: group commit, and errors that reach the handler.
//! - `startup`: all problems at once, discovery, services, replicas that start together.
//! - `bad_input`: ids, times and data that cannot be stored, refused before the store is asked; ids that look alike.
//! - `data`: bytes and forms of data, as parameter, in a scrapbook and as a result.
//! - `codecs`: data in another form than JSON, introduced, with another key, in panels.
//! - `discreet`: errors that quote nothing of what a codec hides.
//! - `undecoded`: data whose codec is not here or refuses it: kept, put off or failed, and a typed error.
//! - `versions`: old and new code on the same data.
//! - `scrapbooks`: a scrapbook is added to a function, and dropped.
//! - `reasons`: why an instance is not running, in words, and what no live replica can run.
//! - `unreadable`: data that code cannot read is kept, and read by the next deployment.
//! - `side_by_side`: versions of a function under one type id: their answers, panels and waiters.
//! - `overlaps`: tasks left behind, callers during a query, old code beside a message of newer code.
//! - `cancelled`, `cancelled_runs`: instances that somebody asks to end, where they wait and where they run.
//! - `retention`: results are deleted after their time, and nothing else is.
//! - `cancel`: the future of every call dropped at every poll.
//! - `events`: every transition is told to tracing, with ids and without data.

#![allow(clippy::unused_async, reason = "a resilient function is async, whatever its body does")]

mod background;
mod bad_input;
mod bulk;
mod cancel;
mod cancelled;
mod cancelled_runs;
mod children;
mod codecs;
mod common;
mod control_panel;
mod correlation;
mod crash;
mod created_again;
mod data;
mod discreet;
mod events;
mod failures;
mod guards;
mod invoke;
mod messages;
mod metrics;
mod middleware;
mod outcomes;
mod overlaps;
mod panel_messages;
mod postpone;
mod raw_panel;
mod reasons;
mod recurring;
mod recurring_days;
mod resolve;
mod retention;
mod retry;
mod schedule;
mod scrapbooks;
mod settings;
mod shutdown;
mod side_by_side;
mod startup;
mod timers;
mod transactions;
mod undecoded;
mod unreadable;
mod versions;

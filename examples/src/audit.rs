//! Compares our tables with the ledger: what was promised, and what the services say was done.

use std::collections::HashSet;

use resilient::Status;
use serde::Serialize;

use crate::services::ledger::{Books, Tally};
use crate::stored::StoredOrder;

/// How many orders our tables are sure to have brought how far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ours {
    pub(crate) reserved: usize,
    pub(crate) captured: usize,
    pub(crate) shipped: usize,
    pub(crate) confirmed: usize,
}

/// The figures of a run: the statuses are from our tables, all the rest from the ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) orders: usize,
    pub(crate) succeeded: usize,
    pub(crate) failed: usize,
    /// Neither: they go on by themselves, as long as a process runs.
    pub(crate) postponed: usize,
    pub(crate) reserved: u32,
    pub(crate) captured: u32,
    pub(crate) shipped: u32,
    pub(crate) shipped_twice: usize,
    pub(crate) confirmed: usize,
    pub(crate) seconds: f64,
}

#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) ours: Ours,
    pub(crate) figures: Figures,
    /// Every broken promise, in words; none is how it should be.
    pub(crate) broken: Vec<String>,
}

/// What is compared. Other processes may be at work meanwhile, so it matters what was read first.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    /// The ledger as it was before the tables were read: all its orders must be in them.
    pub(crate) before: &'a Books,
    pub(crate) stored: &'a [StoredOrder],
    /// The ledger as it was afterwards: all that the tables say was done must be in it.
    pub(crate) after: &'a Books,
    /// The orders that were stored according to the answers we got.
    pub(crate) accepted: &'a [String],
}

pub(crate) fn audit(evidence: &Evidence<'_>) -> Audit {
    let Evidence { stored, after: books, .. } = *evidence;
    let count = |condition: fn(&StoredOrder) -> bool| stored.iter().filter(|order| condition(order)).count();
    let succeeded = count(|order| order.status() == Status::Succeeded);
    let failed = count(|order| order.status() == Status::Failed);
    let ours = Ours {
        reserved: count(StoredOrder::is_reserved),
        captured: succeeded,
        shipped: count(StoredOrder::is_shipped),
        confirmed: succeeded,
    };
    let tallies = books.orders.values();
    let figures = Figures {
        orders: stored.len(),
        succeeded,
        failed,
        postponed: stored.len() - succeeded - failed,
        reserved: tallies.clone().map(|tally| tally.reserved).sum(),
        captured: tallies.clone().map(|tally| tally.captured).sum(),
        shipped: tallies.clone().map(|tally| tally.shipped).sum(),
        shipped_twice: tallies.clone().filter(|tally| tally.shipped > 1).count(),
        confirmed: tallies.filter(|tally| tally.confirmed > 0).count(),
        seconds: 0.0,
    };
    Audit { ours, figures, broken: broken(evidence) }
}

fn broken(evidence: &Evidence<'_>) -> Vec<String> {
    let Evidence { before, stored, after: books, accepted } = *evidence;
    let known: HashSet<&str> = stored.iter().map(StoredOrder::id).collect();
    let lost = accepted.iter().filter(|id| !known.contains(id.as_str()));
    let lost = lost.map(|id| format!("order `{id}` was accepted and is not in the database"));
    let unknown = before.orders.keys().filter(|id| !known.contains(id.as_str()));
    let unknown = unknown.map(|id| format!("order `{id}` is in the ledger and not in the database"));
    let twice = books.orders.iter().flat_map(|(id, tally)| done_twice(id, *tally));
    let undone = stored.iter().flat_map(|order| half_done(order, books.order(order.id())));
    lost.chain(unknown).chain(twice).chain(undone).collect()
}

/// What must not happen to any order.
fn done_twice(id: &str, tally: Tally) -> impl Iterator<Item = String> {
    let steps = [("reserved", tally.reserved), ("captured", tally.captured), ("shipped", tally.shipped)];
    let early = (tally.captured > 0 && tally.shipped == 0)
        .then(|| format!("order `{id}` was captured and never shipped"));
    steps
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .map(move |(step, times)| format!("order `{id}` was {step} {times} times"))
        .chain(early)
}

/// What must have happened to an order that succeeded.
fn half_done(order: &StoredOrder, tally: Tally) -> impl Iterator<Item = String> {
    let steps = [
        ("reserved", tally.reserved),
        ("shipped", tally.shipped),
        ("captured", tally.captured),
        ("confirmed", tally.confirmed),
    ];
    let succeeded = order.status() == Status::Succeeded;
    let missing = steps.into_iter().filter(move |(_, times)| succeeded && *times == 0);
    missing.map(|(step, _)| format!("order `{}` succeeded and was never {step}", order.id()))
}

#[cfg(test)]
mod tests {
    use resilient::{Epoch, FunctionId, Payload, StoredFunction, Timestamp};

    use super::*;

    fn stored(id: &str, status: Status) -> StoredOrder {
        StoredOrder::from(StoredFunction {
            id: FunctionId::new("OrderProcessor", id),
            parent: None,
            status,
            epoch: Epoch::ZERO,
            owner: None,
            attempts: 1,
            cancel_requested: false,
            crashes: 0,
            due_at: None,
            version: 1,
            param: Payload::new(1, "null"),
            scrapbook: None,
            result: None,
            failure: None,
            journal: None,
            reason: None,
            saves: 0,
            message_count: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            completed_at: None,
        })
    }

    fn books(tallies: &[(&str, [u32; 4])]) -> Books {
        let tally = |[reserved, captured, shipped, confirmed]: [u32; 4]| Tally {
            reserved,
            captured,
            shipped,
            confirmed,
        };
        let mut books = Books::default();
        books.orders.extend(tallies.iter().map(|(id, counts)| ((*id).to_owned(), tally(*counts))));
        books
    }

    fn broken_by(stored: &[StoredOrder], books: &Books, accepted: &[&str]) -> Vec<String> {
        let accepted: Vec<String> = accepted.iter().map(|id| (*id).to_owned()).collect();
        audit(&Evidence { before: books, stored, after: books, accepted: &accepted }).broken
    }

    #[test]
    fn tables_and_ledger_that_agree_break_nothing() {
        let stored =
            [stored("A", Status::Succeeded), stored("B", Status::Failed), stored("C", Status::Postponed)];
        let books = books(&[("A", [1, 1, 1, 2]), ("B", [1, 0, 1, 0])]);
        let audit = audit(&Evidence { before: &books, stored: &stored, after: &books, accepted: &[] });
        assert_eq!(audit.broken, Vec::<String>::new());
        let expected = Figures {
            orders: 3,
            succeeded: 1,
            failed: 1,
            postponed: 1,
            reserved: 2,
            captured: 1,
            shipped: 2,
            confirmed: 1,
            ..Figures::default()
        };
        assert_eq!(audit.figures, expected);
        assert_eq!(audit.ours, Ours { reserved: 1, captured: 1, shipped: 1, confirmed: 1 });
    }

    #[test]
    fn every_broken_promise_is_named() {
        let stored = [stored("A", Status::Succeeded), stored("B", Status::Failed)];
        let books = books(&[("A", [1, 2, 2, 0]), ("B", [2, 1, 0, 0]), ("D", [1, 0, 0, 0])]);
        let expected = [
            "order `C` was accepted and is not in the database",
            "order `D` is in the ledger and not in the database",
            "order `A` was captured 2 times",
            "order `A` was shipped 2 times",
            "order `B` was reserved 2 times",
            "order `B` was captured and never shipped",
            "order `A` succeeded and was never confirmed",
        ];
        assert_eq!(broken_by(&stored, &books, &["A", "C"]), expected);
    }
}

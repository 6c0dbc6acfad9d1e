//! Drives the order-processing demo as a person would: crashes it, kills it, starts it twice, repairs what is left,
//! and believes only the ledger of its services.

mod demo {
    pub(crate) mod ledger;
    pub(crate) mod shop;
}

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use demo::ledger::{self, Ledger};
use demo::shop::{Outcome, Shop, eventually};

const ORDERS: usize = 60;
/// How many orders run at once, when nothing else is said.
const PLACES: usize = 8;
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// One test per promise, for every database that the demo runs on.
macro_rules! on_every_database {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name(&super::Shop::sqlite(stringify!($name))); })*
        }
        mod postgres {
            $(#[test] fn $name() { super::Shop::postgres(stringify!($name)).iter().for_each(super::$name); })*
        }
        mod mysql {
            $(#[test] fn $name() { super::Shop::mysql(stringify!($name)).iter().for_each(super::$name); })*
        }
    };
}

on_every_database!(
    crashes_lose_nothing,
    crashes_lose_no_answer,
    services_that_crash_are_started_again,
    every_order_keeps_to_its_form,
    two_processes_share_the_work,
    an_interrupted_run_says_how_to_go_on,
);

fn crashes_lose_nothing(shop: &Shop) {
    for crash_after in [1, 7, 20] {
        crash(shop, &["--crash-after", &crash_after.to_string()]);
    }
    kill_in_the_middle(shop, &[]);
    let finished = shop.run(&["--json"]);
    check_figures(&finished, &shop.ledger(), ORDERS);
    repair_all(shop);
}

/// Commands and answers are on their way when the process ends, and with it its services.
fn crashes_lose_no_answer(shop: &Shop) {
    kill_in_the_middle(shop, &["--messages"]);
    let waiting = shop.orders("suspended").len();
    assert!(waiting > PLACES, "{waiting} orders waited, each without a place of its own");
    for crash_after in [1, 10] {
        crash(shop, &["--messages", "--crash-after", &crash_after.to_string()]);
    }
    let finished = shop.run(&["--messages", "--json"]);
    check_figures(&finished, &shop.ledger(), ORDERS);
    repair_all(shop);
}

/// The process of the services is killed from outside, with commands that it has accepted and not carried out.
fn services_that_crash_are_started_again(shop: &Shop) {
    let running = shop.spawn(&["--messages", "--json"]);
    for calls in [10, 60] {
        eventually("calls", || shop.ledger().len() >= calls);
        let services = shop.ledger().last_process();
        ledger::signal("KILL", services);
        eventually("the end of the services", || !is_running(services));
    }
    let finished = Outcome::of(running);
    check_figures(&finished, &shop.ledger(), ORDERS);
    assert!(finished.stderr.contains("the services have ended; starting them again"), "{finished}");
    assert!(shop.ledger().processes().len() > 1, "{finished}");
}

/// Orders of both forms are in the database, and any process goes on with both.
fn every_order_keeps_to_its_form(shop: &Shop) {
    crash(shop, &["--orders", "20", "--crash-after", "5"]);
    crash(shop, &["--messages", "--crash-after", "5"]);
    let finished = shop.run(&["--json"]);
    check_figures(&finished, &shop.ledger(), ORDERS);
    for (order, has_messages) in [("MK-0001", false), ("MK-0060", true)] {
        let shown = shop.command("show", &[order]);
        assert_eq!(shown.stdout.contains("FundsReserved"), has_messages, "{shown}");
    }
}

fn crash(shop: &Shop, options: &[&str]) {
    let crashed = shop.run(options);
    assert_eq!(crashed.status.signal(), Some(SIGABRT), "{crashed}");
}

/// Kills the process from outside while orders are under way; its services must not outlive it.
fn kill_in_the_middle(shop: &Shop, options: &[&str]) {
    let before = shop.ledger().len();
    let mut running = shop.spawn(options);
    eventually("calls of the run that is to be killed", || shop.ledger().len() >= before + 30);
    running.kill().unwrap();
    assert_eq!(running.wait().unwrap().signal(), Some(SIGKILL));
    let services = shop.ledger().last_process();
    eventually("the end of the services", || !is_running(services));
}

fn two_processes_share_the_work(shop: &Shop) {
    let first = shop.spawn(&["--json", "--concurrency", "4"]);
    let second = shop.spawn(&["--json", "--concurrency", "4"]);
    let outcomes = [first, second].map(Outcome::of);
    for outcome in &outcomes {
        check_figures(outcome, &shop.ledger(), ORDERS);
    }
    let processes = shop.ledger().processes();
    assert_eq!(processes.len(), 2, "both must have done some of the work: {processes:?}");
}

fn an_interrupted_run_says_how_to_go_on(shop: &Shop) {
    let running = shop.spawn(&["--concurrency", "2"]);
    eventually("the first calls", || shop.ledger().len() >= 10);
    ledger::signal("INT", running.id());
    let interrupted = Outcome::of(running);
    assert_eq!(interrupted.status.code(), Some(0), "{interrupted}");
    assert!(interrupted.stdout.contains("orders are not completed; go on with: "), "{interrupted}");

    let finished = shop.run(&["--json"]);
    check_figures(&finished, &shop.ledger(), ORDERS);
    assert_eq!(finished.number("failed"), shop.ledger().shipments_in_doubt(), "{finished}");
}

/// Decides about every failed order as the ledger says, until all have succeeded.
fn repair_all(shop: &Shop) {
    for _ in 0..5 {
        let failed = shop.orders("failed");
        if failed.is_empty() {
            break;
        }
        for order in failed {
            let was_shipped = shop.ledger().shipments(&order) > 0;
            let verdict = if was_shipped { "--shipped" } else { "--retry" };
            let shown = shop.command("show", &[&order]);
            assert!(shown.stdout.contains(&format!("repair {order} {verdict}")), "{shown}");
            let repaired = shop.command("repair", &[&order, verdict]);
            assert_eq!(repaired.status.code(), Some(0), "{repaired}");
        }
        check_figures(&shop.run(&["--json"]), &shop.ledger(), ORDERS);
    }
    let done = shop.run(&["--json"]);
    assert_eq!(done.number("succeeded"), ORDERS, "{done}");
    let ledger = shop.ledger();
    assert!(ledger.orders().all(|order| ledger.shipments(order) == 1 && ledger.captures(order) == 1));
}

/// What the demo says must be what the ledger says, and the ledger must be as promised.
fn check_figures(outcome: &Outcome, ledger: &Ledger, orders: usize) {
    assert_eq!(outcome.status.code(), Some(0), "{outcome}");
    let number = |name| outcome.number(name);
    assert_eq!(number("orders"), orders, "{outcome}");
    assert_eq!(number("succeeded") + number("failed"), orders, "{outcome}");
    let line = format!(
        "{{\"orders\":{orders},\"succeeded\":{},\"failed\":{},\"postponed\":0,\"reserved\":{},\"captured\":{},\
         \"shipped\":{},\"shipped_twice\":0,\"confirmed\":{},\"seconds\":",
        number("succeeded"),
        number("failed"),
        ledger.all("reserve"),
        ledger.all("capture"),
        ledger.all("ship"),
        ledger.confirmed(),
    );
    assert!(outcome.last_line().starts_with(&line), "expected {line}…\n{outcome}");
    assert_eq!(ledger.all("capture"), number("succeeded"), "{outcome}");
    for order in ledger.orders() {
        assert!(ledger.captures(order) <= 1, "{order} was captured twice");
        assert!(ledger.shipments(order) <= 1, "{order} was shipped twice");
        assert!(ledger.captures(order) <= ledger.shipments(order), "{order} was captured and not shipped");
    }
}

fn is_running(process: u32) -> bool {
    // Whoever inherits an orphan may be slow to collect it; until then it is there, and a zombie.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    ledger::signal("0", process) && !stat.contains(") Z ")
}

#[test]
fn an_interrupted_run_goes_on_in_its_form() {
    let shop = Shop::sqlite("an_interrupted_run_goes_on_in_its_form");
    let running = shop.spawn(&["--messages", "--concurrency", "1"]);
    eventually("the first calls", || shop.ledger().len() >= 3);
    ledger::signal("INT", running.id());
    let interrupted = Outcome::of(running);
    assert_eq!(interrupted.status.code(), Some(0), "{interrupted}");
    assert!(interrupted.stdout.contains("orders are not completed; go on with: "), "{interrupted}");
    assert!(interrupted.stdout.contains(" --messages --orders 60"), "{interrupted}");
}

#[test]
fn a_succeeded_order_is_not_repaired() {
    let shop = Shop::sqlite("a_succeeded_order_is_not_repaired");
    let run = shop.run(&["--orders", "1", "--json"]);
    assert_eq!(run.number("succeeded"), 1, "{run}");
    let refused = shop.command("repair", &["MK-0001", "--retry"]);
    assert_eq!(refused.status.code(), Some(2), "{refused}");
    assert!(
        refused.stderr.contains("order `MK-0001` has status `succeeded`, and only a failed order waits"),
        "{refused}"
    );
    let unknown = shop.command("show", &["MK-9999"]);
    assert!(unknown.stderr.starts_with("error: there is no order `MK-9999`"), "{unknown}");
}

#[test]
fn a_malformed_order_is_named_by_file_and_line() {
    let shop = Shop::sqlite("a_malformed_order_is_named_by_file_and_line");
    let input = shop.file("mine.jsonl");
    let order = r#"{"id":"A","customer":{"name":"N","email":"n@example.org"},"products":[{"name":"P","quantity":1,"unit_price":1}]}"#;
    fs::write(&input, format!("{order}\n{{\"id\":\n")).unwrap();
    let refused = shop.start(&["--input", &input]);
    assert_eq!(refused.status.code(), Some(2), "{refused}");
    assert!(refused.stderr.contains("mine.jsonl:2: not an order: EOF while parsing"), "{refused}");
    assert_eq!(shop.ledger().len(), 0);
}

#[test]
fn a_ledger_of_another_database_is_refused() {
    let shop = Shop::sqlite("a_ledger_of_another_database_is_refused");
    let run = shop.run(&["--orders", "1"]);
    assert_eq!(run.status.code(), Some(0), "{run}");
    let other = format!("sqlite:{}", shop.file("other.db"));
    let refused = shop.start(&["--store", &other]);
    assert_eq!(refused.status.code(), Some(2), "{refused}");
    assert!(refused.stderr.contains("the database is empty and the ledger"), "{refused}");
}

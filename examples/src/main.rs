//! The order-processing demo: orders that survive any crash, with services that write down what was really done.
//!
//! Read `flow/mod.rs` first: it is all that a user of the framework writes. `flow/by_message` is the same flow for services
//! that answer by message, which `services/by_message.rs` are. `run.rs` hands orders over and waits,
//! `repair.rs` is the operator, `services` are the three companies in a process of their own, and `audit.rs` checks our
//! tables against their ledger.

mod audit;
mod cli;
mod console;
mod flow;
mod inspect;
mod orders;
mod place;
mod progress;
mod repair;
mod report;
mod run;
mod runtime;
mod services;
mod stored;
mod tables;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::place::Place;

#[tokio::main]
async fn main() -> ExitCode {
    trace();
    execute(Cli::parse()).await.unwrap_or_else(|err| {
        console::remark(format_args!("error: {err:#}"));
        // Not 1: that is kept for broken promises.
        ExitCode::from(2)
    })
}

/// Tells of trouble in the background. Orders that fail are told of at the end, so not here; see all with `RUST_LOG=debug`.
fn trace() {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("warn,resilient::events=error"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    subscriber.with_ansi(io::stderr().is_terminal()).init();
}

async fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    let place = Place::new(&cli.place)?;
    match cli.command {
        None => return run::run(&cli.run, &place).await,
        Some(Command::Repair(args)) => repair::repair(&place, &args.order, &args.verdict).await?,
        Some(Command::List { status }) => inspect::list(&place, status.map(Into::into)).await?,
        Some(Command::Show { order }) => inspect::show(&place, &order).await?,
        Some(Command::Services(args)) => services::process::serve(&place, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

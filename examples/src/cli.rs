//! What can be asked of the demo on the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use resilient::Status;

use crate::flow::Form;
use crate::place::quoted;

const EXAMPLES: &str = "\
Examples:
  cargo run -- --crash-after 50          abort hard in the middle
  cargo run                              finish what the crash left
  cargo run -- list --status failed      what waits for a person
  cargo run -- repair MK-0042 --shipped  decide about one; the list or the end of a run says which there are
  cargo run -- --messages                commands and messages instead of calls
  cargo run -- --store postgres://user@127.0.0.1/shop";

/// Processes orders that survive any crash: reserve the money, ship at most once, capture, confirm by email
///
/// Payment provider, logistics and email run as HTTP services in a process of their own, are slow, fail now and
/// then, and write every call to a ledger. At the end the database is compared with that ledger. Kill the demo
/// whenever you like and start it again; start it twice on one database and the two share the work.
///
/// With --messages the services get commands, and each answers with a message to the order when it has done its
/// part. An order that waits for one is put away and uses no memory; logistics, which now and then never answers,
/// has a deadline. Every order is processed once, in the form it was begun in.
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment, name = "resilient-examples", after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) run: RunArgs,

    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

/// Where everything is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options")]
pub(crate) struct PlaceArgs {
    /// The database: sqlite:PATH, postgres://… or mysql://…
    #[arg(long, global = true, value_name = "URL", default_value = crate::place::DEFAULT_STORE)]
    pub(crate) store: String,

    /// The ledger of the services [default: named after the database, in the same or the working directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
}

/// How to run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of a run")]
pub(crate) struct RunArgs {
    /// How many orders, from the first; more than the file has go round again [default: all of the file, 200]
    #[arg(long, value_name = "N")]
    pub(crate) orders: Option<usize>,

    /// Begin new orders in the form in which payment, logistics and email answer by message
    #[arg(long)]
    pub(crate) messages: bool,

    /// How many orders run at once in this process
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) concurrency: NonZeroUsize,

    /// Abort this process hard when it has seen N orders complete
    #[arg(long, value_name = "N")]
    pub(crate) crash_after: Option<NonZeroUsize>,

    /// Read the orders from this file, one JSON object per line, instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,

    /// Decides when the services fail and how slow they are
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// End with one line of JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Show no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Decide about an order that waits for a person; the next run, or one that is under way, goes on with it
    Repair(RepairArgs),
    /// List the orders in the database
    List {
        /// Only those of this status
        #[arg(long)]
        status: Option<StatusArg>,
    },
    /// Show one order: status, scrapbook, failure, what the ledger says, how to repair it
    Show {
        /// For example MK-0042
        order: String,
    },
    /// The services themselves; the demo starts them
    #[command(hide = true)]
    Services(ServicesArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// For example MK-0042
    pub(crate) order: String,

    #[command(flatten)]
    pub(crate) verdict: VerdictArgs,
}

impl RunArgs {
    /// How new orders are begun.
    pub(crate) fn form(&self) -> Form {
        if self.messages { Form::Messages } else { Form::Calls }
    }

    /// The options that ask for the same orders again.
    pub(crate) fn same_orders(&self) -> String {
        let messages = self.messages.then(|| "--messages".to_owned());
        let orders = self.orders.map(|orders| format!("--orders {orders}"));
        let input =
            self.input.as_ref().map(|input| format!("--input {}", quoted(&input.display().to_string())));
        messages.into_iter().chain(orders).chain(input).collect::<Vec<_>>().join(" ")
    }
}

/// What the person found out.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct VerdictArgs {
    /// The parcel is on its way: go on with capturing the money
    #[arg(long)]
    pub(crate) shipped: bool,

    /// Nothing was shipped: ship it now
    #[arg(long)]
    pub(crate) retry: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServicesArgs {
    #[arg(long)]
    pub(crate) seed: u64,

    /// 0 is any that is free.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
}

/// The statuses, in the words of the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StatusArg {
    Executing,
    Postponed,
    Suspended,
    Succeeded,
    Failed,
}

impl From<StatusArg> for Status {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Executing => Self::Executing,
            StatusArg::Postponed => Self::Postponed,
            StatusArg::Suspended => Self::Suspended,
            StatusArg::Succeeded => Self::Succeeded,
            StatusArg::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_repair_takes_one_verdict() {
        let parse = |verdict: &[&str]| {
            Cli::try_parse_from(["demo", "repair", "MK-0001"].iter().chain(verdict)).map(|_| ())
        };
        assert!(parse(&["--shipped"]).is_ok());
        assert!(parse(&["--retry", "--store", "sqlite:other.db"]).is_ok());
        assert!(parse(&[]).is_err());
        assert!(parse(&["--shipped", "--retry"]).is_err());
    }
}

//! The process in which the services run: both ends of it.
//!
//! The demo starts its own binary again with the hidden subcommand `services`. The only thread between the two is the
//! child's standard input: it ends when the demo does, however the demo does, and the child ends with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io, thread};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::by_message;
use super::server::{self, Services};
use crate::cli::ServicesArgs;
use crate::console::{remark, say};
use crate::place::Place;
use crate::runtime::{self, Mailboxes};

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "services";

const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Serves until standard input ends.
pub(crate) async fn serve(place: &Place, args: &ServicesArgs) -> anyhow::Result<()> {
    let ledger = place.ledger();
    let services = Services::open(ledger, args.seed);
    let services = services.with_context(|| format!("cannot open the ledger {}", ledger.display()))?;
    let services = Arc::new(services);
    let store = place.create().await?;
    let orders = runtime::for_tools(Arc::clone(&store)).await?;
    let answers = Arc::new(Mailboxes(orders.clone()));
    let commands = by_message::start(store, Arc::clone(&services), answers).await?;
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await;
    let listener = listener.context("no free loopback port for the services")?;
    say(listener.local_addr()?);
    let router = server::router(services).merge(by_message::router(commands.clone()));
    tokio::select! {
        served = axum::serve(listener, router) => served.context("the services stopped")?,
        _ = parent_gone() => {}
    }
    // Commands under way are handed over, so that the next services need not wait until the lease of these has ended.
    commands.shutdown().await?;
    orders.shutdown().await?;
    Ok(())
}

/// Resolves when the other end of standard input is closed.
fn parent_gone() -> oneshot::Receiver<()> {
    let (gone, wait) = oneshot::channel();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = gone.send(());
    });
    wait
}

/// The demo's end: the services run for as long as this lives, and are started again when they crash.
#[derive(Debug)]
pub(crate) struct ServicesProcess {
    address: SocketAddr,
    /// Its task owns the process, and ends with this.
    _keeper: JoinSet<()>,
}

impl ServicesProcess {
    /// Starts the services and waits until they listen.
    pub(crate) async fn start(place: &Place, seed: u64) -> anyhow::Result<Self> {
        let start = Start { store: place.url().to_owned(), ledger: place.ledger().to_owned(), seed };
        let services = start.at(0).await?;
        let address = services.address;
        let mut keeper = JoinSet::new();
        keeper.spawn(start.again(services));
        Ok(Self { address, _keeper: keeper })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One process of the services.
struct Running {
    address: SocketAddr,
    child: Child,
    _stdin: ChildStdin,
}

/// How the services are started.
struct Start {
    store: String,
    ledger: PathBuf,
    seed: u64,
}

impl Start {
    /// Starts them at this port; 0 is any that is free.
    async fn at(&self, port: u16) -> anyhow::Result<Running> {
        let mut child = Command::new(env::current_exe()?)
            .arg(SUBCOMMAND)
            .args(["--store", &self.store])
            .arg("--ledger")
            .arg(&self.ledger)
            .args(["--seed", &self.seed.to_string()])
            .args(["--port", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C reaches the whole group of the terminal; orders in flight still need their services then.
            .process_group(0)
            .spawn()
            .context("cannot start the services")?;
        let stdin = child.stdin.take().context("the services have no standard input")?;
        let stdout = child.stdout.take().context("the services have no standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let line = line.context("the services ended before they listened; see the error above")?;
        let address = line.parse().with_context(|| format!("the services said `{line}`, not an address"))?;
        Ok(Running { address, child, _stdin: stdin })
    }

    /// Starts them again whenever they have ended, at the same address.
    async fn again(self, mut services: Running) {
        let port = services.address.port();
        loop {
            let _ = services.child.wait().await;
            remark("the services have ended; starting them again");
            services = loop {
                match self.at(port).await {
                    Ok(services) => break services,
                    Err(err) => remark(format_args!("error: {err:#}")),
                }
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            };
        }
    }
}

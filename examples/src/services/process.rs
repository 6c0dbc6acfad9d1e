//! The process in which the services run: both ends of it.
//!
//! The demo starts its own binary again with the hidden subcommand `services`. The only thread between the two is the
//! child's standard input: it ends when the demo does, however the demo does, and the child ends with it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::{env, io, thread};

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;

use super::server;
use crate::console::say;

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "services";

/// Serves until standard input ends.
pub(crate) async fn serve(ledger: &Path, seed: u64) -> anyhow::Result<()> {
    let router = server::router(ledger, seed)
        .with_context(|| format!("cannot open the ledger {}", ledger.display()))?;
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).await.context("no free loopback port for the services")?;
    say(listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, router) => served.context("the services stopped"),
        _ = parent_gone() => Ok(()),
    }
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

/// The demo's end: the services run for as long as this lives.
#[derive(Debug)]
pub(crate) struct ServicesProcess {
    address: SocketAddr,
    _stdin: ChildStdin,
    _child: Child,
}

impl ServicesProcess {
    /// Starts the services and waits until they listen.
    pub(crate) async fn start(ledger: &Path, seed: u64) -> anyhow::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(SUBCOMMAND)
            .arg("--ledger")
            .arg(ledger)
            .arg("--seed")
            .arg(seed.to_string())
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
        Ok(Self { address, _stdin: stdin, _child: child })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

//! Where a sample plays: a directory of its own, a ledger of what has really happened, and a process that can be killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::{env, process};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use uuid::Uuid;

/// The argument of the process that is to be killed; the directory follows.
const DOOMED: &str = "--doomed";
/// What that process says when it has come to the point.
const KILL_ME: &str = "kill me";
const LATENCY: Duration = Duration::from_millis(10);

/// A directory for one run of a sample, which is removed with it.
///
/// In it are the database of the sample, and its ledger: there the services that stand for other companies write down what
/// they have really done, which no crash of ours undoes.
#[derive(Debug)]
pub struct Stage {
    directory: PathBuf,
    is_doomed: bool,
}

impl Stage {
    /// A new directory; in a process that [`kill_a_process`](Self::kill_a_process) has started, that of who started it.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the directory cannot be made.
    pub fn new() -> io::Result<Self> {
        let mut arguments = env::args_os().skip(1);
        if let (Some(argument), Some(directory)) = (arguments.next(), arguments.next())
            && argument == DOOMED
        {
            return Ok(Self { directory: directory.into(), is_doomed: true });
        }
        let directory = env::temp_dir().join(format!("resilient-sample-{}", Uuid::new_v4()));
        fs::create_dir(&directory)?;
        let stage = Self { directory, is_doomed: false };
        File::create(stage.ledger())?;
        Ok(stage)
    }

    fn ledger(&self) -> PathBuf {
        self.directory.join("ledger.txt")
    }

    /// The path of the database file.
    pub fn database(&self) -> String {
        self.directory.join("sample.db").display().to_string()
    }

    /// Adds a line to the ledger, after the time that a call over the net takes: this has happened, whatever becomes of
    /// this process.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the file cannot be written.
    pub async fn write_down(&self, event: &str) -> io::Result<()> {
        tokio::time::sleep(LATENCY).await;
        let mut ledger = OpenOptions::new().append(true).open(self.ledger())?;
        // In one write, so that lines of two processes are not mixed.
        ledger.write_all(format!("{event}\n").as_bytes())
    }

    /// Adds a line to the ledger, unless it is there already; whether it was added.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the file cannot be read or written.
    pub async fn write_down_once(&self, event: &str) -> io::Result<bool> {
        let is_new = !self.ledger_lines()?.iter().any(|line| line == event);
        if is_new {
            self.write_down(event).await?;
        }
        Ok(is_new)
    }

    /// What has happened.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the file cannot be read.
    pub fn ledger_lines(&self) -> io::Result<Vec<String>> {
        Ok(fs::read_to_string(self.ledger())?.lines().map(str::to_owned).collect())
    }

    /// How many lines of the ledger begin with this.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the file cannot be read.
    pub fn count(&self, events: &str) -> io::Result<usize> {
        Ok(self.ledger_lines()?.iter().filter(|line| line.starts_with(events)).count())
    }

    /// Prints what has happened.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the file cannot be read.
    pub fn print_ledger(&self) -> io::Result<()> {
        for line in self.ledger_lines()? {
            println!("  {line}");
        }
        Ok(())
    }

    /// Whether this is the process that is to be killed.
    pub fn is_doomed(&self) -> bool {
        self.is_doomed
    }

    /// Starts this program in a second process on the same stage, and kills it (`kill -9`) at
    /// [`killed_here`](Self::killed_here). What it prints is printed here.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when it cannot be started, or has ended before it came to the point.
    pub async fn kill_a_process(&self) -> io::Result<()> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(DOOMED).arg(&self.directory).kill_on_drop(true);
        let mut doomed = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = doomed.stdout.take().ok_or_else(|| io::Error::other("the process has no output"))?;
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await? {
            if line == KILL_ME {
                return doomed.kill().await;
            }
            println!("{line}");
        }
        Err(io::Error::other("the process ended before it was to be killed"))
    }

    /// Where the process that is to be killed ends. In any other process nothing happens here.
    pub async fn killed_here(&self) {
        if !self.is_doomed {
            return;
        }
        println!("{KILL_ME}");
        // Its input ends when who was to kill it is gone.
        let _ = tokio::task::spawn_blocking(|| io::stdin().read(&mut [0])).await;
        process::abort();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.is_doomed {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

//! How far the run is: a bar on a terminal, a line now and then otherwise.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::console::say;

const LINE_EVERY: Duration = Duration::from_secs(1);

/// Counts completed orders for people.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: Shown,
    total: usize,
    succeeded: usize,
    failed: usize,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines { last: Instant },
    Nothing,
}

impl Progress {
    pub(crate) fn new(total: usize, wanted: bool) -> Self {
        let shown = match (wanted, io::stderr().is_terminal()) {
            (false, _) => Shown::Nothing,
            (true, true) => Shown::Bar(bar(total)),
            (true, false) => Shown::Lines { last: Instant::now() },
        };
        Self { shown, total, succeeded: 0, failed: 0 }
    }

    /// How many orders have completed since the start.
    pub(crate) fn completed(&self) -> usize {
        self.succeeded + self.failed
    }

    pub(crate) fn order_completed(&mut self, is_success: bool) {
        if is_success {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        let line = format!("{} succeeded, {} failed for a person", self.succeeded, self.failed);
        let (completed, total) = (self.completed(), self.total);
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.inc(1);
                bar.set_message(line);
            }
            Shown::Lines { last } if last.elapsed() >= LINE_EVERY || completed == total => {
                *last = Instant::now();
                say(format_args!("{completed} of {total} orders completed: {line}"));
            }
            Shown::Lines { .. } | Shown::Nothing => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.abandon();
        }
    }
}

fn bar(total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {elapsed} · {msg}");
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX));
    // Time goes on visibly while nothing completes, as when the lease of a crashed process has to end first.
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

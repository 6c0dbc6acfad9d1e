//! Lines for people and scripts: results on stdout, remarks on stderr.

use std::fmt::Display;
use std::io::{self, Write as _};

/// One line of the result. A reader that has gone away (`… | head`) is no reason to stop processing orders.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// One line about how it goes, kept out of what scripts read.
pub(crate) fn remark(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

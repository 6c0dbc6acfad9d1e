//! Runs every sample, as a person would, and checks that it tells its story.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use std::{fs, io};

use tokio::process::Command;
use tokio::time::timeout;

/// Far more than any of them takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// One test per sample: it prints what its header shows.
macro_rules! samples {
    ($($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let output = run(env!(concat!("CARGO_BIN_EXE_", stringify!($name)))).await.unwrap();
                check(&output, &header(include_str!(concat!("../src/bin/", stringify!($name), ".rs"))));
            }
        )*
        /// What there is a test for.
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

samples! {
    hello_world,
    sticky_random_number,
    elevator_pitch,
    customer_emails,
    order_1_plain,
    order_2_resilient,
    order_3_scrapbook,
    order_4_at_most_once,
    order_5_messages,
    order_6_handlers,
    http_and_database,
    loan_approval,
    fraud_detection,
    support_ticket,
    engagement,
    recurring_report,
    bank_transfer,
    versioning,
    correlation_id,
    encryption,
    web_api,
}

/// Its result is the same one each time that it is asked for.
#[tokio::test]
async fn a_random_number_sticks_to_its_id() {
    let output = run(env!("CARGO_BIN_EXE_sticky_random_number")).await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut throws: Vec<_> =
        stdout.lines().filter_map(|line| line.split_once(": ")).map(|(_, throw)| throw).collect();
    assert_eq!(throws.len(), 6, "{stdout}");
    throws.sort_unstable();
    throws.dedup();
    assert_eq!(throws.len(), 2, "{stdout}");
}

/// A sample that nobody runs rots, and one that nobody finds teaches nothing.
#[test]
fn every_sample_has_a_test_and_a_place_in_the_index() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = fs::read_to_string(package.join("README.md")).unwrap();
    for file in fs::read_dir(package.join("src/bin")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(TESTED.contains(&name), "`{name}` has no test");
        assert!(index.contains(&format!("(src/bin/{name}.rs)")), "`{name}` is not in the index");
        assert!(
            index.contains(&format!("`cargo run --bin {name}`")),
            "the index does not say how to run `{name}`"
        );
        let source = fs::read_to_string(&path).unwrap();
        let command = format!("//! ```console\n//! $ cargo run --bin {name}\n");
        assert!(source.contains(&command), "`{name}` does not say how to run it");
    }
}

async fn run(program: &str) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_remove("RUST_LOG").kill_on_drop(true);
    timeout(PATIENCE, command.output()).await?
}

/// What the sample prints, as its header shows it below the command.
fn header(source: &str) -> Vec<&str> {
    let lines = source
        .lines()
        .map(|line| line.trim_start_matches("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines
        .skip_while(|line| !line.starts_with("$ cargo run"))
        .skip(1)
        .take_while(|line| *line != "```")
        .collect()
}

#[track_caller]
fn check(output: &Output, header: &[&str]) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let all = format!("{}\nstdout:\n{stdout}\nstderr:\n{stderr}", output.status);
    assert!(output.status.success(), "{all}");
    let told: Vec<_> = stdout.lines().map(str::trim_end).collect();
    assert!(!header.is_empty() && tells(&told, header), "its header shows\n{}\n{all}", header.join("\n"));
}

/// Whether these are the lines of the header, where a line `…` stands for any number of lines.
fn tells(told: &[&str], header: &[&str]) -> bool {
    match (header, told) {
        ([], _) => told.is_empty(),
        (["…", rest @ ..], _) => {
            (0..=told.len()).any(|left_out| told.get(left_out..).is_some_and(|told| tells(told, rest)))
        }
        ([line, header @ ..], [first, told @ ..]) => fits(first, line) && tells(told, header),
        (_, []) => false,
    }
}

/// Whether this is the line of the header, where `…` stands for any text.
fn fits(told: &str, line: &str) -> bool {
    let Some((before, after)) = line.split_once('…') else { return told == line };
    let Some(rest) = told.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| fits(rest, after)))
}

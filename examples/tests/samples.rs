//! Runs every sample, as a person would, and checks that it tells its story.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use std::{fs, io};

use tokio::process::Command;
use tokio::time::timeout;

/// Far more than any of them takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// One test per sample: its output has these lines, in this order; others may stand between them.
macro_rules! samples {
    ($($name:ident: [$($line:expr),* $(,)?],)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let output = run(env!(concat!("CARGO_BIN_EXE_", stringify!($name)))).await.unwrap();
                check(&output, &[$($line),*]);
            }
        )*
        /// What there is a test for.
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

samples! {
    hello_world: ["called: HELLO WORLD", "invoked: HELLO WORLD"],
    elevator_pitch: [
        "attempt 1: 503 Service Unavailable",
        "attempt 2: 503 Service Unavailable",
        "attempt 3: 200 OK",
        "result: sunny",
    ],
    customer_emails: [
        "the first process:",
        "  mail to ann@example.org",
        "  mail to bob@example.org",
        "killed; the second process:",
        "  mail to cid@example.org",
        "  mail to dan@example.org",
        "4 mails to 4 customers",
    ],
    order_1_plain: [
        "killed; what has happened, and nobody goes on with it:",
        "  parcel 1 to Anna",
        "placed again:",
        "  parcel 2 to Anna",
        "  mail to Anna",
        "reservations: 2, parcels: 2",
    ],
    order_2_resilient: [
        "killed; another process takes over",
        "completed; what has happened:",
        "  parcel 1 to Anna",
        "  parcel 2 to Anna",
        "  mail to Anna",
        "reservations: 2, parcels: 2",
    ],
    order_3_scrapbook: [
        "killed; another process takes over",
        "completed; what has happened:",
        "  parcel 1 to Anna",
        "  parcel 2 to Anna",
        "  mail to Anna",
        "reservations: 1, parcels: 2",
    ],
    order_4_at_most_once: [
        "killed; another process takes over",
        "repaired, and completed: parcel 1",
        "what has happened:",
        "  parcel 1 to Anna",
        "  mail to Anna",
        "reservations: 1, parcels: 1",
    ],
    order_5_messages: [
        "killed; another process takes over",
        "completed: parcel 1; what has happened:",
        "  ReserveFunds for MK-4321",
        "  ShipProducts for MK-4321",
        "  CaptureFunds for MK-4321",
        "  SendConfirmation for MK-4321",
    ],
    order_6_handlers: [
        "  message 1 was delivered before",
        "completed: parcel 1; what has happened:",
        "  ReserveFunds for MK-4321",
        "  ShipProducts for MK-4321",
        "  CaptureFunds for MK-4321",
        "  SendConfirmation for MK-4321",
    ],
    bank_transfer: [
        "version 1:",
        "  posted -100 on the account of ann",
        r#"killed; {"ann": -100}"#,
        "versions 1 and 2:",
        "  has posted before -100 on the account of ann",
        "  posted 100 on the account of bob",
        r#"T-1 completed; {"ann": -100, "bob": 100}"#,
        r#"T-1 asked for again in version 2; {"ann": -100, "bob": 100}"#,
        r#"T-2 completed; {"ann": -200, "bob": 199, "the bank": 1}"#,
    ],
    loan_approval: [
        "asked three services about 40000 for Ann",
        "the tax office has answered",
        "the credit bureau has answered",
        "approved for Ann, with 2 answers of 3",
    ],
    support_ticket: [
        "ticket 1:",
        "  to ann: who takes `where is my chair`?",
        "  taken by ann",
        "ticket 2:",
        "  to ann: who takes `may I have a blue one`?",
        "  to bob: who takes `may I have a blue one`?",
        "  to the boss: who takes `may I have a blue one`?",
        "  escalated, and taken by the boss",
    ],
    engagement: [
        "stopped for a deployment, and started again",
        "  to eve: we have not heard from you",
        "  to HR: the candidate comes",
        "eve: accepted",
        "kim: no answer after 3 reminders",
    ],
    versioning: [
        "yesterday: MK-1 is suspended until a message arrives or its time has come",
        "today: MK-1: Classic: the old provider reserves 100, the old provider captures 100",
        "today: MK-2: Studio: the new provider reserves 200, the new provider captures 200",
    ],
    correlation_id: ["[request-7] ship a chair", "[request-7] ship a chair", "MK-1: on its way"],
}

/// Its result is another one each time, and the same one each time that it is asked for.
#[tokio::test]
async fn sticky_random_number() {
    let output = run(env!("CARGO_BIN_EXE_sticky_random_number")).await.unwrap();
    check(&output, &["  (the die rolls)"; 2]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut throws: Vec<_> =
        stdout.lines().filter_map(|line| line.split_once(": ")).map(|(_, throw)| throw).collect();
    assert_eq!(throws.len(), 6, "{stdout}");
    throws.sort_unstable();
    throws.dedup();
    assert_eq!(throws.len(), 2, "{stdout}");
    assert_eq!(stdout.matches("(the die rolls)").count(), 2, "{stdout}");
}

/// A sample that nobody runs rots, and one that nobody finds teaches nothing.
#[test]
fn every_sample_has_a_test_and_a_place_in_the_index() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = fs::read_to_string(package.join("README.md")).unwrap();
    for file in fs::read_dir(package.join("src/bin")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(TESTED.contains(&name) || name == "sticky_random_number", "`{name}` has no test");
        assert!(index.contains(&format!("(src/bin/{name}.rs)")), "`{name}` is not in the index");
        assert!(
            index.contains(&format!("`cargo run --bin {name}`")),
            "the index does not say how to run `{name}`"
        );
        let source = fs::read_to_string(&path).unwrap();
        assert!(
            source.contains(&format!("//! $ cargo run --bin {name}\n")),
            "`{name}` does not say how to run it"
        );
    }
}

async fn run(program: &str) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_remove("RUST_LOG").kill_on_drop(true);
    timeout(PATIENCE, command.output()).await?
}

#[track_caller]
fn check(output: &Output, expected: &[&str]) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let all = format!("{}\nstdout:\n{stdout}\nstderr:\n{stderr}", output.status);
    assert!(output.status.success(), "{all}");
    let mut lines = stdout.lines();
    for line in expected {
        assert!(lines.any(|told| told == *line), "`{line}` is not told, or not in its place\n{all}");
    }
}

//! What the first chapter of the user guide shows: its program, killed and started again, and its `Cargo.toml`.
//!
//! All other examples of the guide are documentation tests of `resilient`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use uuid::Uuid;

/// The chapter up to the program.
const BEGIN: &str = include_str!("../../resilient/src/guide/getting_started/begin.md");

/// An empty folder, removed with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("resilient-guide-{}", Uuid::new_v4()));
        fs::create_dir(&folder).expect("there are temporary files");
        Self(folder)
    }

    /// The program of the chapter, in this folder.
    fn newsletter(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_newsletter"));
        command.current_dir(&self.0);
        command
    }

    /// What the program says when it runs to its end.
    fn run(&self) -> Vec<String> {
        let output = self.newsletter().output().expect("it was built with this test");
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).expect("it says text");
        said.lines().map(str::to_owned).collect()
    }

    /// What the program says until it is killed, in the middle of a letter.
    fn run_and_kill(&self) -> Vec<String> {
        let mut child =
            self.newsletter().stdout(Stdio::piped()).spawn().expect("it was built with this test");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let said = output.lines().take(5).collect::<Result<_, _>>().expect("five lines");
        child.kill().expect("it was there");
        child.wait().expect("it ends");
        said
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left among the temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_first_program_goes_on_after_a_kill() {
    let folder = Folder::new();
    let letters = |first: usize| (first..=10).map(|number| format!("sent to reader {number}"));

    assert_eq!(folder.run_and_kill(), letters(1).take(5).collect::<Vec<_>>());

    // The fifth letter was sent, and whether that was saved is a question of a moment.
    let said = folder.run();
    let expected = |first| letters(first).chain(["10 letters are sent".to_owned()]).collect::<Vec<_>>();
    assert!(said == expected(6) || said == expected(5), "{said:#?}");

    assert_eq!(folder.run(), ["10 letters are sent"]);
}

mod transactions {
    use resilient_sqlx::SqliteStore;

    include!("../../resilient/src/guide/transactions/booking.rs");

    #[tokio::test]
    async fn the_booking_of_an_order_is_one_row() -> resilient::Result<()> {
        let folder = super::Folder::new();
        let file = folder.0.join("shop.db").display().to_string();
        let store = SqliteStore::open(&file).await?;
        let pool = SqlitePool::connect(&file).await?;
        sqlx::raw_sql("create table orders (id text); create table bookings (amount)").execute(&pool).await?;
        let runtime = Runtime::builder(store).dep(pool.clone()).register::<book>().start().await?;

        order(&runtime, &pool, "MK-1", 7).await?;
        book::completion(&runtime, "MK-1").await?;

        let booked: Vec<i64> = sqlx::query_scalar("select amount from bookings").fetch_all(&pool).await?;
        assert_eq!(booked, [7]);
        runtime.shutdown().await?;
        Ok(())
    }
}

#[test]
fn the_first_manifest_can_be_used() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let manifest = BEGIN.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let here = format!("path = \"{}/", repository.display());
    let manifest = manifest.expect("the chapter shows a manifest").replace("path = \"../resilient/", &here);
    assert_eq!(manifest.matches(&here).count(), 2, "{manifest}");

    let folder = Folder::new();
    fs::write(folder.0.join("Cargo.toml"), manifest).expect("the folder is there");
    fs::create_dir(folder.0.join("src")).expect("the folder is there");
    fs::write(folder.0.join("src/main.rs"), "fn main() {}").expect("the folder is there");
    fs::copy(repository.join("Cargo.lock"), folder.0.join("Cargo.lock")).expect("the repository has one");
    let resolved = Command::new(env!("CARGO"))
        .args(["update", "--workspace", "--offline", "--quiet"])
        .current_dir(&folder.0)
        .output()
        .expect("there is a cargo");
    assert!(resolved.status.success(), "{}", String::from_utf8_lossy(&resolved.stderr));
}

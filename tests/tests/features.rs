//! What a program can do that has left a feature of `resilient` out, and what it is told of the rest.
//!
//! The tests of this workspace have all features, so this is a crate of its own, which is only checked. What it depends on
//! is checked once, and kept among the temporary files of the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MANIFEST: &str = r#"
[package]
name = "without-features"
version = "0.0.0"
edition = "2024"

[dependencies]
resilient = { path = "REPOSITORY/resilient" }

[workspace]
"#;

const EVERY: &str = r#"
#[resilient::resilient_fn(type_id = "Hourly", every = "1h")]
async fn hourly(_: resilient::Tick) {}

fn main() {}
"#;

const CRON: &str = r#"
#[resilient::resilient_fn(type_id = "Nightly", cron = "30 2 * * *", timezone = "Europe/Copenhagen")]
async fn nightly(_: resilient::Tick) {}

fn main() {}
"#;

/// Puts the crate where its artifacts are kept; answers its folder.
fn put_crate() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("without-features");
    fs::create_dir_all(folder.join("src/bin")).expect("there are temporary files");
    let manifest = MANIFEST.replace("REPOSITORY", &repository.display().to_string());
    for (file, text) in
        [("Cargo.toml", manifest.as_str()), ("src/bin/every.rs", EVERY), ("src/bin/cron.rs", CRON)]
    {
        fs::write(folder.join(file), text).expect("the folder is there");
    }
    fs::copy(repository.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the repository has one");
    folder
}

fn check(folder: &Path, program: &str) -> Output {
    Command::new(env!("CARGO"))
        .args([
            "check",
            "--offline",
            "--quiet",
            "--color",
            "never",
            "--target-dir",
            "target",
            "--bin",
            program,
        ])
        .current_dir(folder)
        .env_remove("RUSTFLAGS")
        .output()
        .expect("there is a cargo")
}

#[test]
fn without_cron_a_function_recurs_by_an_interval_and_cron_names_its_feature() {
    let folder = put_crate();

    let every = check(&folder, "every");
    assert!(every.status.success(), "{}", String::from_utf8_lossy(&every.stderr));

    let cron = check(&folder, "cron");
    let said = String::from_utf8_lossy(&cron.stderr);
    let errors: Vec<_> =
        said.lines().filter(|line| line.starts_with("error: `") || line.starts_with("error[")).collect();
    let expected = "error: `cron` needs a feature; add `features = [\"cron\"]` to the dependency `resilient` in `Cargo.toml`, \
         or use `every`";
    assert_eq!(errors, [expected], "{said}");
    assert!(!cron.status.success() && said.contains("--> src/bin/cron.rs:2:55"), "{said}");
}

//! What the old build registers.

use resilient::prelude::*;
use resilient::{Builder, Registration, Store};
use serde::{Deserialize, Serialize};

use super::Stage;
use crate::chores::Log;

/// A runtime of this build.
pub fn builder(store: impl Store, log: Log) -> Builder {
    let builder = super::builder(store, "old", log).register::<param>().register::<book>();
    builder.register::<added>().register::<dropped>().register::<flow>().register::<letter>()
}

/// All that it registers.
pub fn registrations() -> Vec<Registration> {
    vec![
        param::registration(),
        book::registration(),
        added::registration(),
        dropped::registration(),
        flow::registration(),
        letter::registration(),
    ]
}

/// Its parameter gets another version.
#[resilient_fn(type_id = "deploy.Param", register = false)]
pub async fn param(total: u32, context: &Context, stage: Dep<Stage>) -> String {
    stage.run(context).await;
    format!("old {total}")
}

/// Progress.
#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
#[scrapbook(version = 1)]
pub struct Book {
    pub(super) steps: usize,
}

/// Its scrapbook gets another version.
///
/// # Errors
///
/// When it does not belong to this process any more.
#[resilient_fn(type_id = "deploy.Book", register = false)]
pub async fn book(
    total: u32,
    book: &mut Scrapbook<Book>,
    context: &Context,
    stage: Dep<Stage>,
) -> resilient::Result<String> {
    book.steps += 1;
    book.save().await?;
    stage.run(context).await;
    Ok(format!("old {total} after {} steps", book.steps))
}

/// It gets a scrapbook.
#[resilient_fn(type_id = "deploy.Added", register = false)]
pub async fn added(total: u32, context: &Context, stage: Dep<Stage>) -> String {
    stage.run(context).await;
    format!("old {total}")
}

/// It does without its scrapbook.
///
/// # Errors
///
/// When it does not belong to this process any more.
#[resilient_fn(type_id = "deploy.Dropped", register = false)]
pub async fn dropped(
    total: u32,
    book: &mut Scrapbook<Book>,
    context: &Context,
    stage: Dep<Stage>,
) -> resilient::Result<String> {
    book.steps += 1;
    book.save().await?;
    stage.run(context).await;
    Ok(format!("old {total} after {} steps", book.steps))
}

/// Both builds have it: the new one beside version 2.
#[resilient_fn(type_id = "deploy.Flow", register = false)]
pub async fn flow(total: u32, context: &Context, stage: Dep<Stage>) -> String {
    stage.run(context).await;
    format!("version 1 of {total}")
}

/// What an instance waits for.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "Letter", version = 1)]
pub struct Letter {
    /// What it says.
    pub text: String,
}

/// Its message gets another version.
///
/// # Errors
///
/// When it waits for too long to do so in memory.
#[resilient_fn(type_id = "deploy.Letter", register = false)]
pub async fn letter(total: u32, context: &Context, stage: Dep<Stage>) -> resilient::Result<String> {
    let letter: Letter = context.messages().next().await?;
    stage.run(context).await;
    Ok(format!("old {total} got {}", letter.text))
}

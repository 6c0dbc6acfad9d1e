//! What the new build registers.

use resilient::prelude::*;
use resilient::{Builder, Registration, Store};
use serde::{Deserialize, Serialize};

use super::{Stage, old};
use crate::chores::Log;

/// A runtime of this build.
pub fn builder(store: impl Store, log: Log) -> Builder {
    let builder = super::builder(store, "new", log).register::<param>().register::<book>();
    builder
        .register::<added>()
        .register::<dropped>()
        .register::<old::flow>()
        .register::<flow>()
        .register::<letter>()
}

/// All that it registers.
pub fn registrations() -> Vec<Registration> {
    vec![
        param::registration(),
        book::registration(),
        added::registration(),
        dropped::registration(),
        old::flow::registration(),
        flow::registration(),
        letter::registration(),
    ]
}

/// A parameter that was a number.
#[derive(Debug, Serialize, Deserialize, Versioned)]
#[versioned(version = 2, v1 = u32)]
pub struct Order {
    /// The number that it was.
    pub total: u64,
    /// What is new.
    pub currency: String,
}

impl From<u32> for Order {
    fn from(total: u32) -> Self {
        Self { total: total.into(), currency: "EUR".to_owned() }
    }
}

/// Reads the numbers of the old build.
#[resilient_fn(type_id = "deploy.Param", register = false)]
pub async fn param(order: Order, context: &Context, stage: Dep<Stage>) -> String {
    stage.run(context).await;
    format!("new {} {}", order.total, order.currency)
}

/// Progress, and who made it.
#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
#[scrapbook(version = 2, v1 = old::Book)]
pub struct Book {
    by: Vec<String>,
}

impl From<old::Book> for Book {
    fn from(book: old::Book) -> Self {
        Self { by: vec!["old".to_owned(); book.steps] }
    }
}

/// Reads the scrapbooks of the old build.
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
    book.by.push("new".to_owned());
    book.save().await?;
    stage.run(context).await;
    Ok(format!("new {total} after {:?}", book.by))
}

/// A scrapbook where there was none.
#[derive(Debug, Default, Serialize, Deserialize, Scrapbook)]
#[scrapbook(version = 1)]
pub struct Notes {
    runs: u32,
}

/// It has a scrapbook now.
///
/// # Errors
///
/// When it does not belong to this process any more.
#[resilient_fn(type_id = "deploy.Added", register = false)]
pub async fn added(
    total: u32,
    notes: &mut Scrapbook<Notes>,
    context: &Context,
    stage: Dep<Stage>,
) -> resilient::Result<String> {
    notes.runs += 1;
    notes.save().await?;
    stage.run(context).await;
    Ok(format!("new {total} in {} runs", notes.runs))
}

/// It does without a scrapbook now.
#[resilient_fn(type_id = "deploy.Dropped", dropped_scrapbook = 1, register = false)]
pub async fn dropped(total: u32, context: &Context, stage: Dep<Stage>) -> String {
    stage.run(context).await;
    format!("new {total}")
}

/// Begun by this build only.
#[resilient_fn(type_id = "deploy.Flow", version = 2, register = false)]
pub async fn flow(total: u64, context: &Context, stage: Dep<Stage>) -> String {
    stage.run(context).await;
    format!("version 2 of {total}")
}

/// A message that says more than before.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "Letter", version = 2, v1 = old::Letter)]
pub struct Letter {
    /// What it says.
    pub text: String,
    /// What is new.
    pub urgent: bool,
}

impl From<old::Letter> for Letter {
    fn from(letter: old::Letter) -> Self {
        Self { text: letter.text, urgent: false }
    }
}

/// Reads the letters of the old build.
///
/// # Errors
///
/// When it waits for too long to do so in memory.
#[resilient_fn(type_id = "deploy.Letter", register = false)]
pub async fn letter(total: u32, context: &Context, stage: Dep<Stage>) -> resilient::Result<String> {
    let letter: Letter = context.messages().next().await?;
    stage.run(context).await;
    Ok(format!("new {total} got {} (urgent: {})", letter.text, letter.urgent))
}

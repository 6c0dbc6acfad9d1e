//! **How does money move exactly once, also while the code that moves it changes?**
//!
//! Each posting has an id that is saved before the bank hears of it, and the bank posts an id once. Here a process is killed
//! when the money has left the first account and has not arrived on the second.
//!
//! Then comes a deployment: version 2 takes a fee. Both versions stand side by side under one type id: the transfer that
//! was begun without a fee ends without one, and cannot be made a second time in the new version.
//!
//! ```console
//! $ cargo run --bin bank_transfer
//! version 1:
//!   posted -100 on the account of ann
//! killed; {"ann": -100}
//! versions 1 and 2:
//!   has posted before -100 on the account of ann
//!   posted 100 on the account of bob
//! T-1 completed; {"ann": -100, "bob": 100}
//! T-1 asked for again in version 2; {"ann": -100, "bob": 100}
//! …
//! T-2 completed; {"ann": -200, "bob": 199, "the bank": 1}
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use resilient::prelude::*;
use resilient_examples::Stage;
use resilient_sqlx::SqliteStore;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long after its last sign of life a process counts as dead. The default of 5 s suits production.
const LEASE: Duration = Duration::from_secs(2);
const FEE: i64 = 1;

#[derive(Clone, Serialize, Deserialize)]
struct Transfer {
    from: String,
    to: String,
    amount: i64,
}

/// The ids of the postings.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Postings {
    debit: Uuid,
    credit: Uuid,
    fee: Uuid,
}

#[derive(Default, Serialize, Deserialize, Scrapbook)]
struct TransferScrapbook {
    postings: Option<Postings>,
}

#[resilient_fn(type_id = "BankTransfer")]
async fn transfer(
    transfer: Transfer,
    scrapbook: &mut Scrapbook<TransferScrapbook>,
    bank: Dep<Bank>,
) -> resilient::Result<()> {
    let Postings { debit, credit, .. } = postings(scrapbook).await?;
    bank.post(debit, &transfer.from, -transfer.amount).await?;
    bank.post(credit, &transfer.to, transfer.amount).await?;
    Ok(())
}

#[resilient_fn(type_id = "BankTransfer", version = 2)]
async fn transfer_with_fee(
    transfer: Transfer,
    scrapbook: &mut Scrapbook<TransferScrapbook>,
    bank: Dep<Bank>,
) -> resilient::Result<()> {
    let Postings { debit, credit, fee } = postings(scrapbook).await?;
    // All at once: each is safe to repeat, so it does not matter how many of them a crash leaves undone.
    tokio::try_join!(
        bank.post(debit, &transfer.from, -transfer.amount),
        bank.post(credit, &transfer.to, transfer.amount - FEE),
        bank.post(fee, "the bank", FEE),
    )?;
    Ok(())
}

async fn postings(scrapbook: &mut Scrapbook<TransferScrapbook>) -> resilient::Result<Postings> {
    if let Some(postings) = scrapbook.postings {
        return Ok(postings);
    }
    let postings = Postings { debit: Uuid::new_v4(), credit: Uuid::new_v4(), fee: Uuid::new_v4() };
    scrapbook.postings = Some(postings);
    scrapbook.save().await?;
    Ok(postings)
}

/// The bank: a posting whose id it has seen is not made again.
struct Bank(Arc<Stage>);

impl Bank {
    async fn post(&self, id: Uuid, account: &str, amount: i64) -> io::Result<()> {
        let is_new = self.0.write_down_once(&format!("{id} {amount} {account}")).await?;
        println!(
            "  {} {amount} on the account of {account}",
            if is_new { "posted" } else { "has posted before" }
        );
        self.0.killed_here().await;
        Ok(())
    }

    fn balances(&self) -> io::Result<BTreeMap<String, i64>> {
        let mut balances = BTreeMap::new();
        for line in self.0.ledger_lines()? {
            if let [_, amount, account] = *line.splitn(3, ' ').collect::<Vec<_>>() {
                *balances.entry(account.to_owned()).or_default() += amount.parse::<i64>().unwrap_or_default();
            }
        }
        Ok(balances)
    }
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let stage = Arc::new(Stage::new()?);
    let order = Transfer { from: "ann".to_owned(), to: "bob".to_owned(), amount: 100 };
    let store = SqliteStore::open(&stage.database()).await?;
    let settings = Settings::default().heartbeat(LEASE / 4).lease(LEASE);
    let builder = Runtime::builder(store).dep(Bank(Arc::clone(&stage))).settings(settings);

    if stage.is_doomed() {
        // The deployment of yesterday knows only version 1.
        let runtime = builder.register::<transfer>().start().await?;
        return Ok(transfer::invoke(&runtime, "T-1", order).await?);
    }
    println!("version 1:");
    stage.kill_a_process().await?;
    println!("killed; {:?}", Bank(Arc::clone(&stage)).balances()?);

    let runtime = builder.register::<transfer>().register::<transfer_with_fee>().start().await?;
    println!("versions 1 and 2:");
    transfer::completion(&runtime, "T-1").await?;
    println!("T-1 completed; {:?}", Bank(Arc::clone(&stage)).balances()?);

    // It has been made, in whichever version; this answers with the outcome.
    transfer_with_fee::invoke(&runtime, "T-1", order.clone()).await?;
    println!("T-1 asked for again in version 2; {:?}", Bank(Arc::clone(&stage)).balances()?);

    transfer_with_fee::invoke(&runtime, "T-2", order).await?;
    println!("T-2 completed; {:?}", Bank(Arc::clone(&stage)).balances()?);
    runtime.shutdown().await?;
    Ok(())
}

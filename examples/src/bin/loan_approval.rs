//! **How do I ask three services at once, and decide in time with what has come?**
//!
//! The requests go out, and three waits go on side by side, each with a durable deadline: it counts on while the process is
//! away, and what waits uses no memory. One of the services is silent here; the decision is made without it.
//!
//! ```console
//! $ cargo run --bin loan_approval
//! asked three services about 40000 for Ann
//! the tax office has answered
//! the credit bureau has answered
//! approved for Ann, with 2 answers of 3
//! ```

use std::time::Duration;

use resilient::prelude::*;
use serde::{Deserialize, Serialize};

/// How long the services have for their answers. In production: 15 minutes, or two days.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

#[derive(Serialize, Deserialize)]
struct LoanApplication {
    applicant: String,
    amount: u32,
}

/// The answer of the credit bureau.
#[derive(Serialize, Deserialize, Message)]
struct CreditScore(u32);
/// The answer of the tax office.
#[derive(Serialize, Deserialize, Message)]
struct YearlyIncome(u32);
/// The answer of the register of debtors.
#[derive(Serialize, Deserialize, Message)]
struct OpenDebts(u32);

#[resilient_fn(type_id = "LoanApproval")]
async fn approve_loan(
    loan: LoanApplication,
    context: &Context,
    services: Dep<Services>,
) -> resilient::Result<String> {
    // Each answer calls this function again from its top; what was asked once is not asked again.
    context.at_least_once("ask", || services.ask(context, &loan)).await?;

    let inbox = context.messages();
    let (score, income, debts) = tokio::try_join!(
        inbox.next_within::<CreditScore>("credit bureau", ANSWER_WITHIN),
        inbox.next_within::<YearlyIncome>("tax office", ANSWER_WITHIN),
        inbox.next_within::<OpenDebts>("register of debtors", ANSWER_WITHIN),
    )?;

    // `None` is no answer in time.
    let opinions = [
        score.map(|CreditScore(score)| score >= 600),
        income.map(|YearlyIncome(income)| income >= loan.amount),
        debts.map(|OpenDebts(debts)| debts == 0),
    ];
    let answers = opinions.iter().flatten().count();
    let is_approved = answers >= 2 && opinions.into_iter().flatten().all(|opinion| opinion);
    let decision = if is_approved { "approved" } else { "rejected" };
    Ok(format!("{} for {}, with {answers} answers of 3", decision, loan.applicant))
}

/// The three services, in other processes: they answer when they like.
struct Services(Runtime);

impl Services {
    async fn ask(&self, context: &Context, loan: &LoanApplication) -> Result<(), InvokeError> {
        tokio::time::sleep(Duration::from_millis(10)).await; // the network
        println!("asked three services about {} for {}", loan.amount, loan.applicant);
        let (answers, id) = (self.0.clone(), context.instance_id().clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            approve_loan::send(&answers, id.clone(), YearlyIncome(52_000)).await?;
            println!("the tax office has answered");
            tokio::time::sleep(Duration::from_millis(50)).await;
            approve_loan::send(&answers, id, CreditScore(710)).await?;
            println!("the credit bureau has answered");
            // The register of debtors is closed today.
            Ok::<_, InvokeError>(())
        });
        Ok(())
    }
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    let store = InMemoryStore::new();
    let answers = Runtime::builder(store.clone()).take_no_work().start().await?;
    // Nobody waits in memory: every wait puts the function away at once.
    let settings = Settings::default().stay_in_memory(Duration::ZERO);
    let services = Services(answers.clone());
    let runtime = Runtime::builder(store).dep(services).settings(settings).discover().start().await?;

    let loan = LoanApplication { applicant: "Ann".to_owned(), amount: 40_000 };
    approve_loan::schedule(&runtime, "loan-7", loan).await?;
    println!("{}", approve_loan::completion(&runtime, "loan-7").await?);

    runtime.shutdown().await?;
    answers.shutdown().await?;
    Ok(())
}

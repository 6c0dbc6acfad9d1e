//! A batch of writes on the databases whose statements answer which rows they wrote.

use resilient::FunctionId;
use resilient::store::Append;

use crate::backend::Backend;
use crate::error::Trouble;
use crate::record::{Record, first_messages, other_messages};
use crate::statements::Common;
use crate::store::{Answers, Plan, done};

/// A database whose statements answer which rows they wrote.
pub(crate) trait Returning: Backend {
    /// Runs a statement over rows and answers the keys of those that were written.
    fn written<R: Record + Sync>(
        &self,
        on: &mut Self::Connection,
        statement: &Self::Statement,
        records: &[R],
    ) -> impl Future<Output = Result<Vec<FunctionId>, Trouble>> + Send;

    /// Appends messages; all locks that the transaction takes before are held.
    fn append(
        &self,
        on: &mut Self::Connection,
        appends: &[&Append],
    ) -> impl Future<Output = Result<Answers, Trouble>> + Send;
}

/// Makes the new instances of a plan, with their first messages.
pub(crate) async fn create<B: Returning>(
    store: &B,
    on: &mut B::Connection,
    all: &Common<B::Statement>,
    plan: &Plan<'_>,
) -> Result<Answers, Trouble> {
    let answers = done(store.written(on, &all.create, &plan.creates).await?);
    let made = plan.creates.iter().filter(|create| answers.contains_key(&create.id));
    let messages: Vec<_> = made.flat_map(|create| first_messages(create)).collect();
    store.run(on, &all.add, &messages).await?;
    Ok(answers)
}

/// Writes the existing instances of a plan.
pub(crate) async fn change<B: Returning>(
    store: &B,
    on: &mut B::Connection,
    all: &Common<B::Statement>,
    plan: &Plan<'_>,
) -> Result<Answers, Trouble> {
    let mut answers = store.append(on, &plan.appends).await?;
    answers.extend(done(store.written(on, &all.save, &plan.saves).await?));
    answers.extend(done(store.written(on, &all.finish, &plan.finishes).await?));
    answers.extend(done(store.written(on, &all.cancel, &plan.cancels).await?));
    answers.extend(done(store.written(on, &all.edit, &plan.edits).await?));
    let edits = plan.edits.iter().copied();
    let replaced: Vec<_> =
        edits.filter(|edit| edit.messages.is_some() && answers.contains_key(&edit.id)).collect();
    let ids: Vec<_> = replaced.iter().map(|edit| &edit.id).collect();
    store.run(on, &all.clear, &ids).await?;
    let messages: Vec<_> = replaced.iter().flat_map(|edit| other_messages(edit)).collect();
    store.run(on, &all.add, &messages).await?;
    answers.extend(done(store.written(on, &all.delete, &plan.deletes).await?));
    Ok(answers)
}

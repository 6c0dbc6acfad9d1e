//! Many new instances in few transactions.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::batch::Job;
use super::flight::Flight;
use super::stopped;
use crate::store::{Create, Store, StoreError, Write, Written};

/// The most instances of one transaction: one statement on PostgreSQL.
const MOST: usize = 5_000;
/// The most bytes of their data; a single one may have more.
const MOST_BYTES: usize = 8 << 20;

/// Stores new instances in their order.
pub(super) async fn create_all(
    store: Arc<dyn Store>,
    patience: Duration,
    creates: Vec<Create>,
) -> Result<Vec<Written>, StoreError> {
    let mut written = Vec::with_capacity(creates.len());
    for batch in batches(creates) {
        let (jobs, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(job).unzip();
        Flight::new(Arc::clone(&store), patience).carry(jobs).await;
        for answer in answers {
            written.push(answer.await.map_err(|_| stopped())??);
        }
    }
    Ok(written)
}

fn job(create: Create) -> (Job, oneshot::Receiver<Result<Written, StoreError>>) {
    let (answer, answered) = oneshot::channel();
    (Job::new(Write::Create(create), Some(answer)), answered)
}

fn batches(creates: Vec<Create>) -> Vec<Vec<Create>> {
    let mut batches: Vec<Vec<Create>> = Vec::new();
    let mut bytes = 0;
    for create in creates {
        let size = create.param.body.len() + create.journal.as_ref().map_or(0, String::len);
        bytes += size;
        match batches.last_mut() {
            Some(batch) if batch.len() < MOST && bytes <= MOST_BYTES => batch.push(create),
            _ => {
                bytes = size;
                batches.push(vec![create]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Due;
    use crate::id::FunctionId;
    use crate::payload::Payload;
    use crate::store::Start;

    fn sizes(creates: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let create = |bytes| {
            let param = Payload::new(1, "x".repeat(bytes));
            Create::new(FunctionId::new("Order", "7"), Start::Waiting(Due::Now), 1, param)
        };
        batches(creates.into_iter().map(create).collect()).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_batch_is_limited_by_its_number_and_by_its_bytes() {
        assert_eq!(sizes([]), [0; 0]);
        assert_eq!(sizes(std::iter::repeat_n(1, 10_001)), [5_000, 5_000, 1]);
        assert_eq!(sizes([3 << 20; 5]), [2, 2, 1]);
        assert_eq!(sizes([1, 9 << 20, 1]), [1, 1, 1]);
    }
}

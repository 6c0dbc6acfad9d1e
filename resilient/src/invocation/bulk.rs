//! Many instances that are stored together.

use std::collections::{BTreeMap, HashSet};

use super::begin::unexpected;
use super::instance::Instance;
use crate::clock::Due;
use crate::engine::Engine;
use crate::id::FunctionId;
use crate::invoke_error::InvokeError;
use crate::record::StoredFunction;
use crate::store::{Start, Written};

/// Stores instances that any replica runs, of several with one id the first; answers those that existed already.
///
/// All are checked before the first is stored.
pub(crate) async fn create_all(
    engine: &Engine,
    instances: Vec<Instance>,
) -> Result<Vec<StoredFunction>, InvokeError> {
    let mut known: HashSet<FunctionId> = HashSet::new();
    let mut creates = Vec::with_capacity(instances.len());
    for instance in instances {
        let id = instance.id.clone();
        if !known.insert(id.clone()) {
            continue;
        }
        let checked = instance.check(engine).and_then(|()| instance.noted(engine));
        let instance = checked.map_err(|problem| InvokeError::Refused { id, problem: Box::new(problem) })?;
        creates.push(instance.create(Start::Waiting(Due::Now)));
    }
    let mut existing = Vec::new();
    for written in engine.writer.create_all(creates).await? {
        match written {
            Written::Done => {}
            Written::Exists(row) => existing.push(*row),
            other => return Err(unexpected("a create", &other)),
        }
    }
    if existing.len() < known.len() {
        engine.wakes.now();
    }
    Ok(existing)
}

/// The rows by their ids.
pub(super) fn by_id(rows: impl IntoIterator<Item = StoredFunction>) -> BTreeMap<FunctionId, StoredFunction> {
    rows.into_iter().map(|row| (row.id.clone(), row)).collect()
}

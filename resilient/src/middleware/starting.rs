//! An instance that is being started.

use std::collections::BTreeMap;

use crate::id::FunctionId;

/// An instance that is about to be stored for the first time.
#[derive(Debug)]
pub struct Starting {
    id: FunctionId,
    headers: BTreeMap<String, String>,
}

impl Starting {
    /// Without headers; outside of a runtime, for unit tests of middleware.
    pub fn new(id: FunctionId) -> Self {
        Self { id, headers: BTreeMap::new() }
    }

    /// The identity of the work.
    pub fn id(&self) -> &FunctionId {
        &self.id
    }

    /// What was noted under this name so far, by this or by middleware further outside.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Notes something that every run of the instance can read with [`Invocation::header`](super::Invocation::header);
    /// what was noted under this name before is replaced.
    ///
    /// Headers are stored with the instance and count for [`Settings::max_payload`](crate::Settings::max_payload).
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.headers.insert(name.into(), value.into());
    }

    pub(super) fn into_headers(self) -> BTreeMap<String, String> {
        self.headers
    }
}

//! What wraps the runs of each function.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{DynMiddleware, Invocation, Retry, Starting};
use crate::id::FunctionId;
use crate::outcome::Failure;

/// A function type and its version.
pub(crate) type Kind = (&'static str, u32);

/// What wraps the runs of one function, the outermost first. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Stack(Arc<[Arc<dyn DynMiddleware>]>);

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stack").field(&self.0.len()).finish()
    }
}

impl Stack {
    pub(crate) fn layers(&self) -> &[Arc<dyn DynMiddleware>] {
        &self.0
    }

    /// What all of it notes when this instance is started, or the panic that one of it met.
    pub(crate) fn headers(&self, id: &FunctionId) -> Result<BTreeMap<String, String>, Failure> {
        let mut start = Starting::new(id.clone());
        for layer in self.layers() {
            catch_unwind(AssertUnwindSafe(|| layer.starting(&mut start))).map_err(Failure::panic)?;
        }
        Ok(start.into_headers())
    }

    /// Tells all of it that the instance fails for good.
    pub(crate) fn failed(&self, invocation: &Invocation, failure: &Failure) {
        for layer in self.layers() {
            if catch_unwind(AssertUnwindSafe(|| layer.failed(invocation, failure))).is_err() {
                let (type_id, instance_id) =
                    (invocation.context().type_id(), invocation.context().instance_id());
                tracing::error!(%type_id, %instance_id, "middleware panicked when it was told a failure");
            }
        }
    }
}

/// What wraps the runs of each function.
pub(crate) struct Middlewares {
    of: HashMap<Kind, Stack>,
    /// For a function that is only started here: what notes something then is not missing.
    common: Stack,
}

impl Middlewares {
    pub(crate) fn of(&self, kind: Kind) -> Stack {
        self.of.get(&kind).unwrap_or(&self.common).clone()
    }
}

/// What wraps the runs of all functions, as it is described.
#[derive(Default)]
pub(crate) struct Stacks {
    common: Vec<Arc<dyn DynMiddleware>>,
    own: Vec<(Kind, Arc<dyn DynMiddleware>)>,
}

impl Stacks {
    /// Adds middleware of all functions.
    pub(crate) fn add(&mut self, middleware: Arc<dyn DynMiddleware>) {
        self.common.push(middleware);
    }

    /// Adds middleware of one function.
    pub(crate) fn add_to(&mut self, kind: Kind, middleware: Arc<dyn DynMiddleware>) {
        self.own.push((kind, middleware));
    }

    /// The middleware of each of these functions, each with the retry of its attribute.
    pub(crate) fn build(&self, functions: impl Iterator<Item = (Kind, Option<Retry>)>) -> Middlewares {
        let stacks = functions.map(|(kind, retry)| {
            let own = self.own.iter().filter(|(whose, _)| *whose == kind).map(|(_, layer)| layer);
            let retry = retry.map(|retry| Arc::new(retry) as Arc<dyn DynMiddleware>);
            let layers = self.common.iter().chain(own).map(Arc::clone).chain(retry);
            (kind, Stack(layers.collect()))
        });
        Middlewares { of: stacks.collect(), common: Stack(self.common.iter().map(Arc::clone).collect()) }
    }

    /// What is wrong with it, when these are the functions.
    pub(crate) fn problems(&self, functions: &[(Kind, Option<Retry>)]) -> Vec<String> {
        let mut problems: Vec<_> = self.common.iter().flat_map(|layer| layer.problems()).collect();
        for ((type_id, version), layer) in &self.own {
            if !functions.iter().any(|(kind, _)| *kind == (*type_id, *version)) {
                problems.push(format!(
                    "there is middleware for `{type_id}` version {version}, which is not registered"
                ));
            }
            problems.extend(of_function(type_id, &**layer));
        }
        for ((type_id, _), retry) in functions {
            problems.extend(retry.iter().flat_map(|retry| of_function(type_id, retry)));
        }
        // A function that is registered and discovered, too, has its problems once.
        let mut known = Vec::new();
        for problem in problems {
            if !known.contains(&problem) {
                known.push(problem);
            }
        }
        known
    }
}

fn of_function(type_id: &str, layer: &dyn DynMiddleware) -> Vec<String> {
    layer.problems().iter().map(|problem| format!("function type `{type_id}`: {problem}")).collect()
}

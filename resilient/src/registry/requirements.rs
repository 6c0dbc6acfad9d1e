//! What a function needs before it can run.

use std::any::{TypeId, type_name};

/// The dependencies of one function, collected at start-up so that all missing ones are named at once.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Requirements {
    dependencies: Vec<Requirement>,
}

/// A type that has to be given to the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Requirement {
    pub(super) type_name: &'static str,
    pub(super) type_id: TypeId,
}

impl Requirements {
    /// A service of type `T` is needed.
    pub fn needs<T: ?Sized + 'static>(&mut self) {
        self.dependencies.push(Requirement { type_name: type_name::<T>(), type_id: TypeId::of::<T>() });
    }

    pub(super) fn into_dependencies(self) -> Vec<Requirement> {
        self.dependencies
    }
}

//! The functions of a program: what the macro submits, what the start-up check refuses, and where a run finds
//! the code for a stored type id and version.
//!
//! It relies on the pure floors only. It must never stop at the first problem: a person who starts a program
//! wants to see all of them.

pub(crate) mod arg;
pub(crate) mod dependency;
pub(crate) mod function;
pub(crate) mod requirements;

use std::collections::BTreeMap;

use thiserror::Error;

pub use self::arg::Arg;
pub use self::dependency::{Dep, Dependencies};
pub use self::function::{Registration, ResilientFn};
use self::requirements::{Requirement, Requirements};
use crate::recurring::Timetable;
pub use crate::recurring::{FromTick, Missed, Recurring, Schedule};

inventory::collect!(Registration);

/// Every function that is linked into this program, sorted.
///
/// A crate that is listed in `Cargo.toml` and never named in the code is not linked: `use that_crate as _;`.
pub fn discovered() -> Vec<Registration> {
    let mut found: Vec<_> = inventory::iter::<Registration>.into_iter().copied().collect();
    found.sort_by_key(|function| (function.type_id, function.version, function.fn_path));
    found
}

/// The functions that a runtime can run, by type id and version.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    functions: BTreeMap<&'static str, BTreeMap<u32, Registration>>,
    recurring: Vec<Recurrence>,
}

/// A function type whose newest version recurs.
#[derive(Debug, Clone)]
pub(crate) struct Recurrence {
    /// The newest version.
    pub(crate) registration: Registration,
    pub(crate) recurring: Recurring,
    pub(crate) timetable: Timetable,
}

impl Registry {
    /// Checks all functions and puts them together.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] of every function.
    pub fn build(
        registrations: Vec<Registration>,
        dependencies: &Dependencies,
    ) -> Result<Self, Vec<Problem>> {
        let mut registry = Self::default();
        let mut problems = Vec::new();
        for function in registrations {
            problems.extend(registry.add(function));
        }
        problems.extend(registry.missing(dependencies));
        problems.extend(registry.add_recurring());
        if problems.is_empty() { Ok(registry) } else { Err(problems) }
    }

    fn add(&mut self, function: Registration) -> Option<Problem> {
        let versions = self.functions.entry(function.type_id).or_default();
        match versions.get(&function.version) {
            Some(other) if other.is_same_as(&function) => None,
            Some(other) => Some(Problem::duplicate(other, &function)),
            None => {
                versions.insert(function.version, function);
                None
            }
        }
    }

    /// The missing dependencies, each with all functions that need it.
    fn missing(&self, dependencies: &Dependencies) -> impl Iterator<Item = Problem> {
        let mut missing: BTreeMap<Requirement, Vec<&'static str>> = BTreeMap::new();
        for function in self.iter() {
            let mut requirements = Requirements::default();
            (function.requires)(&mut requirements);
            for need in requirements.into_dependencies() {
                let needed_by = missing.entry(need).or_default();
                if !needed_by.contains(&function.fn_path) {
                    needed_by.push(function.fn_path);
                }
            }
        }
        missing.retain(|need, _| !dependencies.has_type(need.type_id));
        missing
            .into_iter()
            .map(|(need, needed_by)| Problem::MissingDependency { type_name: need.type_name, needed_by })
    }

    /// Reads the schedules of all functions. With several versions of a type the newest one recurs, or none: firings
    /// of one type share their ids.
    fn add_recurring(&mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for versions in self.functions.values() {
            let mut newest = None;
            for registration in versions.values() {
                newest = recurrence(registration).unwrap_or_else(|problem| {
                    problems.push(problem);
                    None
                });
            }
            self.recurring.extend(newest);
        }
        problems
    }

    /// The function types that recur.
    pub(crate) fn recurring(&self) -> &[Recurrence] {
        &self.recurring
    }

    /// The function with this type id and version.
    pub fn get(&self, type_id: &str, version: u32) -> Option<&Registration> {
        self.functions.get(type_id)?.get(&version)
    }

    /// The functions, sorted by type id and version.
    pub fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.functions.values().flat_map(BTreeMap::values)
    }
}

fn recurrence(registration: &Registration) -> Result<Option<Recurrence>, Problem> {
    let Some(recurring) = registration.recurring else { return Ok(None) };
    let timetable = Timetable::new(&recurring.schedule).map_err(|problem| Problem::Schedule {
        schedule: recurring.schedule.to_string(),
        fn_path: registration.fn_path,
        problem,
    })?;
    Ok(Some(Recurrence { registration: *registration, recurring, timetable }))
}

/// Why a program cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A service was not given to the builder.
    #[error("no dependency of type `{type_name}`, needed by {}; give one with `.dep(…)`", listed(.needed_by))]
    MissingDependency {
        /// The type of the service.
        type_name: &'static str,
        /// The paths of the functions that take it.
        needed_by: Vec<&'static str>,
    },
    /// Two functions have the same type id and version.
    #[error(
        "type id `{type_id}` version {version} is used twice: by {first} and by {second}; change one of them"
    )]
    Duplicate {
        /// The type id.
        type_id: &'static str,
        /// The version.
        version: u32,
        /// The one that was registered first, with its place.
        first: String,
        /// The other one, with its place.
        second: String,
    },
    /// A recurring function has a schedule that cannot be followed.
    #[error("the schedule of `{fn_path}`, `{schedule}`, {problem}")]
    Schedule {
        /// As it stands in the attribute.
        schedule: String,
        /// The path of the function.
        fn_path: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Problem {
    fn duplicate(first: &Registration, second: &Registration) -> Self {
        let place =
            |function: &Registration| format!("`{}` ({}:{})", function.fn_path, function.file, function.line);
        Self::Duplicate {
            type_id: first.type_id,
            version: first.version,
            first: place(first),
            second: place(second),
        }
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

//! A transaction of the user's, on its way to the store that knows its type.

use std::any::{Any, type_name};
use std::fmt;

/// A transaction of the user's, of whatever type, with the name of that type for people.
#[doc(hidden)]
pub struct UserTransaction<'t> {
    pub(crate) inner: &'t mut (dyn Any + Send),
    pub(crate) type_name: &'static str,
}

impl<'t> UserTransaction<'t> {
    /// What the caller has given.
    pub fn new<T: Any + Send>(transaction: &'t mut T) -> Self {
        Self { inner: transaction, type_name: type_name::<T>() }
    }
}

impl fmt::Debug for UserTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name)
    }
}

//! Services that functions take as arguments.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A service given to the runtime's builder, as an argument of a resilient function.
///
/// It is shared and not stored: an HTTP client, a connection pool, a `dyn Trait` of the user's. In unit tests it
/// is made from a fake.
///
/// ```
/// use resilient::Dep;
/// use std::sync::Arc;
///
/// trait Mailer: Send + Sync {}
/// struct FakeMailer;
/// impl Mailer for FakeMailer {}
///
/// let mailer: Dep<dyn Mailer> = (Arc::new(FakeMailer) as Arc<dyn Mailer>).into();
/// let concrete = Dep::new(FakeMailer);
/// ```
pub struct Dep<T: ?Sized>(Arc<T>);

impl<T> Dep<T> {
    /// Makes one, for unit tests.
    pub fn new(service: T) -> Self {
        Self(Arc::new(service))
    }
}

impl<T: ?Sized> Dep<T> {
    /// The shared pointer inside.
    pub fn into_arc(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> From<Arc<T>> for Dep<T> {
    fn from(service: Arc<T>) -> Self {
        Self(service)
    }
}

impl<T: ?Sized> Clone for Dep<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Dep<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> fmt::Debug for Dep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dep<{}>", type_name::<T>())
    }
}

/// All services of a runtime, found by their type.
#[derive(Default)]
pub struct Dependencies {
    services: HashMap<TypeId, Service>,
}

struct Service {
    type_name: &'static str,
    /// A `Dep<T>`: an `Arc<dyn Trait>` cannot be made into `dyn Any`, its holder can.
    dep: Box<dyn Any + Send + Sync>,
}

impl Dependencies {
    /// Gives a service; a second one of the same type replaces the first.
    pub fn insert<T: ?Sized + Send + Sync + 'static>(&mut self, service: Arc<T>) {
        let service = Service { type_name: type_name::<T>(), dep: Box::new(Dep(service)) };
        self.services.insert(TypeId::of::<T>(), service);
    }

    /// The service of this type.
    pub fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Dep<T>> {
        self.services.get(&TypeId::of::<T>())?.dep.downcast_ref::<Dep<T>>().cloned()
    }

    /// Whether there is a service of this type.
    pub fn has<T: ?Sized + 'static>(&self) -> bool {
        self.has_type(TypeId::of::<T>())
    }

    pub(super) fn has_type(&self, type_id: TypeId) -> bool {
        self.services.contains_key(&type_id)
    }
}

impl fmt::Debug for Dependencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.services.values().map(|service| service.type_name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    trait Greeter: Send + Sync {
        fn greet(&self) -> String;
    }

    impl Greeter for String {
        fn greet(&self) -> String {
            format!("hello {self}")
        }
    }

    #[test]
    fn a_service_is_found_by_the_type_it_was_given_as() {
        let mut dependencies = Dependencies::default();
        dependencies.insert::<dyn Greeter>(Arc::new("world".to_owned()));
        dependencies.insert(Arc::new(7_u32));
        assert_eq!(dependencies.get::<dyn Greeter>().unwrap().greet(), "hello world");
        assert_eq!(*dependencies.get::<u32>().unwrap(), 7);
        assert!(dependencies.has::<u32>());
        assert!(dependencies.get::<String>().is_none());
    }
}

//! The arguments of a resilient function, told apart by type.
//!
//! Position 1 is the parameter. Everything behind it implements [`Arg`], in any order and behind any alias.
//! [`Arg`] is implemented for the `'static` form of the type; how the value is lent for the length of a run is
//! [`Lend`], on its holder. Splitting the two keeps a wrong argument at one error.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use super::dependency::{Dep, Dependencies};
use super::requirements::Requirements;
use crate::codec::EncodeError;
use crate::context::Context;
use crate::outcome::Failure;
use crate::payload::Payload;
use crate::scrapbook::{Saver, Scrapbook};
use crate::version::{NoScrapbook, ScrapbookState, VersionRange};

/// What one run is given.
#[doc(hidden)]
#[derive(Debug)]
pub struct Env {
    /// The stored parameter.
    pub param: Payload,
    /// The stored scrapbook, when there is one already.
    pub scrapbook: Option<Payload>,
    /// Where saves go; without one they stay in memory.
    pub saver: Option<Arc<dyn Saver>>,
    /// What the run may know about itself.
    pub context: Context,
    /// The services.
    pub dependencies: Arc<Dependencies>,
}

/// An argument behind the parameter: `&mut Scrapbook<S>` at most once, `&Context`, [`Dep<T>`], `Option<Dep<T>>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a resilient function",
    label = "not a scrapbook, a context or a dependency",
    note = "after the parameter come, in any order: `&mut Scrapbook<S>` (at most one), `&Context`, `Dep<T>` (a service given to the runtime's builder)",
    note = "to hand over more data at invocation, put it into the parameter's type"
)]
pub trait Arg: Sized {
    /// What holds the value during the run.
    type Holder: Send;
    /// Whether it brings a scrapbook.
    type Kind: Kind;
    /// [`Accepted`], or what is said about a near miss.
    #[doc(hidden)]
    type Verdict;

    /// Says at start-up what it needs.
    fn requires(requirements: &mut Requirements) {
        let _ = requirements;
    }

    /// Makes the holder before the body runs.
    ///
    /// # Errors
    ///
    /// The failure the instance ends with; the body is not run.
    fn hold(env: &mut Env) -> Result<Self::Holder, Failure>;

    /// After the run: the scrapbook to be stored, when it brought one.
    ///
    /// # Errors
    ///
    /// The state could not be read back.
    fn settle(holder: Self::Holder) -> Result<Option<Payload>, EncodeError> {
        drop(holder);
        Ok(None)
    }
}

/// How a held argument is handed to the function.
#[doc(hidden)]
pub trait Lend<'a> {
    /// What the function gets.
    type Lent;

    /// Lends it.
    fn lend(&'a mut self) -> Self::Lent;
}

/// Whether an argument brings a scrapbook, as a type.
#[doc(hidden)]
pub trait Kind {
    /// The state of the scrapbook.
    type State: ScrapbookState;
    /// The versions of it that can be read.
    const VERSIONS: Option<VersionRange>;
}

/// Brings no scrapbook.
#[doc(hidden)]
#[derive(Debug)]
pub struct Without;

/// Brings a scrapbook with this state.
#[doc(hidden)]
#[derive(Debug)]
pub struct With<S>(PhantomData<S>);

impl Kind for Without {
    type State = NoScrapbook;
    const VERSIONS: Option<VersionRange> = None;
}

impl<S: ScrapbookState> Kind for With<S> {
    type State = S;
    const VERSIONS: Option<VersionRange> = Some(VersionRange { oldest: S::OLDEST, newest: S::VERSION });
}

/// Adds up the kinds of all arguments; two scrapbooks have no sum.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a resilient function takes at most one scrapbook",
    label = "a second scrapbook",
    note = "put both states into one struct: an instance has one stored scrapbook"
)]
pub trait Join<K> {
    /// The sum.
    type Sum: Kind;
}

impl Join<Self> for Without {
    type Sum = Self;
}

impl<S: ScrapbookState> Join<With<S>> for Without {
    type Sum = With<S>;
}

impl<S: ScrapbookState> Join<Without> for With<S> {
    type Sum = Self;
}

impl<S: ScrapbookState> Arg for &'static mut Scrapbook<S> {
    type Holder = Scrapbook<S>;
    type Kind = With<S>;
    type Verdict = Accepted;

    fn hold(env: &mut Env) -> Result<Scrapbook<S>, Failure> {
        let state = match &env.scrapbook {
            None => S::default(),
            Some(stored) => {
                S::decode(stored).map_err(|error| Failure::of("resilient::DecodeError", &error))?
            }
        };
        Ok(Scrapbook::attached(state, env.saver.take()))
    }

    fn settle(holder: Scrapbook<S>) -> Result<Option<Payload>, EncodeError> {
        holder.encode().map(Some)
    }
}

impl<'a, S: 'a> Lend<'a> for Scrapbook<S> {
    type Lent = &'a mut Self;

    fn lend(&'a mut self) -> &'a mut Self {
        self
    }
}

impl Arg for &'static Context {
    type Holder = Context;
    type Kind = Without;
    type Verdict = Accepted;

    fn hold(env: &mut Env) -> Result<Context, Failure> {
        Ok(env.context.clone())
    }
}

impl<'a> Lend<'a> for Context {
    type Lent = &'a Self;

    fn lend(&'a mut self) -> &'a Self {
        self
    }
}

impl<T: ?Sized + Send + Sync + 'static> Arg for Dep<T> {
    type Holder = Self;
    type Kind = Without;
    type Verdict = Accepted;

    fn requires(requirements: &mut Requirements) {
        requirements.needs::<T>();
    }

    /// The start-up check has seen to it that the service is there; a run without that check fails by name.
    fn hold(env: &mut Env) -> Result<Self, Failure> {
        let missing = || {
            let name = std::any::type_name::<T>();
            Failure::new("resilient::Dep", format!("no dependency of type `{name}` was given to the runtime"))
        };
        env.dependencies.get::<T>().ok_or_else(missing)
    }
}

impl<T: ?Sized> Lend<'_> for Dep<T> {
    type Lent = Self;

    fn lend(&mut self) -> Self {
        self.clone()
    }
}

impl<T: ?Sized + Send + Sync + 'static> Arg for Option<Dep<T>> {
    type Holder = Self;
    type Kind = Without;
    type Verdict = Accepted;

    fn hold(env: &mut Env) -> Result<Self, Failure> {
        Ok(env.dependencies.get::<T>())
    }
}

impl<T: ?Sized> Lend<'_> for Option<Dep<T>> {
    type Lent = Self;

    fn lend(&mut self) -> Self {
        self.clone()
    }
}

/// The argument is as it should be.
#[doc(hidden)]
#[derive(Debug)]
pub struct Accepted;

/// The argument is a scrapbook that is not taken by `&mut`.
#[doc(hidden)]
#[derive(Debug)]
pub struct NotByMut<S>(PhantomData<S>);

/// The argument is the context, not taken by `&`.
#[doc(hidden)]
#[derive(Debug)]
pub struct NotByRef;

/// The argument is the state of a scrapbook, without the scrapbook around it.
#[doc(hidden)]
#[derive(Debug)]
pub struct WithoutScrapbook<S>(PhantomData<S>);

/// What can be accepted. The conditions of the near misses never hold: each is an error with a text of its own.
#[doc(hidden)]
pub trait Verdict {}

impl Verdict for Accepted {}

impl<S> Verdict for NotByMut<S> where Scrapbook<S>: ScrapbookByMut {}

impl<S> Verdict for WithoutScrapbook<S> where S: StateInScrapbook {}

impl Verdict for NotByRef where for<'a> Context: ContextByRef<'a> {}

/// The one place that asks for the verdict, so that a near miss is one error.
pub fn accept<V: Verdict>() {}

/// The one place that asks whether an argument of a function that has dropped its scrapbook brings none.
pub fn accept_dropped<K: BringsNone>() {}

/// Brings no scrapbook.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the function takes a scrapbook, so it has dropped none",
    label = "the scrapbook",
    note = "remove `dropped_scrapbook`, or the scrapbook"
)]
pub trait BringsNone {}

impl BringsNone for Without {}

/// Never holds.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a scrapbook is taken by `&mut`",
    label = "write `&mut {Self}`",
    note = "the runtime keeps the scrapbook, to store it when the function has returned or failed"
)]
pub trait ScrapbookByMut {}

/// Never holds.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is the state of a scrapbook, which a function takes inside of it",
    label = "write `&mut Scrapbook<{Self}>`",
    note = "the scrapbook gives access to the fields, and stores them"
)]
pub trait StateInScrapbook {}

/// Never holds.
#[doc(hidden)]
#[diagnostic::on_unimplemented(message = "the context is taken by `&`", label = "write `&{Self}`")]
pub trait ContextByRef<'a> {}

/// Holds a near miss: there is never one. It can be lent as the type the function asked for.
#[doc(hidden)]
#[derive(Debug)]
pub struct Refused<T>(Infallible, PhantomData<fn() -> T>);

impl<T> Lend<'_> for Refused<T> {
    type Lent = T;

    fn lend(&mut self) -> T {
        match self.0 {}
    }
}

impl<T> Refused<T> {
    /// There is none.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn hold() -> Result<Self, Failure> {
        Err(Failure::new("resilient::Arg", "this argument cannot be held"))
    }
}

/// Says something better of a type than that it is no argument. `derive(Scrapbook)` says it of its type, which could not
/// be told from others here.
#[doc(hidden)]
#[macro_export]
macro_rules! __near_miss {
    ($ty:ty, [$($generics:tt)*], $verdict:ty) => {
        #[diagnostic::do_not_recommend]
        #[automatically_derived]
        impl<$($generics)*> $crate::__private::Arg for $ty {
            type Holder = $crate::__private::Refused<Self>;
            type Kind = $crate::__private::Without;
            type Verdict = $verdict;

            fn hold(
                _: &mut $crate::__private::Env,
            ) -> ::core::result::Result<Self::Holder, $crate::__private::Failure> {
                $crate::__private::Refused::hold()
            }
        }
    };
}
pub use crate::__near_miss as near_miss;
near_miss!(Scrapbook<S>, [S: ScrapbookState], NotByMut<S>);
near_miss!(&'static Scrapbook<S>, [S: ScrapbookState], NotByMut<S>);
near_miss!(Context, [], NotByRef);
near_miss!(&'static mut Context, [], NotByRef);

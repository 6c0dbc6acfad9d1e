//! Messages: typed input for an instance while it lives.

mod outgoing;

pub use self::outgoing::Outgoing;
use crate::payload::Payload;
use crate::version::{DecodeError, Versioned};

/// A message; implemented by `#[derive(Message)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "needs `#[derive(Message)]`",
    note = "declare it with `#[derive(Serialize, Deserialize, Message)]`; of several kinds make an enum with `#[derive(Messages)]`"
)]
pub trait Message: Versioned {
    /// The name it is stored under; it stays the same when the type is renamed.
    const NAME: &'static str;
}

/// What can be waited for: a [`Message`], an enum of them with `#[derive(Messages)]`, or [`Either`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be waited for",
    label = "neither a message nor an enum of messages",
    note = "a message is declared with `#[derive(Serialize, Deserialize, Message)]`, an enum of messages with `#[derive(Messages)]`",
    note = "a wait says for which message: `next::<Paid>()`; the compiler takes `!` or `()` when nothing does"
)]
pub trait Messages: Sized + Send + 'static {
    /// The names of the messages it reads.
    const NAMES: &'static [&'static str];

    /// Reads a stored message whose name is one of these.
    ///
    /// # Errors
    ///
    /// See [`DecodeError`].
    fn decode(name: &str, payload: &Payload) -> Result<Self, DecodeError>;
}

#[diagnostic::do_not_recommend]
impl<M: Message> Messages for M {
    const NAMES: &'static [&'static str] = &[M::NAME];

    fn decode(_: &str, payload: &Payload) -> Result<Self, DecodeError> {
        <M as Versioned>::decode(payload)
    }
}

/// The first of two kinds of messages, for a wait that is not worth an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// It was one of these.
    First(A),
    /// It was one of those.
    Second(B),
}

impl<A: Message, B: Message> Messages for Either<A, B> {
    const NAMES: &'static [&'static str] = &[A::NAME, B::NAME];

    fn decode(name: &str, payload: &Payload) -> Result<Self, DecodeError> {
        if name == A::NAME {
            <A as Versioned>::decode(payload).map(Self::First)
        } else {
            <B as Versioned>::decode(payload).map(Self::Second)
        }
    }
}

//! What is bound: the words of `resilient` as the columns of rows.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use resilient::store::{After, Cancel, Create, Delete, Edit, Ending, Finish, Save, Start, Transition};
use resilient::{
    Due, Filter, FunctionId, NewMessage, Payload, Replica, ReplicaId, ReplicaType, Status, Timestamp,
};
use sqlx::query::Query;
use sqlx::{Database, Encode, Type};

/// A value to bind.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Number(Option<i64>),
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: impl Into<Option<&'a str>>) -> Self {
        Self::Text(text.into().map(Cow::Borrowed))
    }

    fn replica(id: impl Into<Option<ReplicaId>>) -> Self {
        Self::Text(id.into().map(|id| Cow::Owned(id.to_string())))
    }

    pub(crate) fn number(number: impl Into<Option<i64>>) -> Self {
        Self::Number(number.into())
    }

    pub(crate) fn count(number: usize) -> Self {
        Self::number(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// For a column of text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { text.as_deref() } else { None }
    }

    /// For a column of numbers.
    pub(crate) fn as_number(&self) -> Option<i64> {
        if let Self::Number(number) = self { *number } else { None }
    }
}

/// Something whose columns can be bound, in the order of its [`Shape`](crate::statements::Shape).
pub(crate) trait Record {
    fn values(&self) -> Vec<Value<'_>>;
}

impl Record for FunctionId {
    fn values(&self) -> Vec<Value<'_>> {
        vec![Value::text(self.type_id.as_str()), Value::text(self.instance_id.as_str())]
    }
}

impl Record for Create {
    fn values(&self) -> Vec<Value<'_>> {
        let (status, owner, attempts, due) = match self.start {
            Start::Running(owner) => (Status::Executing, Some(owner), 1, None),
            Start::Waiting(due) => (Status::Postponed, None, 0, Some(due)),
        };
        let mut values = self.id.values();
        values.extend([status_value(status), Value::replica(owner), Value::number(attempts)]);
        values.extend(due_values(due));
        values.push(Value::number(i64::from(self.version)));
        values.extend(payload_values(Some(&self.param)));
        values.extend(payload_values(self.scrapbook.as_ref()));
        values.extend([Value::text(self.journal.as_deref()), Value::count(first_messages(self).count())]);
        let parent = self.parent.as_ref();
        values.push(Value::text(parent.map(|parent| parent.type_id.as_str())));
        values.push(Value::text(parent.map(|parent| parent.instance_id.as_str())));
        values
    }
}

impl Record for Save {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.id.values();
        values.extend([Value::replica(self.owner), Value::number(self.epoch.as_i64())]);
        values.extend(payload_values(self.scrapbook.as_ref()));
        values.extend([Value::text(self.journal.as_deref()), Value::number(self.number)]);
        values
    }
}

impl Record for Finish {
    fn values(&self) -> Vec<Value<'_>> {
        let mut next = Next::default();
        let mut message_count = None;
        let mut hand_over = 0;
        match &self.ending {
            Ending::Succeeded(result) => next = Next::succeeded(result),
            Ending::Failed(failure) => next = Next::failed(failure),
            Ending::Postponed(due) => next = Next::postponed(*due),
            Ending::Suspended { message_count: known, due } => {
                next = Next { status: Some(Status::Suspended), due: *due, ..next };
                message_count = Some(*known);
            }
            Ending::PutOff(due) => (next, hand_over) = (Next::postponed(*due), 3),
            Ending::Released => (next, hand_over) = (Next::postponed(Due::Now), 1),
            Ending::Lost => (next, hand_over) = (Next::postponed(Due::Now), 2),
        }
        let mut values = self.id.values();
        values.extend([Value::replica(self.owner), Value::number(self.epoch.as_i64())]);
        values.extend(payload_values(self.scrapbook.as_ref()));
        values.extend([Value::text(self.journal.as_deref()), Value::text(self.reason.as_deref())]);
        values.push(Value::number(next.status.map(|status| i64::from(status.code()))));
        values.extend(next.due_and_outcome());
        values.extend([Value::number(message_count), Value::number(hand_over)]);
        values
    }
}

impl Record for Cancel {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.id.values();
        values.push(Value::text(self.failure.as_str()));
        values
    }
}

impl Record for Edit {
    fn values(&self) -> Vec<Value<'_>> {
        let mut owner = None;
        let next = match &self.transition {
            Transition::Keep => Next::default(),
            Transition::Run(replica) => {
                owner = Some(*replica);
                Next { status: Some(Status::Executing), ..Next::default() }
            }
            Transition::Wait(due) => Next::postponed(*due),
            Transition::Succeed(result) => Next::succeeded(result),
            Transition::Fail(failure) => Next::failed(failure),
        };
        let mut values = self.id.values();
        values.extend([Value::number(self.epoch.as_i64()), Value::number(self.created_at.as_micros())]);
        values.extend(payload_values(self.param.as_ref()));
        values.extend(payload_values(self.scrapbook.as_ref()));
        values.push(Value::text(self.journal.as_deref()));
        values.push(Value::number(next.status.map(|status| i64::from(status.code()))));
        values.push(Value::replica(owner));
        values.extend(next.due_and_outcome());
        values.extend(match &self.messages {
            Some(known) => [Value::number(known.message_count), Value::count(other_messages(self).count())],
            None => [Value::number(None), Value::number(None)],
        });
        values
    }
}

impl Record for Delete {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.id.values();
        values.extend([Value::number(self.epoch.as_i64()), Value::number(self.created_at.as_micros())]);
        values
    }
}

/// A message with its place among those of its instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) id: &'a FunctionId,
    pub(crate) position: i64,
    pub(crate) message: &'a NewMessage,
}

impl<'a> Placed<'a> {
    /// Its values, which live as long as the message.
    pub(crate) fn into_values(self) -> Vec<Value<'a>> {
        let mut values = self.id.values();
        values.extend([Value::number(self.position), Value::text(self.message.name.as_str())]);
        values.extend(payload_values(Some(&self.message.payload)));
        values.push(Value::text(self.message.key.as_str()));
        values
    }
}

impl Record for Placed<'_> {
    fn values(&self) -> Vec<Value<'_>> {
        self.into_values()
    }
}

/// The messages of a new instance, at their places.
pub(crate) fn first_messages(create: &Create) -> impl Iterator<Item = Placed<'_>> {
    placed(&create.id, &create.messages)
}

/// The messages that an edit replaces all others by, at their places.
pub(crate) fn other_messages(edit: &Edit) -> impl Iterator<Item = Placed<'_>> {
    edit.messages.iter().flat_map(|replace| placed(&edit.id, &replace.messages))
}

/// Messages at the places from 1 on; of several with one key the first counts.
pub(crate) fn placed<'a>(id: &'a FunctionId, messages: &'a [NewMessage]) -> impl Iterator<Item = Placed<'a>> {
    let mut known = HashSet::new();
    let first = messages.iter().filter(move |message| known.insert(message.key.as_str()));
    (1..).zip(first).map(|(position, message)| Placed { id, position, message })
}

/// What is asked of the messages of one instance.
pub(crate) struct Known<'a> {
    pub(crate) after: &'a After,
    pub(crate) limit: u32,
}

impl Record for Known<'_> {
    fn values(&self) -> Vec<Value<'_>> {
        let mut values = self.after.id.values();
        values.extend([Value::number(self.after.position), Value::number(i64::from(self.limit))]);
        values
    }
}

impl Record for Replica {
    fn values(&self) -> Vec<Value<'_>> {
        vec![
            Value::replica(self.id),
            Value::number(micros(self.lease)),
            Value::text(self.host.as_str()),
            Value::number(i64::from(self.pid)),
            Value::text(self.app_version.as_str()),
        ]
    }
}

/// The version that a step of the schema led to.
impl Record for i64 {
    fn values(&self) -> Vec<Value<'_>> {
        vec![Value::number(*self)]
    }
}

impl Record for ReplicaId {
    fn values(&self) -> Vec<Value<'_>> {
        vec![Value::replica(*self)]
    }
}

/// What one replica can run, as one record per type.
pub(crate) struct TypeOf<'a> {
    replica: ReplicaId,
    position: i64,
    of: &'a ReplicaType,
}

/// The types of a replica, numbered so that they are read back in their order.
pub(crate) fn types_of(replica: &Replica) -> Vec<TypeOf<'_>> {
    (0..).zip(&replica.types).map(|(position, of)| TypeOf { replica: replica.id, position, of }).collect()
}

impl Record for TypeOf<'_> {
    fn values(&self) -> Vec<Value<'_>> {
        vec![
            Value::replica(self.replica),
            Value::number(self.position),
            Value::text(self.of.type_id.as_str()),
            Value::number(i64::from(self.of.version)),
            Value::number(micros(self.of.lease)),
            Value::number(self.of.reads.map(|reads| i64::from(reads.param))),
            Value::number(self.of.reads.map(|reads| i64::from(reads.scrapbook))),
        ]
    }
}

impl<R: Record> Record for &R {
    fn values(&self) -> Vec<Value<'_>> {
        (**self).values()
    }
}

/// What an instance becomes.
#[derive(Default)]
struct Next<'a> {
    status: Option<Status>,
    due: Option<Due>,
    result: Option<&'a Payload>,
    failure: Option<&'a str>,
}

impl<'a> Next<'a> {
    fn succeeded(result: &'a Payload) -> Self {
        Self { status: Some(Status::Succeeded), result: Some(result), ..Self::default() }
    }

    fn failed(failure: &'a str) -> Self {
        Self { status: Some(Status::Failed), failure: Some(failure), ..Self::default() }
    }

    fn postponed(due: Due) -> Self {
        Self { status: Some(Status::Postponed), due: Some(due), ..Self::default() }
    }

    fn due_and_outcome(&self) -> Vec<Value<'a>> {
        let mut values = Vec::from(due_values(self.due));
        values.extend(payload_values(self.result));
        values.push(Value::text(self.failure));
        values
    }
}

fn status_value<'a>(status: Status) -> Value<'a> {
    Value::number(i64::from(status.code()))
}

/// A point in time, or else a distance from the time of the statement; neither for what is not due.
fn due_values<'a>(due: Option<Due>) -> [Value<'a>; 2] {
    let (at, after) = match due {
        None => (None, None),
        Some(Due::Now) => (None, Some(0)),
        Some(Due::After(duration)) => (None, Some(micros(duration))),
        Some(Due::At(time)) => (Some(time.as_micros()), Some(0)),
    };
    [Value::number(at), Value::number(after)]
}

fn payload_values(payload: Option<&Payload>) -> [Value<'_>; 2] {
    let version = payload.map(|payload| i64::from(payload.version));
    [Value::text(payload.map(|payload| payload.body.as_str())), Value::number(version)]
}

/// Whole microseconds, so few that adding them to a time cannot overflow.
pub(crate) fn micros(duration: Duration) -> i64 {
    let most = Timestamp::MAX.as_micros();
    i64::try_from(duration.as_micros()).map_or(most, |micros| micros.min(most))
}

/// Binds what a filter gives, in the order of [`list`](crate::statements::list).
///
/// The type of the last id is bound so many times, for not every database compares pairs by an index.
pub(crate) fn bind_filter<'q, DB>(
    mut query: Query<'q, DB, DB::Arguments>,
    filter: &Filter,
    last_types: usize,
) -> Query<'q, DB, DB::Arguments>
where
    DB: Database,
    for<'v> &'v str: Encode<'v, DB> + Type<DB>,
    for<'v> String: Encode<'v, DB> + Type<DB>,
    for<'v> i64: Encode<'v, DB> + Type<DB>,
{
    if let Some(type_id) = &filter.type_id {
        query = query.bind(type_id.as_str());
    }
    if let Some(status) = filter.status {
        query = query.bind(i64::from(status.code()));
    }
    if let Some(owner) = filter.owner {
        query = query.bind(owner.to_string());
    }
    if let Some(after) = &filter.after {
        for _ in 0..last_types {
            query = query.bind(after.type_id.as_str());
        }
        query = query.bind(after.instance_id.as_str());
    }
    query.bind(i64::from(filter.limit))
}

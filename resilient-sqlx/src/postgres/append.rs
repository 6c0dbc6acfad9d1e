//! Messages for instances that are there.

use resilient::store::{Append, Written};
use sqlx::{PgConnection, Row};

use super::batch::run;
use super::statements::Statement;
use crate::error::Trouble;
use crate::record::placed;
use crate::row::Reader;
use crate::statements::{ADD, Shape};
use crate::store::Answers;

/// Messages behind those that their instances have; `position` is the place among the messages of the append.
///
/// The instances are locked in the order of their keys. What is locked is as it was last written, but which keys are
/// stored already was seen when the statement began: a key that came while it waited for a lock makes it fail as a
/// whole, and it is tried again behind locks. Answers the instances that are there, and which of them take no more.
pub(super) const APPEND: Shape = Shape {
    columns: ADD.columns,
    template: "{rows}, \
         sent as materialized (select i.*, exists (select 1 from {messages} as m where m.type_id = i.in_type \
             and m.instance_id = i.in_id and m.message_key = i.message_key) as is_known from i), \
         placed as (select i.*, count(*) filter (where not i.is_known) \
             over (partition by i.in_type, i.in_id order by i.position) as place from sent as i), \
         wanted as (select in_type, in_id, max(place) as added from placed group by in_type, in_id), \
         locked as materialized (select i.*, f.status from wanted as i cross join {functions} as f where {same} \
             order by f.type_id, f.instance_id for update of f), \
         grown as (update {functions} as f set message_count = f.message_count + i.added, updated_at = {now}, \
                 due_at = case when f.status = 2 then {now} else f.due_at end \
             from locked as i{clock} where {same} and i.status <> 3 and i.added > 0 \
             returning f.type_id, f.instance_id, f.message_count - i.added as before), \
         added as (insert into {messages} (type_id, instance_id, position, name, payload, payload_version, \
                 message_key, sent_at) \
             select f.type_id, f.instance_id, f.before + i.place, i.name, i.payload, i.payload_version, \
                 i.message_key, {now} \
             from grown as f cross join placed as i{clock} where {same} and not i.is_known) \
         select in_type, in_id, status = 3 and added > 0 from locked",
};

pub(super) async fn append(
    on: &mut PgConnection,
    statement: &Statement,
    appends: &[&Append],
) -> Result<Answers, Trouble> {
    let mut answers: Answers = appends.iter().map(|append| (append.id.clone(), Written::NotFound)).collect();
    let messages: Vec<_> = appends.iter().flat_map(|append| placed(&append.id, &append.messages)).collect();
    for row in &run(on, statement, &messages).await? {
        let written = if row.try_get(2)? { Written::Completed } else { Written::Done };
        answers.insert(Reader(row).id()?, written);
    }
    Ok(answers)
}

//! Data of an instance that this replica cannot decode: it is found before anything of the function runs.

use std::time::Duration;

use super::Claimed;
use super::outcome::Outcome;
use crate::clock::Due;
use crate::codec::{Codecs, Field, Place, Refused, Unread};
use crate::outcome::Failure;

/// How long an instance is left to replicas that have its codec.
const FOR_ANOTHER_REPLICA: Duration = Duration::from_secs(10);

/// Why this replica does not run an instance.
pub(super) enum Undecoded {
    /// It lacks the codec, and another replica may have it.
    Lacks { codec: String },
    /// Its codec refuses the data, as that of any replica will.
    Fails(Failure),
}

/// Why this replica does not run what it has claimed, if that is so.
pub(super) fn check(codecs: &Codecs, claimed: &Claimed) -> Option<Undecoded> {
    let id = claimed.ticket.id();
    let Claimed { param, scrapbook, journal, registration, .. } = claimed;
    // A scrapbook that the function does without is not looked at.
    let scrapbook = scrapbook.as_ref().filter(|_| registration.scrapbook.is_some());
    let values = [
        Some((Field::Param, param.version, param.body.as_str())),
        scrapbook.map(|scrapbook| (Field::Scrapbook, scrapbook.version, scrapbook.body.as_str())),
        journal.as_deref().map(|journal| (Field::Journal, 0, journal)),
    ];
    let mut refused = None;
    for (field, version, stored) in values.into_iter().flatten() {
        match codecs.decode(&Place::new(id, field, version), stored) {
            // It is left to a replica that has all codecs, also when one that is here refuses another value.
            Err(Unread::Unknown { codec }) => return Some(Undecoded::Lacks { codec }),
            Err(Unread::Refused(problem)) => {
                refused.get_or_insert_with(|| failure(field, &problem));
            }
            Ok(_) => {}
        }
    }
    refused.map(Undecoded::Fails)
}

fn failure(field: Field<'_>, Refused { codec, problem }: &Refused) -> Failure {
    let message = format!(
        "codec `{codec}` refuses the stored {}: {problem}; give the builder the codec and the key that wrote it, and \
         invoke it again",
        field.name()
    );
    Failure::new(format!("unreadable {}", field.name()), message)
}

/// What such a run comes to.
pub(super) fn put_off(codec: &str) -> Outcome {
    let reason = format!("stored with codec `{codec}`, which this replica does not have");
    Outcome::put_off(Due::After(FOR_ANOTHER_REPLICA), reason)
}

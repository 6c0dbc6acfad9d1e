//! What is accepted comes back as it was: ids, payloads, failures and numbers.

use super::given::{self, HOUR, TYPE, delete, edit, finish, id, kind, save};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::{FunctionId, ReplicaId};
use crate::payload::Payload;
use crate::record::StoredFunction;
use crate::store::{Claimable, Create, Edit, Ending, Filter, Finish, Start, Transition, Written};

/// All these names are different ids: stored side by side, read, listed and removed one by one.
async fn are_distinct(store: &Subject, names: &[&str]) {
    let mut rows = Vec::new();
    for name in names {
        let create = given::create(name, Start::Waiting(Due::After(HOUR)));
        let create = Create { param: Payload::new(1, format!("{name:?}")), ..create };
        assert_eq!(store.create(create).await, Written::Done, "{name:?} is another id");
    }
    for name in names {
        let row = store.row(&id(name)).await;
        assert_eq!((row.id.instance_id.as_str(), row.param.body.as_str()), (*name, &*format!("{name:?}")));
        rows.push(row);
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    while let Some(row) = rows.pop() {
        assert_eq!(store.delete(delete(&row)).await, Written::Done);
        assert_eq!(store.list(&Filter::default()).await.expect("the store is there"), rows);
    }
}

/// "Ids compare by their bytes, on every store."
pub async fn ids_that_differ_by_case_are_different(store: &Subject) {
    are_distinct(store, &["Order-1", "order-1", "ORDER-1", "straße", "STRASSE", "ı", "i", "İ"]).await;
}

/// "`Order-1` and `Order-1 ` are instances."
pub async fn ids_that_differ_by_spaces_are_different(store: &Subject) {
    are_distinct(store, &["a", "a ", "a  ", " a", "a\u{a0}", "a\u{3000}", " ", "  "]).await;
}

/// Composed and decomposed accents are different bytes; nothing is normalized.
pub async fn ids_that_differ_by_accents_are_different(store: &Subject) {
    are_distinct(store, &["cafe", "café", "cafe\u{301}", "cafè", "Å", "\u{212b}", "A\u{30a}"]).await;
}

/// Four bytes of UTF-8 are no replacement character.
pub async fn ids_that_differ_by_emoji_are_different(store: &Subject) {
    are_distinct(store, &["🍣", "🍺", "👩", "👩\u{200d}🚀", "👍", "👍🏽", "?", "\u{fffd}", "??"]).await;
}

/// What cannot be seen is part of an id.
pub async fn ids_that_differ_by_what_cannot_be_seen_are_different(store: &Subject) {
    are_distinct(store, &["ab", "a\u{200b}b", "a\u{200d}b", "a\u{feff}b", "a\u{ad}b", "\u{202e}ab"]).await;
}

/// Control characters, but for NUL, are part of an id.
pub async fn ids_with_control_characters_are_kept(store: &Subject) {
    are_distinct(store, &["a\nb", "a\r\nb", "a\rb", "a\tb", "a\u{1}b", "a\u{7f}b", "\n", "\t"]).await;
}

/// Values are bound, never pasted into SQL.
pub async fn ids_that_look_like_sql_are_kept(store: &Subject) {
    let names =
        ["'; drop table resilient_functions; --", "' or '1'='1", "a;--", "\"a\"", "`a`", "'", "''", "\\'"];
    are_distinct(store, &names).await;
}

/// What is special to a pattern or a literal is not special to an id.
pub async fn ids_with_special_characters_are_kept(store: &Subject) {
    are_distinct(store, &["%", "_", "\\", "\\\\", "\\0", "\\n", "$1", "?1", ":a", "{}", "a/b", "../a"]).await;
}

/// What looks like another kind of value is text.
pub async fn ids_that_look_like_other_values_are_kept(store: &Subject) {
    are_distinct(store, &["1", "01", "1.0", "1e0", "null", "NULL", "true", "0x31", "{1,2}", "[1]"]).await;
}

/// "The most bytes of UTF-8 that a type id or an instance id may have", and the last one counts.
pub async fn ids_of_200_bytes_are_kept_to_the_last(store: &Subject) {
    let long = "x".repeat(199);
    let emoji = "🍣".repeat(49);
    are_distinct(
        store,
        &[&format!("{long}a"), &format!("{long}b"), &long, &format!("{emoji}🍣"), &format!("{emoji}🍺")],
    )
    .await;
}

/// A type id may be as long and as strange as an instance id.
pub async fn type_ids_are_kept_as_they_are(store: &Subject) {
    let live = store.live().await;
    let types =
        ["x".repeat(200), "🍣".repeat(50), "a'b\"; --".into(), "Type ".into(), "type\n".into(), "%".into()];
    for type_id in &types {
        let id = FunctionId::new(type_id, "y".repeat(200));
        let create = Create { id: id.clone(), ..given::create("", Start::Waiting(Due::Now)) };
        assert_eq!(store.create(create).await, Written::Done);
        assert_eq!(store.row(&id).await.id, id);
    }
    for type_id in &types {
        let run = store.claim_of(live, &[kind(type_id)], 9).await;
        assert_eq!(run.iter().map(|run| run.id.type_id.as_str()).collect::<Vec<_>>(), [type_id]);
    }
}

/// A row with these texts; a mebibyte is better not printed.
fn holds(row: &StoredFunction, param: &Payload, scrapbook: &Payload, step: &str) {
    let kept = row.param == *param && row.scrapbook.as_ref() == Some(scrapbook);
    assert!(kept, "{} came back in other words {step}", row.id);
}

/// A text comes back to the byte from every column that holds one, and from every call that answers it.
async fn round_trips(store: &Subject, name: &str, body: &str) {
    let payload = |version| Payload::new(version, body);
    let live = store.live().await;
    let start = Start::Waiting(Due::Now);
    let create = Create { param: payload(1), scrapbook: Some(payload(1)), ..given::create(name, start) };
    store.create(create).await;
    let run = store.claim_all(live).await.pop().expect("it is due");
    holds(&run, &payload(1), &payload(1), "from a claim");
    store.save(save(&run, payload(2))).await;
    holds(&store.row(&run.id).await, &payload(1), &payload(2), "after a save");
    let end = finish(&run, Ending::Succeeded(payload(4)));
    store.finish(Finish { scrapbook: Some(payload(3)), ..end }).await;
    let success = store.row(&run.id).await;
    holds(&success, &payload(1), &payload(3), "after the end");
    let to = Edit { param: Some(payload(5)), ..edit(&success, Transition::Fail(body.into())) };
    store.edit(to).await;
    let failure = store.row(&run.id).await;
    holds(&failure, &payload(5), &payload(3), "after an edit");
    let ends = (success.result == Some(payload(4)), failure.failure.as_deref() == Some(body));
    assert_eq!(ends, (true, true), "result and failure come back as they were: {name}");
    let listed = store.list(&Filter::default()).await.expect("the store is there");
    assert!(listed == [failure.clone()], "a list shows other words than a read: {name}");
    assert_eq!(store.delete(delete(&failure)).await, Written::Done);
}

/// "JSON text" is kept as text: an escape that a JSON column refuses.
pub async fn an_escaped_nul_is_kept(store: &Subject) {
    round_trips(store, "nul", r#"{"a":"\u0000","b":"x\u0000y"}"#).await;
}

/// "JSON text" is kept as text: half a pair of surrogates.
pub async fn an_escaped_half_of_a_pair_is_kept(store: &Subject) {
    round_trips(store, "surrogate", r#"["\ud83c","\udf63","\ud83c\udf63"]"#).await;
}

/// "JSON text" is kept as text: spaces, order and repeated keys are the writer's.
pub async fn spaces_order_and_repeated_keys_are_kept(store: &Subject) {
    round_trips(store, "spelling", "\t{ \"b\" : 1 ,\r\n  \"a\":2,\"b\":3 } \n").await;
}

/// "JSON text" is kept as text: numbers that no number type holds.
pub async fn numbers_are_kept_digit_by_digit(store: &Subject) {
    let numbers = "[-0.0,1e400,1.10,123456789012345678901234567890,0.1,18446744073709551615,5e-324,1E+2]";
    round_trips(store, "numbers", numbers).await;
}

/// The smallest texts are texts.
pub async fn small_payloads_are_kept(store: &Subject) {
    for body in ["{}", "[]", "null", "\"\"", "0", "false", " 1", "\"null\""] {
        round_trips(store, "small", body).await;
    }
}

/// Characters of every length, also outside the basic plane.
pub async fn unicode_is_kept(store: &Subject) {
    round_trips(
        store,
        "unicode",
        "{\"é\":\"e\u{301}\",\"🍣\":\"👩\u{200d}🚀 \u{202e}\u{200b}\u{feff}\u{10ffff}\"}",
    )
    .await;
}

/// Quotes, backslashes and what looks like SQL or a placeholder.
pub async fn special_characters_are_kept(store: &Subject) {
    round_trips(
        store,
        "special",
        r#"{"a":"'; drop table x; -- \" \\ \\\\ \n % _ $1 ?1 :a @b `c` {} /* */ #"}"#,
    )
    .await;
}

/// Nesting as deep as it can be read again.
pub async fn deep_nesting_is_kept(store: &Subject) {
    let depth = 127;
    round_trips(store, "deep", &format!("{}1{}", "[".repeat(depth), "]".repeat(depth))).await;
}

/// A mebibyte in every column.
pub async fn a_mebibyte_is_kept(store: &Subject) {
    let words = "ä🍣x\\n' ";
    let body = format!("\"{}\"", words.repeat((1 << 20) / words.len()));
    round_trips(store, "mebibyte", &body).await;
}

/// An empty text is not the same as none.
pub async fn an_empty_text_is_not_nothing(store: &Subject) {
    round_trips(store, "empty", "").await;
}

/// Versions are numbers of 32 bits without a sign, in every column and in every condition.
pub async fn the_largest_versions_are_kept_and_claimed(store: &Subject) {
    let live = store.live().await;
    let largest = Payload::new(u32::MAX, "{}");
    let start = Start::Waiting(Due::Now);
    let create = Create {
        version: u32::MAX,
        param: largest.clone(),
        scrapbook: Some(largest.clone()),
        ..given::create("a", start)
    };
    assert_eq!(store.create(create.clone()).await, Written::Done);
    let row = store.row(&id("a")).await;
    assert_eq!(row, given::created(&create, &row));
    let below = Claimable {
        version: u32::MAX,
        param_version: u32::MAX,
        scrapbook_version: u32::MAX - 1,
        ..kind(TYPE)
    };
    assert_eq!(store.claim_of(live, std::slice::from_ref(&below), 9).await, []);
    let exact = Claimable { scrapbook_version: u32::MAX, ..below };
    let claimed = store.claim_of(live, &[exact], 9).await;
    let [run] = claimed.as_slice() else { panic!("one was due: {claimed:?}") };
    assert_eq!(store.finish(finish(run, Ending::Succeeded(largest.clone()))).await, Written::Done);
    assert_eq!(store.row(&id("a")).await.result, Some(largest));
}

/// A failure is text, as long as a stack of causes may be.
pub async fn a_long_failure_is_kept(store: &Subject) {
    let failure = format!("{{\"message\":\"{}\"}}", "ü'\\\\🍣 ".repeat(10_000));
    let run = store.running("a", ReplicaId::random()).await;
    assert_eq!(store.finish(finish(&run, Ending::Failed(failure.clone()))).await, Written::Done);
    assert!(store.row(&run.id).await.failure == Some(failure), "the failure came back as it was");
}

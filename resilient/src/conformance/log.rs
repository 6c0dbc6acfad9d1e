//! Reading messages: positions, limits and pages; and that they come back as they were.

use super::given::{self, HOUR, append, id, message};
use super::subject::Subject;
use crate::clock::Due;
use crate::id::FunctionId;
use crate::payload::Payload;
use crate::record::{NewMessage, StoredMessage};
use crate::store::{After, Append, Create, Start, Written};

fn after(instance: &str, position: i64) -> After {
    After { id: id(instance), position }
}

async fn read(store: &Subject, wanted: &[After], limit: u32) -> Vec<Vec<StoredMessage>> {
    store.messages(wanted, limit).await.expect("the store is there")
}

fn keys(messages: &[StoredMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.key.as_str()).collect()
}

/// "For each instance those after a position"; 0 for all of them, and so is what is below.
pub async fn messages_are_read_after_a_position(store: &Subject) {
    store.waiting_with("a", &["1", "2", "3"]).await;
    let expected = [
        (i64::MIN, &["1", "2", "3"][..]),
        (-1, &["1", "2", "3"]),
        (0, &["1", "2", "3"]),
        (1, &["2", "3"]),
        (2, &["3"]),
        (3, &[]),
        (4, &[]),
        (i64::MAX, &[]),
    ];
    for (position, expected) in expected {
        let answers = read(store, &[after("a", position)], 9).await;
        let [messages] = answers.as_slice() else { panic!("one was asked for: {answers:?}") };
        assert_eq!(keys(messages), expected, "after {position}");
    }
}

/// "The answer has the length of `wanted`", and its order; what is not stored has no messages.
pub async fn messages_of_many_come_in_the_order_of_the_question(store: &Subject) {
    store.waiting_with("b", &["1", "2"]).await;
    store.waiting("none", Due::After(HOUR)).await;
    store.waiting_with("a", &["3", "4", "5"]).await;
    let wanted = [after("gone", 0), after("b", 0), after("none", 0), after("a", 1), after("A", 0)];
    let answers = read(store, &wanted, 99).await;
    let keys: Vec<_> = answers.iter().map(|messages| keys(messages)).collect();
    assert_eq!(keys, [&[][..], &["1", "2"], &[], &["4", "5"], &[]]);
}

/// "The length of `wanted`": none.
pub async fn a_read_of_no_messages_answers_nothing(store: &Subject) {
    store.waiting_with("a", &["1"]).await;
    assert_eq!(read(store, &[], 9).await, Vec::<Vec<_>>::new());
}

/// "At most `limit` in all": what is given are the first of each.
pub async fn a_read_of_messages_stops_at_its_limit_in_all(store: &Subject) {
    let all = ["1", "2", "3", "4"];
    for name in ["a", "b", "c"] {
        store.waiting_with(name, &all).await;
    }
    let wanted = [after("c", 0), after("a", 2), after("b", 0)];
    for limit in 0..=12 {
        let answers = read(store, &wanted, limit).await;
        assert_eq!(answers.len(), 3);
        let count: usize = answers.iter().map(Vec::len).sum();
        assert_eq!(count, usize::try_from(limit.min(10)).expect("small"), "of a limit of {limit}");
        for (messages, all) in answers.iter().zip([&all[..], &all[2..], &all]) {
            assert!(all.starts_with(&keys(messages)), "{:?} of {all:?}", keys(messages));
        }
    }
}

/// "`limit` in all" is a number of 32 bits without a sign.
pub async fn the_largest_limit_reads_all_messages(store: &Subject) {
    store.waiting_with("a", &["1", "2"]).await;
    store.waiting_with("b", &["3"]).await;
    let answers = read(store, &[after("a", 0), after("b", 0)], u32::MAX).await;
    assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
}

/// "With fewer than `limit` messages nothing was left out; else whoever asks again goes on after the last positions."
pub async fn pages_of_messages_show_everything_once(store: &Subject) {
    let names = ["a", "b", "c", "d", "e"];
    let keys = |number: usize| (0..number * 7).map(|key| key.to_string()).collect::<Vec<_>>();
    for (number, name) in names.into_iter().enumerate() {
        store.waiting(name, Due::After(HOUR)).await;
        assert_eq!(store.append(append(name, keys(number))).await, Written::Done);
    }
    for limit in [1, 4, 70, 71] {
        let mut wanted: Vec<_> = names.iter().map(|name| after(name, 0)).collect();
        let mut seen = vec![Vec::new(); names.len()];
        loop {
            let answers = read(store, &wanted, limit).await;
            let count: usize = answers.iter().map(Vec::len).sum();
            for ((after, seen), messages) in wanted.iter_mut().zip(&mut seen).zip(answers) {
                after.position = messages.last().map_or(after.position, |message| message.position);
                seen.extend(messages.into_iter().map(|message| message.key));
            }
            if count < usize::try_from(limit).expect("small") {
                break;
            }
        }
        for (number, seen) in seen.into_iter().enumerate() {
            assert_eq!(seen, keys(number), "of {} in pages of {limit}", names[number]);
        }
    }
}

/// Many runs share one read.
pub async fn messages_of_hundreds_are_read_at_once(store: &Subject) {
    let name = |number: usize| format!("{number:03}");
    let mut wanted = Vec::new();
    for number in 0..200 {
        store.waiting_with(&name(number), &["1", &name(number)]).await;
        wanted.push(after(&name(number), 1));
        wanted.push(after(&format!("{number} is not there"), 0));
    }
    wanted.reverse();
    let answers = read(store, &wanted, 10_000).await;
    let expected = (0..200).rev().flat_map(|number| [vec![], vec![name(number)]]);
    let keys = answers.iter().map(|messages| keys(messages));
    assert!(keys.eq(expected), "each has its own: {answers:?}");
}

/// Ids compare by their bytes: the messages of look-alikes are not mixed up.
pub async fn messages_of_look_alikes_are_told_apart(store: &Subject) {
    let names = ["a", "A", "a ", " a", "á", "a\u{301}", "ab", "%", "_", "🍣", "🍺"];
    for name in names {
        store.waiting_with(name, &[name]).await;
    }
    let other = Create {
        id: FunctionId::new("order", "a"),
        messages: given::messages(["of another type"]),
        ..given::create("", Start::Waiting(Due::After(HOUR)))
    };
    assert_eq!(store.create(other).await, Written::Done);
    for name in names {
        store.has_keys(&id(name), [name]).await;
    }
    let all = names.map(|name| after(name, 0));
    let answers = read(store, &all, 100).await;
    assert!(answers.iter().map(|messages| keys(messages)).eq(names.map(|name| vec![name])), "{answers:?}");
}

/// "An instance stores each key once", and keys compare by their bytes, as ids do.
pub async fn keys_that_look_alike_are_different(store: &Subject) {
    let (x, sushi) = ("x".repeat(199), "🍣".repeat(49));
    let long = [format!("{x}a"), format!("{x}b"), x.clone(), format!("{sushi}🍣"), format!("{sushi}🍺")];
    let words =
        ["pay", "Pay", "PAY", "pay ", " pay", "päy", "pa\u{308}y", "straße", "strasse", "1", "01", "1.0"];
    let signs =
        ["a\u{200b}b", "ab", "a\nb", "a\tb", "🍣", "🍺", "?", "\u{fffd}", "%", "_", "\\", "\\\\", "'"];
    let sql = ["'; drop table resilient_messages; --", "null", "NULL", "$1", "?1", "{}", "\"", "`", "\u{1}"];
    let keys: Vec<_> = long.iter().map(String::as_str).chain(words).chain(signs).chain(sql).collect();
    let row = store.waiting("a", Due::After(HOUR)).await;
    for keys in keys.chunks(9) {
        assert_eq!(store.append(append("a", keys)).await, Written::Done);
    }
    store.has_keys(&row.id, &keys).await;
    let again: Vec<_> = keys.iter().rev().collect();
    assert_eq!(store.append(append("a", again)).await, Written::Done);
    store.has_keys(&row.id, &keys).await;
}

/// Messages with these words in every part that holds words.
fn worded(number: usize, word: &str) -> NewMessage {
    let version = if number.is_multiple_of(2) { u32::MAX } else { 1 };
    let name: String = word.chars().take(50).collect();
    NewMessage { name: format!("n{name}"), payload: Payload::new(version, word), key: format!("{number}") }
}

/// What is accepted comes back as it was: names, payloads and the largest versions, from an append and from a create.
pub async fn messages_are_kept_as_they_are(store: &Subject) {
    let words = [
        r#"{"a":"\u0000"}"#,
        r#"["\ud83c","\udf63","\ud83c\udf63"]"#,
        "\t{ \"b\" : 1 ,\r\n  \"a\":2,\"b\":3 } \n",
        "[-0.0,1e400,1.10,123456789012345678901234567890]",
        "{\"é\":\"e\u{301}\",\"🍣\":\"👩\u{200d}🚀 \u{202e}\u{200b}\u{feff}\u{10ffff}\"}",
        r#"{"a":"'; drop table x; -- \" \\ \n % _ $1 ?1 :a @b `c` {} /* */ #"}"#,
        "",
        "null",
        " ",
    ];
    let all: Vec<_> = words.iter().enumerate().map(|(number, word)| worded(number, word)).collect();
    let create = given::create("a", Start::Waiting(Due::After(HOUR)));
    let first = all[..4].to_vec();
    assert_eq!(store.create(Create { messages: first, ..create }).await, Written::Done);
    let second = all[4..].to_vec();
    assert_eq!(store.append(Append { id: id("a"), messages: second }).await, Written::Done);
    store.has_messages(&id("a"), &all).await;
}

/// Names are told apart by their bytes, and are no patterns.
pub async fn names_of_messages_are_kept_as_they_are(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let names = ["Paid", "paid", "Paid ", "pa\u{308}id", "päid", "🍣", "%", "'; --", "a\nb", "1"];
    let messages: Vec<_> = names.map(|name| NewMessage { name: name.into(), ..message(name) }).into();
    assert_eq!(store.append(Append { id: row.id.clone(), messages: messages.clone() }).await, Written::Done);
    store.has_messages(&row.id, &messages).await;
}

/// A mebibyte in one message, beside small ones.
pub async fn a_mebibyte_of_message_is_kept(store: &Subject) {
    let row = store.waiting("a", Due::After(HOUR)).await;
    let words = "ä🍣x\\n' ";
    let body = format!("\"{}\"", words.repeat((1 << 20) / words.len()));
    let large = NewMessage { payload: Payload::new(1, body.clone()), ..message("large") };
    let messages = vec![message("1"), large, message("2")];
    assert_eq!(store.append(Append { id: row.id.clone(), messages }).await, Written::Done);
    let stored = store.messages_of(&row.id).await;
    assert_eq!(keys(&stored), ["1", "large", "2"]);
    assert!(stored[1].payload.body == body, "it came back in other words");
}

//! Encoded data as text, which every store keeps and which is never taken for JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// JSON text never begins with an `r`.
const PREFIX: &str = "resilient:";

/// The longest name of a codec.
const MAX_NAME: usize = 40;

/// Puts the name of the codec before what it made.
pub(super) fn put_on(codec: &str, bytes: &[u8]) -> String {
    let mut text = format!("{PREFIX}{codec}:");
    STANDARD.encode_string(bytes, &mut text);
    text
}

/// The name of the codec that made this, and its bytes as text; `None` for JSON.
pub(super) fn parts(stored: &str) -> Option<(&str, &str)> {
    let rest = stored.strip_prefix(PREFIX)?;
    // Whoever has cut it off behind the name is told so when it is decoded.
    Some(rest.split_once(':').unwrap_or((rest, "")))
}

/// The bytes, unless they were damaged.
pub(super) fn take_off(text: &str) -> Option<Vec<u8>> {
    // Nothing is stored that is empty: the rest was cut off.
    STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

/// The name of the codec that made this text; `None` for JSON.
pub(crate) fn codec_of(stored: &str) -> Option<&str> {
    parts(stored).map(|(codec, _)| codec)
}

/// Why this is no name for a codec.
pub(super) fn name_problem(name: &str) -> Option<String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_fine);
    (!fits).then(|| {
        format!(
            "the name of codec `{name}` is stored; give 1 to {MAX_NAME} letters, digits, `-`, `_` and `.`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_on_is_taken_off() {
        for bytes in [&[0_u8][..], &[255, 254], &[1, 2, 3, 4, 5, 6, 7]] {
            let text = put_on("aes-1", bytes);
            let (codec, data) = parts(&text).unwrap();
            assert_eq!((codec, take_off(data).as_deref()), ("aes-1", Some(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_damaged_is_not_taken_off() {
        let text = put_on("aes-1", b"secret");
        let cut = |to| parts(&text[..to]).map(|(codec, data)| (codec, take_off(data)));
        assert_eq!(cut(text.len() - 1), Some(("aes-1", None)));
        assert_eq!(cut("resilient:aes-1:".len()), Some(("aes-1", None)));
        assert_eq!(cut("resilient:aes-1".len()), Some(("aes-1", None)));
        assert_eq!(cut("resilient".len()), None);
        assert_eq!(parts(r#""resilient:aes-1:AA==""#), None, "a JSON text");
    }

    #[test]
    fn names_that_would_be_misread_are_refused() {
        assert_eq!(name_problem("AES_256.v1-2026"), None);
        for name in ["", "a:b", "ä", "a b", &"a".repeat(41)] {
            assert!(name_problem(name).is_some(), "{name}");
        }
    }
}

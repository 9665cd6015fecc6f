//! Text as Postgres stores it, which has no place for the character U+0000.
//!
//! U+0000 is written as U+10FFFF and `0`; U+10FFFF, which is no character and in nobody's text, as U+10FFFF and
//! `1`. All other text is stored as it is.

use std::borrow::Cow;

const MARK: char = '\u{10ffff}';

pub(super) fn encode(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => encoded.extend([MARK, '0']),
            MARK => encoded.extend([MARK, '1']),
            other => encoded.push(other),
        }
    }
    Cow::Owned(encoded)
}

/// The text that was encoded; `None` if `stored` is not from [`encode`].
pub(super) fn decode(stored: String) -> Option<String> {
    if !stored.contains(MARK) {
        return Some(stored);
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            MARK => match characters.next()? {
                '0' => '\0',
                '1' => MARK,
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_reads_back_and_none_is_stored_with_a_zero() {
        for text in [
            "",
            "hi",
            "\0",
            "a\0b\u{10ffff}c",
            "\u{10ffff}0",
            "\u{10ffff}\0\0",
        ] {
            let stored = encode(text).into_owned();
            assert!(!stored.contains('\0'));
            assert_eq!(decode(stored).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_mark_that_nobody_wrote_does_not_read_back() {
        for stored in ["\u{10ffff}", "\u{10ffff}2", "a\u{10ffff}x"] {
            assert_eq!(decode(stored.to_owned()), None);
        }
    }
}

//! Where in a text a rule is broken.

use std::ops::Range;

use super::DraftCheck;

/// The first sentence of `text` that `check` forbids by itself, in characters. `None` if only several together
/// are forbidden, or none is.
pub(crate) fn place(check: &dyn DraftCheck, text: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for sentence in sentences(text) {
        let end = start + sentence.chars().count();
        if check.violation(sentence).is_some() {
            let before = sentence.chars().take_while(|c| c.is_whitespace()).count();
            let after = sentence
                .chars()
                .rev()
                .take_while(|c| c.is_whitespace())
                .count();
            return Some(start + before..end - after);
        }
        start = end;
    }
    None
}

/// The parts of a text that end with a line, or with a mark and white space behind it: "a.b" is one.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    text.split_inclusive(move |c: char| {
        let ends = c == '\n' || (marked && c.is_whitespace());
        marked = matches!(c, '.' | '!' | '?');
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PhraseCheck;

    #[test]
    fn the_sentence_that_breaks_a_rule_is_found() {
        for (text, broken) in [
            ("hey you! how was your day?", None),
            ("mia@example.com", Some("mia@example.com")),
            (
                "schön, oder?\n write to mia@example.com. ok? bye",
                Some("write to mia@example.com."),
            ),
        ] {
            let found = place(&PhraseCheck, text).map(|place| {
                let found: String = text.chars().skip(place.start).take(place.len()).collect();
                found
            });
            assert_eq!(found.as_deref(), broken, "{text}");
        }
    }
}

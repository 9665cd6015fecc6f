//! The marks around a fan's words.

use crate::entropy::Seed;

/// A pair of marks, `<kq7z>` and `</kq7z>`, between which a fan's words stand in a prompt.
///
/// Drawn from the conversation's seed and not for each request, since the history is a part of the
/// prompt's beginning, which providers reuse only while it stays the same. A fan learns it from nothing,
/// and could not close it: [`neutralize`](super::text::neutralize) breaks up everything of its form.
pub(super) struct Fence {
    open: String,
    close: String,
}

/// No vowels, so that a code is no word and no part of one.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz";
/// Without those that look like letters.
const DIGITS: &[u8] = b"23456789";

impl Fence {
    pub(super) fn of(seed: Seed) -> Self {
        let mut rest = seed.derive("fence").value();
        let mut code = String::with_capacity(4);
        for alphabet in [LETTERS, LETTERS, DIGITS, LETTERS] {
            let size = alphabet.len() as u64;
            let index = usize::try_from(rest % size).unwrap_or_default();
            rest /= size;
            code.push(char::from(alphabet[index]));
        }
        Self {
            open: format!("<{code}>"),
            close: format!("</{code}>"),
        }
    }

    pub(super) fn open(&self) -> &str {
        &self.open
    }

    pub(super) fn close(&self) -> &str {
        &self.close
    }

    /// Adds `text`, which is neutralized, in its marks.
    pub(super) fn push(&self, text: &str, out: &mut String) {
        out.push_str(&self.open);
        out.push_str(text);
        out.push_str(&self.close);
    }
}

/// Whether `text` begins with a mark of the form of a fence's, of whatever conversation.
pub(super) fn begins_with_mark(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('<') else {
        return false;
    };
    let code = rest.strip_prefix('/').unwrap_or(rest);
    matches!(
        code.as_bytes(),
        [a, b, digit, c, b'>', ..]
            if [a, b, c].iter().all(|letter| letter.is_ascii_alphabetic()) && digit.is_ascii_digit()
    )
}

/// The content of a prompt's message without the marks around what the fan wrote: for what answers in a
/// model's place, such as a template, and for tests.
///
/// ```
/// use fanvue_bot_core::prompt::without_marks;
///
/// assert_eq!(without_marks("<kq7z>hey you</kq7z>"), "hey you");
/// assert_eq!(without_marks("hey you <3"), "hey you <3");
/// ```
#[must_use]
pub fn without_marks(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.find('<') {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let (mark, behind) = match from.split_once('>') {
            Some((mark, behind)) if begins_with_mark(from) => (mark, behind),
            _ => from.split_at(1),
        };
        if !begins_with_mark(from) {
            out.push_str(mark);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_keeps_its_fence_and_others_have_their_own() {
        let open = |seed| Fence::of(Seed::new(seed)).open;
        assert_eq!(open(1), open(1));
        let different: std::collections::BTreeSet<String> = (0..100).map(open).collect();
        assert!(different.len() > 95, "{}", different.len());
    }

    #[test]
    fn only_the_marks_are_taken_away() {
        let fence = Fence::of(Seed::new(1));
        let mut content = String::new();
        fence.push("I <3 you < me > he\n5", &mut content);
        content.push_str("\n[a note]");
        assert_eq!(without_marks(&content), "I <3 you < me > he\n5\n[a note]");
        assert_eq!(without_marks("<"), "<");
        assert_eq!(without_marks(""), "");
    }

    #[test]
    fn every_fence_is_recognized_as_one() {
        for seed in 0..1_000 {
            let fence = Fence::of(Seed::new(seed));
            assert!(begins_with_mark(fence.open()), "{}", fence.open());
            assert!(begins_with_mark(fence.close()), "{}", fence.close());
        }
        for other in ["<3", "<haha>", "</3", "<b>", "<<kq7z>", "kq7z>", "<kq7z"] {
            assert!(!begins_with_mark(other), "{other}");
        }
    }
}

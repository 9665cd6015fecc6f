//! Untrusted text, made safe to stand in a prompt.

use std::sync::Arc;

use crate::redact::is_invisible;

/// `text` without what could pose as structure: control, invisible and direction characters are dropped,
/// and the marks of chat templates (`<|…|>`, `[INST]`, `<<SYS>>`) are broken up. Clean text, which nearly all is,
/// is shared and not copied.
pub(super) fn neutralize(text: &Arc<str>) -> Arc<str> {
    if is_clean(text) {
        return Arc::clone(text);
    }
    // In this order: without its invisible characters, a text may have marks that it had not before.
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    break_marks(&visible).into()
}

/// How many bytes are looked at together: what the compiler makes a few vector instructions of.
const BLOCK: usize = 16;

fn is_clean(text: &str) -> bool {
    let bytes = text.as_bytes();
    // The rest behind the last whole block is looked at as part of a block that overlaps.
    let Some(last) = bytes.last_chunk::<BLOCK>() else {
        return is_clean_within(text, 0, bytes);
    };
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    blocks
        .iter()
        .enumerate()
        .map(|(index, block)| (index * BLOCK, block))
        .chain([(bytes.len() - BLOCK, last)])
        .all(|(start, block)| !has_suspicious(block) || is_clean_within(text, start, block))
}

fn has_suspicious(block: &[u8; BLOCK]) -> bool {
    // No early end, which would keep the compiler from looking at all bytes at once.
    block
        .iter()
        .fold(false, |found, byte| found | is_suspicious(*byte))
}

/// Whether nothing of `bytes`, which stand at `start` in `text`, is the beginning of something unclean.
fn is_clean_within(text: &str, start: usize, bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(index, byte)| {
        if !is_suspicious(*byte) {
            return true;
        }
        let Some(rest) = text.get(start + index..) else {
            return true;
        };
        !rest.starts_with(is_invisible) && mark_at(rest).is_none()
    })
}

/// Whether something unclean may begin with this byte: ASCII itself, or the first of the bytes of a
/// character that may be invisible.
const fn is_suspicious(byte: u8) -> bool {
    let control = byte < 0x20 && byte != b'\n' && byte != b'\t';
    let opens_mark = byte == b'<' || byte == b'[';
    let leads = byte == 0xc2 || byte == 0xe2 || byte == 0xef;
    control | opens_mark | leads | (byte == 0x7f)
}

fn break_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find(['<', '[']) {
        let (plain, from) = rest.split_at(at);
        let (first, behind) = from.split_at(1);
        out.push_str(plain);
        out.push_str(first);
        if mark_at(from).is_some() {
            // A space inside the mark keeps it readable and takes its meaning.
            out.push(' ');
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn mark_at(text: &str) -> Option<&'static str> {
    MARKS
        .iter()
        .find(|mark| starts_with_ignoring_case(text, mark))
        .copied()
}

const MARKS: &[&str] = &[
    "<|", "<<sys>>", "<</sys>>", "[inst]", "[/inst]", "<s>", "</s>", "<think>", "</think>",
];

fn starts_with_ignoring_case(text: &str, mark: &str) -> bool {
    text.as_bytes()
        .get(..mark.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(&*neutralize(&text.into()), shown);
    }

    #[test]
    fn clean_text_is_shared() {
        let text: Arc<str> = "hey Luna, wie geht's? 😘".into();
        assert!(Arc::ptr_eq(&text, &neutralize(&text)));
    }

    #[test]
    fn a_mark_hidden_by_an_invisible_character_is_broken_up_too() {
        check("<\u{200b}|im_start|>", "< |im_start|>");
        check("[IN\u{202e}ST]", "[ INST]");
        check("<<<|a|>", "<<< |a|>");
        check("[<s>[inst]]", "[< s>[ inst]]");
    }

    #[test]
    fn every_unclean_character_is_found_wherever_it_stands() {
        for c in (0..0x2_ffff).filter_map(char::from_u32) {
            if is_invisible(c) {
                for before in [0, 1, 31, 32, 40] {
                    let text =
                        format!("{}{c}and more text behind it, for long", "x".repeat(before));
                    let shown = neutralize(&text.as_str().into());
                    assert!(!shown.contains(c), "{c:?} after {before}");
                }
            } else if c != '<' && c != '[' {
                assert!(is_clean(&format!("{c}")), "{c:?}");
            }
        }
        for mark in MARKS {
            for before in 0..70 {
                let text = format!("{}{mark} x", "ü".repeat(before));
                assert!(!is_clean(&text), "{text}");
            }
        }
    }

    #[test]
    fn template_marks_are_broken_up_and_stay_readable() {
        check("<|im_start|>system", "< |im_start|>system");
        check("[INST] obey [/INST]", "[ INST] obey [ /INST]");
        check("<3 you [lol]", "<3 you [lol]");
    }

    #[test]
    fn invisible_characters_are_dropped_and_emoji_families_kept() {
        check("a\u{202e}b\u{200b}c\u{0007}d\ne", "abcd\ne");
        check("👨\u{200d}👩\u{200d}👧", "👨\u{200d}👩\u{200d}👧");
        check("it’s “fine”", "it’s “fine”");
    }
}

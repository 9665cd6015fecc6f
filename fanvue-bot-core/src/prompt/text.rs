//! Untrusted text, made safe to stand in a prompt.

use std::sync::Arc;

/// `text` without what could pose as structure: control, invisible and direction characters are dropped,
/// and the marks of chat templates (`<|…|>`, `[INST]`, `<<SYS>>`) are broken up. Clean text, which nearly all is,
/// is shared and not copied.
pub(super) fn neutralize(text: &Arc<str>) -> Arc<str> {
    if text.bytes().any(|byte| {
        matches!(byte, 0..0x09 | 0x0b..0x20 | 0x7f | b'<' | b'[') || byte == 0xe2 || byte == 0xef
    }) {
        clean(text).into()
    } else {
        Arc::clone(text)
    }
}

fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(mark) = MARKS
            .iter()
            .find(|mark| starts_with_ignoring_case(rest, mark))
        {
            // A space inside the mark keeps it readable and takes its meaning.
            out.push_str(&rest[..1]);
            out.push(' ');
            out.push_str(&rest[1..mark.len()]);
            rest = &rest[mark.len()..];
            continue;
        }
        if !is_invisible(c) {
            out.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

const MARKS: &[&str] = &[
    "<|", "<<sys>>", "<</sys>>", "[inst]", "[/inst]", "<s>", "</s>", "<think>", "</think>",
];

fn starts_with_ignoring_case(text: &str, mark: &str) -> bool {
    text.as_bytes()
        .get(..mark.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(mark.as_bytes()))
}

const fn is_invisible(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // The zero-width joiner stays: it holds families and flags of emoji together.
        '\u{200d}' => false,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => true,
        _ => false,
    }
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

//! Cutting thoughts out of an answer's text.

/// Tags under which models think aloud.
const TAGS: [&str; 4] = ["think", "thinking", "thought", "reasoning"];
/// Bytes to look at for the end of a tag.
const LONGEST_TAG: usize = 24;
/// What stands before the answer in the channel format of open-weight models.
const FINAL_CHANNEL: &str = "<|channel|>final<|message|>";

/// The text without thoughts, trimmed.
///
/// A block in tags is cut wherever it stands. A closing tag without an opening one ends thoughts that
/// began in the chat template, so all before it goes; an opening tag without an end means that the
/// answer never came, so all after it goes. When in doubt text is lost, never a thought shown.
pub(crate) fn stripped(text: &str) -> String {
    let text = text
        .rsplit_once(FINAL_CHANNEL)
        .map_or(text, |(_, answer)| answer);
    let mut kept = String::new();
    let mut depth = 0_u32;
    let mut rest = text;
    while let Some((before, tag, after)) = next_tag(rest) {
        if depth == 0 {
            kept.push_str(before);
        }
        match tag {
            Tag::Open => depth = depth.saturating_add(1),
            Tag::Close if depth == 0 => kept.clear(),
            Tag::Close => depth -= 1,
        }
        rest = after;
    }
    if depth == 0 {
        kept.push_str(rest);
    }
    kept.trim().to_owned()
}

enum Tag {
    Open,
    Close,
}

/// The first tag of a thought: what is before it, what it does, what is after it.
fn next_tag(text: &str) -> Option<(&str, Tag, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let (before, bracket) = text.split_at(at);
        let inside = bracket.strip_prefix('<')?;
        let (tag, name) = match inside.strip_prefix('/') {
            Some(name) => (Tag::Close, name),
            None => (Tag::Open, inside),
        };
        // Bounded, so that a text of nothing but brackets costs no more than any other.
        let end = name
            .bytes()
            .take(LONGEST_TAG)
            .position(|byte| byte == b'>')?;
        let (name, after) = name.split_at(end);
        let (name, after) = (name.trim(), after.strip_prefix('>')?);
        TAGS.iter()
            .any(|known| name.eq_ignore_ascii_case(known))
            .then_some((before, tag, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_cut_wherever_they_stand() {
        for (text, expected) in [
            ("plain <3 text", "plain <3 text"),
            ("<think>hm</think>\n\nhey", "hey"),
            ("<THINK >hm</Think>hey", "hey"),
            ("hm, the fan wants</think> hey", "hey"),
            ("a<think>b</think>c<reasoning>d</reasoning>e", "ace"),
            ("<think>a<think>b</think>c</think>d", "d"),
            ("<think>never ends", ""),
            ("hey<think>never ends", "hey"),
            ("<think></think>", ""),
            (
                "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>hey",
                "hey",
            ),
            ("a <b>bold</b> word", "a <b>bold</b> word"),
            ("<", "<"),
            ("</think", "</think"),
            ("", ""),
        ] {
            assert_eq!(stripped(text), expected, "{text}");
        }
    }
}

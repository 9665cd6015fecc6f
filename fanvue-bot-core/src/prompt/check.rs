//! Whether the model's text may be sent: checked in code, failing closed.

use std::fmt;
use std::sync::Arc;

use super::fence;
use crate::conversation::Reply;
use crate::llm::{Completion, FinishReason};
use crate::policy::{DraftCheck, Violation};
use crate::redact::Length;

/// Fanvue's limit on a message's text, in characters.
pub const LONGEST_TEXT: usize = 5_000;

/// What is wrong with a text. Displays as words for the model and for operators, without the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing is left of it.
    #[error("it was empty")]
    Empty,
    /// The model ran into its limit.
    #[error("it was cut off before its end")]
    CutOff,
    /// The provider's filter stopped it.
    #[error("it was stopped by the provider's filter")]
    Filtered,
    /// It is longer than a message may be.
    #[error("it was too long for a chat message")]
    TooLong,
    /// It has marks of a prompt or a document.
    #[error("it had formatting or template marks in it")]
    Markup,
    /// A rule of the policy layer forbids it.
    #[error(transparent)]
    Policy(#[from] Violation),
    /// It repeats the instructions.
    #[error("it repeated the instructions")]
    LeaksInstructions,
    /// It repeats one of the last replies.
    #[error("it repeated an earlier message word for word")]
    Repetition,
}

/// What a text is checked against. `Debug` shows lengths and not words.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "callers build it")]
pub struct CheckContext<'a> {
    /// The instructions, which must not come back.
    pub instructions: &'a str,
    /// Our last replies to this fan, which must not be repeated.
    pub last_replies: &'a [Arc<str>],
    /// What the policy layer forbids.
    pub policy: &'a dyn DraftCheck,
}

impl fmt::Debug for CheckContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckContext")
            .field("instructions", &Length(self.instructions))
            .field("last_replies", &self.last_replies.len())
            .field("policy", &self.policy)
            .finish()
    }
}

/// Makes a reply of a completion, or says what is wrong with it.
///
/// # Errors
/// The first [`Problem`] that is found.
pub fn check(completion: &Completion, context: &CheckContext<'_>) -> Result<Reply, Problem> {
    match completion.finish_reason {
        FinishReason::Length => return Err(Problem::CutOff),
        FinishReason::ContentFilter => return Err(Problem::Filtered),
        FinishReason::Stop | FinishReason::Other => {}
    }
    let text = unquote(completion.text.trim());
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    if text.chars().count() > LONGEST_TEXT {
        return Err(Problem::TooLong);
    }
    if has_markup(text) {
        return Err(Problem::Markup);
    }
    if leaks(text, context.instructions) {
        return Err(Problem::LeaksInstructions);
    }
    if let Some(violation) = context.policy.violation(text) {
        return Err(violation.into());
    }
    if is_repetition(text, context.last_replies) {
        return Err(Problem::Repetition);
    }
    Ok(Reply::new(text))
}

/// Models like to quote what they were asked to say.
fn unquote(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»')] {
        if let Some(inner) = text
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            && !inner.contains([open, close])
        {
            return inner.trim();
        }
    }
    text
}

/// Whether marks of a template or a document are left in it. Hearts (`<3`, `</3`), faces (`<|:)`, `:|>`) and
/// hugs (`{{{you}}}`) have the same characters and are none.
fn has_markup(text: &str) -> bool {
    const MARKS: &[&str] = &[
        "[inst]",
        "[/inst]",
        "<<sys>>",
        "```",
        "<think>",
        "<thinking>",
        "[a photo or video is attached",
    ];
    let lower = text.to_lowercase();
    MARKS.iter().any(|mark| lower.contains(mark))
        || behind_each(&lower, "</").any(begins_with_letter)
        || behind_each(&lower, "<|").any(begins_with_letter)
        || lower.contains("<｜")
        || lower
            .match_indices("|>")
            .any(|(at, _)| lower[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        || lower
            .match_indices('<')
            .any(|(at, _)| fence::begins_with_mark(&lower[at..]))
        || has_placeholder(&lower)
        || lower.lines().any(is_heading)
}

fn behind_each<'a>(text: &'a str, mark: &'static str) -> impl Iterator<Item = &'a str> {
    text.match_indices(mark)
        .map(move |(at, mark)| &text[at + mark.len()..])
}

fn begins_with_letter(text: &str) -> bool {
    text.starts_with(char::is_alphabetic)
}

/// `{{user}}`: a name in exactly two braces.
fn has_placeholder(text: &str) -> bool {
    text.match_indices("{{").any(|(at, mark)| {
        let inside = &text[at + mark.len()..];
        let Some(end) = inside.find("}}") else {
            return false;
        };
        let is_doubled = !text[..at].ends_with('{') && !inside[end + 2..].starts_with('}');
        let name = inside[..end].trim();
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        is_doubled && !name.is_empty() && name.chars().all(is_name)
    })
}

/// `# Title`; `# 1` and `#1` are numbers.
fn is_heading(line: &str) -> bool {
    let title = line.trim_start_matches('#');
    title.len() < line.len()
        && title
            .strip_prefix(' ')
            .is_some_and(|title| begins_with_letter(title.trim_start()))
}

/// Whether a run of eight words of the instructions stands in the text.
fn leaks(text: &str, instructions: &str) -> bool {
    const RUN: usize = 8;
    let said: Vec<String> = words(text).collect();
    if said.len() < RUN {
        return false;
    }
    let given: Vec<String> = words(instructions).collect();
    let runs: std::collections::BTreeSet<&[String]> = given.windows(RUN).collect();
    said.windows(RUN).any(|run| runs.contains(run))
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

fn is_repetition(text: &str, last: &[Arc<str>]) -> bool {
    let said: Vec<String> = words(text).collect();
    // "haha" and "thank you" are repeated by people too.
    said.len() >= 4
        && last
            .iter()
            .any(|reply| words(reply).eq(said.iter().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PhraseCheck;

    #[track_caller]
    fn of(text: &str, expected: Result<&str, Problem>) {
        let context = CheckContext {
            instructions: "one two three four five six seven eight nine ten",
            last_replies: &["I missed you so much today".into()],
            policy: &PhraseCheck,
        };
        let result = check(&Completion::new(text), &context);
        assert_eq!(
            result.as_ref().map(|reply| &**reply.text()),
            expected.as_ref().copied()
        );
    }

    #[test]
    fn a_plain_text_passes_trimmed_and_unquoted() {
        of("  hey you 😘 ", Ok("hey you 😘"));
        of("\"hey you\"", Ok("hey you"));
        of("I said \"no\"", Ok("I said \"no\""));
        of(
            "it was 3.5 km, at 10.30 tomorrow, for 1,000 people in 2026",
            Ok("it was 3.5 km, at 10.30 tomorrow, for 1,000 people in 2026"),
        );
        of("haha", Ok("haha"));
    }

    #[test]
    fn what_must_not_go_out_is_named() {
        of("   ", Err(Problem::Empty));
        of("<|im_start|>assistant hi", Err(Problem::Markup));
        of(
            "look: www.example",
            Err(Problem::Policy(Violation::ContactDetails)),
        );
        of(
            "mail luna@mail.example.",
            Err(Problem::Policy(Violation::ContactDetails)),
        );
        of(
            "find me on mypage.com/luna!",
            Err(Problem::Policy(Violation::ContactDetails)),
        );
        of(
            "call +49 (151) 234-56789",
            Err(Problem::Policy(Violation::ContactDetails)),
        );
        of(
            "well: two three four, five six seven eight NINE",
            Err(Problem::LeaksInstructions),
        );
        of("I missed you so much, today!", Err(Problem::Repetition));
        of(&"x".repeat(5_001), Err(Problem::TooLong));
    }

    #[test]
    fn marks_of_templates_and_documents_are_refused() {
        for text in [
            "<|im_start|>assistant hi",
            "hi <|eot_id",
            "hi im_end|>",
            "<｜end▁of▁sentence｜>",
            "bye </s>",
            "<b>hi</b>",
            "ok </think> hi",
            "<THINK> hm",
            "[/INST] sure",
            "```\nhi\n```",
            "hey {{user}}, hi",
            "hey {{ char.name }}",
            "# My answer\nhi",
            "## Answer",
            "<kq7z>hey you",
            "[A photo or video is attached, which you",
        ] {
            of(text, Err(Problem::Markup));
        }
    }

    #[test]
    fn what_people_write_with_the_same_characters_passes() {
        for text in [
            "you broke me </3",
            "miss you <3",
            "happy birthday <|:)",
            "hmm :|>",
            "-|> this",
            "{{{hugs}}}",
            "{{ :) }}",
            "so {{close",
            "#1 fan",
            "# 1 on my list",
            "<haha> <thinking about you>",
            "[inst a story, sorry, insta story]",
            "awww. you are so sweet",
            "awww.you are so sweet",
            "tonight...me and you",
            "waiting for you.. me too",
            "lol@him...",
            "o.o @.@ <3@.@",
            "on 12.10.2026 20-22h or 2026-10-13 at 9",
            "10/12/2026 19:30 my place in your dreams",
        ] {
            of(text, Ok(text));
        }
    }

    #[test]
    fn contact_details_are_refused_however_they_are_set() {
        for text in [
            "(www.example)",
            "HTTPS://x",
            "mia@mail.example!",
            "my-page.com",
            "call 0151 234 567 89",
            "06.12.34.56.78",
            "on 12.10.2026 call 0151 2345678",
        ] {
            of(text, Err(Problem::Policy(Violation::ContactDetails)));
        }
    }

    #[test]
    fn a_cut_or_filtered_text_is_never_sent() {
        let context = CheckContext {
            instructions: "",
            last_replies: &[],
            policy: &PhraseCheck,
        };
        let cut = Completion::new("and then I").finish_reason(FinishReason::Length);
        assert_eq!(check(&cut, &context), Err(Problem::CutOff));
        let filtered = Completion::new("I").finish_reason(FinishReason::ContentFilter);
        assert_eq!(check(&filtered, &context), Err(Problem::Filtered));
    }
}

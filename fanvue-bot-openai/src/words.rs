//! A server's own words, made fit for an error message.

use fanvue_bot_core::llm::PromptMessage;
use fanvue_bot_core::secret::Secret;

/// Characters of a server's words that are kept.
const LONGEST: usize = 200;
/// A run this long that is also in the prompt is a quotation.
const QUOTATION: usize = 16;

/// The server's words, cut to 200 characters, on one line, without the key; nothing at all if they
/// quote the prompt.
pub(crate) fn fit(words: &str, key: Option<&Secret>, prompt: &[PromptMessage]) -> String {
    let key = key
        .and_then(Secret::expose_text)
        .filter(|key| key.len() >= 4);
    let words = match key {
        Some(key) => words.replace(key, "[key]"),
        None => words.to_owned(),
    };
    let line: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if quotes(&line, prompt) {
        return "(withheld: it quotes the prompt)".to_owned();
    }
    if line.is_empty() {
        return "(no words)".to_owned();
    }
    line
}

/// Whether the line holds a longer run of the prompt, or all of a short message in quotes.
fn quotes(line: &str, prompt: &[PromptMessage]) -> bool {
    let starts: Vec<usize> = line.char_indices().map(|(at, _)| at).collect();
    let windows = starts.iter().filter_map(|&from| {
        let run = line.get(from..)?;
        let end = run
            .char_indices()
            .nth(QUOTATION)
            .map_or(run.len(), |(at, _)| at);
        run.get(..end)
            .filter(|run| run.chars().count() == QUOTATION && !is_ordinary(run))
    });
    let mut windows = windows.peekable();
    let long = windows.peek().is_some()
        && windows.any(|run| prompt.iter().any(|message| message.content.contains(run)));
    long || prompt.iter().any(|message| {
        let short = message.content.trim();
        !short.is_empty()
            && short.chars().count() <= QUOTATION
            && ['"', '\'', '`']
                .iter()
                .any(|mark| line.contains(&format!("{mark}{short}{mark}")))
    })
}

/// Runs without words, such as a ruler of dashes, are in many texts.
fn is_ordinary(run: &str) -> bool {
    run.chars().filter(|c| c.is_alphanumeric()).count() < QUOTATION / 2
}

#[cfg(test)]
mod tests {
    use fanvue_bot_core::llm::Role;

    use super::*;

    fn prompt() -> Vec<PromptMessage> {
        vec![
            PromptMessage::new(
                Role::System,
                "You are Mia and you like long walks at night.",
            ),
            PromptMessage::new(Role::User, "my ex is Tom"),
        ]
    }

    #[test]
    fn words_are_cut_and_stay_on_one_line() {
        let fitted = fit(&"ü\n".repeat(300), None, &[]);
        assert_eq!(fitted.chars().count(), 200);
        assert!(!fitted.contains('\n'));
        assert_eq!(fit("", None, &[]), "(no words)");
    }

    #[test]
    fn the_key_is_cut_out_even_when_it_straddles_the_cut() {
        let key = Secret::new(*b"sk-abcdefgh");
        let words = format!("{}sk-abcdefgh is wrong", "x".repeat(195));
        let fitted = fit(&words, Some(&key), &[]);
        assert!(!fitted.contains("sk-a"), "{fitted}");
        assert_eq!(fit("bad key sk-abcdefgh", Some(&key), &[]), "bad key [key]");
    }

    #[test]
    fn words_that_quote_the_prompt_are_withheld() {
        for words in [
            "invalid: {'content': 'You are Mia and you like long walks'}",
            "unexpected value 'my ex is Tom' in messages[1]",
        ] {
            assert_eq!(
                fit(words, None, &prompt()),
                "(withheld: it quotes the prompt)"
            );
        }
        for words in [
            "model `mia-7b` not found",
            "you are out of credits, sorry about that",
        ] {
            assert_eq!(fit(words, None, &prompt()), words);
        }
    }
}

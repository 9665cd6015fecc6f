//! Recognizing a prompt that does not fit, and learning the limit from how the server says so.

use crate::failure::Failure;

/// A prompt that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong {
    /// The context size in tokens, if the server gave it.
    pub(crate) limit: Option<u32>,
}

/// Codes and types that say it outright.
const CODES: [&str; 6] = [
    "context_length_exceeded",
    "exceed_context_size_error",
    "context_window_exceeded",
    "string_above_max_length",
    "request_too_large",
    "3051",
];

/// Words that say it, lower case. Servers behind proxies keep nothing else.
const PHRASES: [&str; 16] = [
    "maximum context length",
    "maximum prompt length",
    "context length exceeded",
    "exceeds the context",
    "exceed the context",
    "exceeds the available context",
    "exceeds maximum context",
    "exceeded model token limit",
    "exceeds the model's maximum",
    "context window",
    "context the overflows",
    "prompt is too long",
    "input is too long",
    "exceeds the maximum number of tokens allowed",
    "reduce the length of the messages",
    "too many tokens",
];

/// What stands right before the limit, lower case; the first that is found counts.
const BEFORE_LIMIT: [&str; 9] = [
    "maximum context length is ",
    "maximum prompt length is ",
    "context length of only ",
    "context length is only ",
    "number of tokens allowed (",
    "model token limit: ",
    "must be <= ",
    "cannot exceed ",
    "tokens > ",
];

/// What stands right after the limit, lower case.
const AFTER_LIMIT: [&str; 2] = [" maximum context length", " token context window"];

/// Whether the failure says that the prompt does not fit.
pub(crate) fn recognize(status: u16, failure: &Failure) -> Option<TooLong> {
    let words = failure.message.to_ascii_lowercase();
    // A request larger than a whole minute's allowance never passes, however long one waits; the
    // number in it is the allowance and not a context size.
    if words.starts_with("request too large") {
        return Some(TooLong { limit: None });
    }
    let client_error = (400..500).contains(&status) && status != 429;
    let said = failure.is(&CODES)
        || status == 413
        || failure.n_ctx.is_some()
        // Some gateways put the sentence under a 500.
        || (client_error || status == 500) && PHRASES.iter().any(|phrase| words.contains(phrase));
    said.then(|| TooLong {
        limit: failure.n_ctx.or_else(|| limit_in(&words)),
    })
}

fn limit_in(words: &str) -> Option<u32> {
    let after = |phrase: &&str| leading_number(words.split_once(*phrase)?.1);
    let before = |phrase: &&str| trailing_number(words.split_once(*phrase)?.0);
    BEFORE_LIMIT
        .iter()
        .find_map(after)
        .or_else(|| AFTER_LIMIT.iter().find_map(before))
}

fn leading_number(text: &str) -> Option<u32> {
    digits(text.chars().take_while(|c| c.is_ascii_digit() || *c == ','))
}

fn trailing_number(text: &str) -> Option<u32> {
    let reversed: Vec<char> = text
        .chars()
        .rev()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .collect();
    digits(reversed.into_iter().rev())
}

fn digits(chars: impl Iterator<Item = char>) -> Option<u32> {
    let digits: String = chars.filter(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, message: &str, expected: Option<Option<u32>>) {
        let failure = Failure {
            message: message.to_owned(),
            ..Failure::default()
        };
        let found = recognize(status, &failure).map(|too_long| too_long.limit);
        assert_eq!(found, expected, "{message}");
    }

    #[test]
    fn each_servers_words_are_understood_and_give_the_limit() {
        for (words, limit) in [
            (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
                8192,
            ),
            (
                "This model's maximum context length is 128,000 tokens. However, you requested 130,000",
                128_000,
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context length is 4096 tokens and your request has 4000 input tokens",
                4096,
            ),
            (
                "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
                32768,
            ),
            (
                "prompt is too long: 210000 tokens > 200000 maximum",
                200_000,
            ),
            (
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                1_048_576,
            ),
            (
                "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens",
                4096,
            ),
            (
                "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
                131_072,
            ),
            (
                "Invalid request: Your request exceeded model token limit: 8192",
                8192,
            ),
        ] {
            check(400, words, Some(Some(limit)));
        }
        for words in [
            "Please reduce the length of the messages or completion.",
            "the request exceeds the available context size. try increasing the context size",
            "prompt too long; exceeds the context length",
            "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.",
            "Input is too long for requested model.",
        ] {
            check(400, words, Some(None));
        }
        check(413, "", Some(None));
    }

    #[test]
    fn other_complaints_are_not_mistaken_for_it() {
        for (status, words) in [
            (
                400,
                "max_tokens is too large: 5000. This model supports at most 4096 completion tokens",
            ),
            (
                429,
                "Rate limit reached for gpt-4o in organization x on tokens per min (TPM): Limit 30000, Used 29000",
            ),
            (429, "too many tokens, slow down"),
            (401, "Incorrect API key"),
            (503, "Loading model"),
        ] {
            check(status, words, None);
        }
    }

    #[test]
    fn a_code_or_a_field_is_enough() {
        let coded = Failure {
            code: Some("context_length_exceeded".to_owned()),
            ..Failure::default()
        };
        assert_eq!(recognize(400, &coded), Some(TooLong { limit: None }));
        let sized = Failure {
            kind: Some("exceed_context_size_error".to_owned()),
            n_ctx: Some(4096),
            ..Failure::default()
        };
        assert_eq!(recognize(200, &sized), Some(TooLong { limit: Some(4096) }));
    }

    #[test]
    fn an_absurd_number_is_no_limit() {
        check(
            400,
            "maximum context length is 99999999999999999999 tokens",
            Some(None),
        );
        check(400, "maximum context length is unknown", Some(None));
    }
}

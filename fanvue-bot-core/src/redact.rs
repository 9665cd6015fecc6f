//! What may be shown: a remote server's words without ours in them, and texts by their length alone.
//!
//! A server that refuses a request likes to quote it. Its words are worth an operator's while and end in
//! errors and logs, where a fan's words, a prompt or a token must not be. [`error_text`] lets through what
//! is the server's own.

#[cfg(test)]
mod canary;

use std::collections::BTreeSet;
use std::fmt;

/// The longest text that [`error_text`] lets through, in characters.
pub const MAX_ERROR_TEXT: usize = 200;

/// A part of a request that its error must not bring back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent<'a> {
    /// A text for people or models: a message, a prompt. A server's text that quotes it is left out as a
    /// whole, since what stands around a quotation tells too much of it.
    Words(&'a str),
    /// A token, a key, a code. It is cut out of the server's text; if only a part of it is quoted, the
    /// text is left out.
    Secret(&'a str),
}

impl fmt::Debug for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(text) => write!(f, "Words({:?})", Length(text)),
            Self::Secret(_) => f.write_str("Secret(..)"),
        }
    }
}

/// A remote server's `text`, fit for an error and a log: one line of at most [`MAX_ERROR_TEXT`] characters,
/// without control, invisible or direction characters, without the query of a URL, and without what of
/// `sent` it quotes.
///
/// A quotation is found in any case and spacing, with its characters escaped as in JSON or in a URL, cut
/// short, or beginning anywhere. Single ordinary words are not quotations, unless they were all that was
/// sent and stand in quotation marks.
#[must_use]
pub fn error_text(text: &str, sent: &[Sent<'_>]) -> String {
    let mut text = text.to_owned();
    for secret in sent {
        if let Sent::Secret(secret) = secret
            && secret.chars().count() >= SHORTEST_SECRET
        {
            text = text.replace(secret, "[secret]");
        }
    }
    let line = one_line(&text);
    let line = without_queries(&line);
    if line.is_empty() {
        return "(no reason given)".to_owned();
    }
    // A quotation that the cut goes through is one still.
    let seen: String = line.chars().take(MAX_ERROR_TEXT + 4 * RUN).collect();
    if sent.iter().any(|sent| sent.is_quoted_in(&seen)) {
        return "(left out: it quotes what was sent)".to_owned();
    }
    line.chars().take(MAX_ERROR_TEXT).collect()
}

/// Shorter ones would be cut out of ordinary words.
const SHORTEST_SECRET: usize = 4;
/// So many characters of a secret in a row are a part of it, and not chance.
const SECRET_RUN: usize = 8;
/// So many characters of a text in a row, its words counted with one space between them.
const RUN: usize = 16;
/// The same for scripts in which a character is a syllable or a word.
const DENSE_RUN: usize = 6;

impl Sent<'_> {
    fn is_quoted_in(&self, line: &str) -> bool {
        match self {
            Self::Secret(secret) => {
                let secret: Vec<char> = secret.chars().collect();
                [line.to_owned(), unescape(line)].iter().any(|line| {
                    let line: Vec<char> = line.chars().collect();
                    shares_run(&line, &secret, SECRET_RUN, |_| true)
                })
            }
            Self::Words(words) => {
                let words = plain(words);
                [plain(line), plain(&unescape(line))]
                    .iter()
                    .any(|line| repeats(line, &words))
                    || quotations(line).any(|quoted| is_all_or_phrase_of(&plain(quoted), &words))
            }
        }
    }
}

/// Whether a longer run of `words` stands in `line`, or all of them where they are more than one word.
fn repeats(line: &[char], words: &[char]) -> bool {
    let all = words.len() >= RUN / 4
        && (words.contains(&' ') || words.len() >= RUN / 2)
        && is_within(&padded(words), &padded(line));
    all || shares_run(line, words, RUN, |_| true) || shares_run(line, words, DENSE_RUN, is_dense)
}

/// Whether what stands in quotation marks is all of `words` or some words of them.
fn is_all_or_phrase_of(quoted: &[char], words: &[char]) -> bool {
    !quoted.is_empty()
        && (quoted == words || (quoted.len() >= RUN / 2 && quoted.contains(&' ')))
        && is_within(quoted, words)
}

fn shares_run(line: &[char], text: &[char], run: usize, counts: impl Fn(&[char]) -> bool) -> bool {
    let runs: BTreeSet<&[char]> = line.windows(run).filter(|run| counts(run)).collect();
    !runs.is_empty() && text.windows(run).any(|run| runs.contains(run))
}

fn is_within(part: &[char], whole: &[char]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// With a space at both ends, so that only whole words are found.
fn padded(text: &[char]) -> Vec<char> {
    let mut padded = vec![' '];
    padded.extend_from_slice(text);
    padded.push(' ');
    padded
}

fn is_dense(run: &[char]) -> bool {
    run.iter().all(|c| *c >= '\u{2e80}')
}

/// The letters and digits in lower case, and one space for whatever stands between two words.
fn plain(text: &str) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if out.last().is_some_and(|last| *last != ' ') {
            out.push(' ');
        }
    }
    while out.last() == Some(&' ') {
        out.pop();
    }
    out
}

/// With the escapes of JSON (`\n`, `\u00e4`) and of URLs (`%20`, `%C3%A4`) undone.
fn unescape(text: &str) -> String {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    loop {
        if let Some((unit, behind)) = json_unit(rest) {
            units.push(unit);
            rest = behind;
            continue;
        }
        // Two units may make one character, so they are read when no more follow.
        for c in char::decode_utf16(units.drain(..)).flatten() {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        if let Some((byte, behind)) = url_byte(rest) {
            bytes.push(byte);
            rest = behind;
            continue;
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => break,
            Some('\\') => {
                bytes.push(b' ');
                rest = chars.as_str();
                // The letter of `\n` is no part of the word behind it.
                rest = rest.strip_prefix(['n', 'r', 't', 'b', 'f']).unwrap_or(rest);
            }
            Some(c) => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = chars.as_str();
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn json_unit(text: &str) -> Option<(u16, &str)> {
    let rest = text.strip_prefix("\\u")?;
    let (digits, behind) = rest.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((unit, behind))
}

fn url_byte(text: &str) -> Option<(u8, &str)> {
    let rest = text.strip_prefix('%')?;
    let (digits, behind) = rest.split_at_checked(2)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((byte, behind))
}

/// What stands between two equal quotation marks, without dots that show that it was cut.
fn quotations(line: &str) -> impl Iterator<Item = &str> {
    const PAIRS: [(char, char); 6] = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('“', '”'),
        ('„', '“'),
        ('«', '»'),
    ];
    PAIRS.into_iter().flat_map(move |(open, close)| {
        line.match_indices(open).filter_map(move |(at, mark)| {
            let behind = line.get(at + mark.len()..)?;
            behind.get(..behind.find(close)?)
        })
    })
}

/// One line, without characters that hide, reorder or forge.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(1_024));
    for c in text.trim().chars() {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.push(' ');
        } else if !is_invisible(c) {
            line.push(c);
        }
    }
    line
}

/// Addresses keep their path and lose what stands behind `?` or `#`, and a user before `@`.
fn without_queries(line: &str) -> String {
    line.split_inclusive(char::is_whitespace)
        .map(|word| {
            let is_url = word.contains("://");
            let end = word.find(|c| c == '?' || (c == '#' && is_url));
            let Some(end) = end
                .filter(|end| is_url || word.get(*end..).is_some_and(|query| query.contains('=')))
            else {
                return without_user(word);
            };
            let (address, query) = word.split_at(end);
            let shown = without_user(address);
            // The question mark of a sentence is no query.
            if query.trim_end().len() <= 1 {
                return shown + query;
            }
            let space = if query.ends_with(char::is_whitespace) {
                " "
            } else {
                ""
            };
            format!("{shown}?…{space}")
        })
        .collect()
}

fn without_user(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((user, _)) => {
            let rest = rest.get(user.len()..).unwrap_or_default();
            format!("{scheme}://…{rest}")
        }
        None => address.to_owned(),
    }
}

/// Whether a character is not seen, or changes the direction of others. Emoji joiners, which are not seen
/// either, and white space do not count.
pub(crate) const fn is_invisible(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // The zero-width joiner stays: it holds families and flags of emoji together.
        '\u{200d}' => false,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        // The soft hyphen, the grapheme joiner, the Mongolian vowel separator.
        | '\u{ad}'
        | '\u{34f}'
        | '\u{180e}'
        // A letter mark of Arabic, which changes the direction.
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        // Tags: a second alphabet that nobody sees and models read.
        | '\u{e0000}'..='\u{e007f}'
        // Variants of Han characters, which can carry hidden bytes behind any character.
        | '\u{e0100}'..='\u{e01ef}' => true,
        _ => false,
    }
}

/// A text in a `Debug`: its length and not its words.
pub(crate) struct Length<'a>(pub(crate) &'a str);

impl fmt::Debug for Length<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEFT_OUT: &str = "(left out: it quotes what was sent)";

    #[track_caller]
    fn check(text: &str, sent: &[Sent<'_>], shown: &str) {
        assert_eq!(error_text(text, sent), shown, "{text:?}");
    }

    #[test]
    fn a_servers_own_words_are_shown_on_one_line_and_cut() {
        check("model `mia-7b` not found", &[], "model `mia-7b` not found");
        check("two\r\nlines\u{2028}x", &[], "two  lines x");
        check("\u{202e}now\u{200b}here", &[], "nowhere");
        check(" \n ", &[], "(no reason given)");
        check(&"ä".repeat(500), &[], &"ä".repeat(MAX_ERROR_TEXT));
    }

    #[test]
    fn a_quotation_is_found_however_it_is_dressed() {
        let sent = [Sent::Words(
            "Meet me at the \"Häfen\" tonight, my dear Tom!",
        )];
        for text in [
            "'Meet me at the ha...' is not allowed",
            "text: meet  me AT the \"häfen\"",
            r#"body was {"text":"Meet me at the \"H\u00e4fen\" tonight"}"#,
            "at /send?x: the%20%22H%C3%A4fen%22%20tonight",
            r"tonight,\nmy\tdear Tom",
            "not allowed: “my dear Tom”",
            "not allowed: `dear Tom`",
        ] {
            check(text, &sent, LEFT_OUT);
        }
        // The quotation begins before the cut and ends behind it.
        check(
            &format!("{} tonight, my dear Tom", "x".repeat(MAX_ERROR_TEXT - 6)),
            &sent,
            LEFT_OUT,
        );
        for text in [
            "you cannot meet here",
            "the field 'text' is too long",
            "me at",
        ] {
            check(text, &sent, text);
        }
    }

    #[test]
    fn a_short_text_is_found_in_quotes_or_as_a_phrase() {
        check("'Tom' is not valid", &[Sent::Words("Tom!")], LEFT_OUT);
        check(
            "not valid: my ex Tom",
            &[Sent::Words("my ex Tom")],
            LEFT_OUT,
        );
        check(
            "Hamburg47 is not valid",
            &[Sent::Words("hamburg47")],
            LEFT_OUT,
        );
        check(
            "bad: 明日東京で会おうよ",
            &[Sent::Words("明日東京で会おうよ、九時に")],
            LEFT_OUT,
        );
        // What could be the server's own word tells nothing.
        let own = "please try again, that is not ok";
        check(
            own,
            &[
                Sent::Words("please"),
                Sent::Words("ok"),
                Sent::Words(""),
                Sent::Words("😘"),
            ],
            own,
        );
    }

    #[test]
    fn a_secret_is_cut_out_and_half_a_secret_withholds_the_rest() {
        let sent = [Sent::Secret("sk-abcdefghijkl"), Sent::Secret("")];
        check("bad key sk-abcdefghijkl!", &sent, "bad key [secret]!");
        check("bad key sk-abcde***", &sent, LEFT_OUT);
        check("bad key ending in efghijkl", &sent, LEFT_OUT);
        check("bad key sk%2Dabcdefghijkl", &sent, LEFT_OUT);
        let straddling = format!("{}sk-abcdefghijkl", "x".repeat(MAX_ERROR_TEXT - 3));
        assert!(!error_text(&straddling, &sent).contains("sk-"));
    }

    #[test]
    fn a_url_keeps_its_path_and_loses_query_and_user() {
        check(
            "GET https://u:p@api.example/v1/x?code=abc&s=1 failed",
            &[],
            "GET https://…@api.example/v1/x?… failed",
        );
        check(
            "see https://docs.example/a#b",
            &[],
            "see https://docs.example/a?…",
        );
        check("/callback?code=abc refused", &[], "/callback?… refused");
        check("really? why is a=b", &[], "really? why is a=b");
        check(
            "have you read https://docs.example?",
            &[],
            "have you read https://docs.example?",
        );
    }

    #[test]
    fn debug_shows_no_words() {
        let shown = format!("{:?}", [Sent::Words("canary"), Sent::Secret("canary")]);
        assert!(!shown.contains("canary"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_gives_one_short_visible_line(text in "\\PC{0,300}|[\\u{0}-\\u{e01ef}]{0,300}") {
            let shown = error_text(&text, &[]);
            prop_assert!(shown.chars().count() <= MAX_ERROR_TEXT);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_invisible(c)));
        }

        #[test]
        fn no_longer_run_of_what_was_sent_comes_back(
            sent in "[a-c ]{20,60}",
            before in "[x-z ]{0,220}",
            from in 0_usize..20,
        ) {
            let quoted = sent.get(from..).unwrap_or_default();
            let shown = error_text(&format!("{before}{quoted}"), &[Sent::Words(&sent)]);
            let (shown, sent) = (plain(&shown), plain(&sent));
            prop_assert!(!shares_run(&shown, &sent, RUN, |_| true));
        }
    }
}

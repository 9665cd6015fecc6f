//! What an error body says, made fit for a log: Fanvue has no single shape for errors.

use serde_json::Value;

/// The longest text that is passed on, in characters.
const MAX_CHARS: usize = 200;

/// The parts of an error body that decide what it means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ErrorBody {
    /// `message`, if it is one text.
    pub(crate) message: Option<String>,
    /// `error`, if it is one text.
    pub(crate) error: Option<String>,
    /// `errors[]`, or `message` where that is a list: the request did not validate.
    pub(crate) errors: Vec<String>,
    /// `error_description`, `detail`, `title`, or all of a body that is no JSON.
    pub(crate) rest: Option<String>,
}

impl ErrorBody {
    /// Reads `body`, which is no HTML.
    pub(crate) fn read(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let raw = String::from_utf8_lossy(body);
            return Self {
                rest: Some(raw.into_owned()).filter(|text| !text.trim().is_empty()),
                ..Self::default()
            };
        };
        let mut errors = texts(value.get("errors"));
        if let Some(Value::Array(_)) = value.get("message") {
            errors.extend(texts(value.get("message")));
        }
        Self {
            message: text(value.get("message")),
            error: text(value.get("error")),
            errors,
            rest: ["error_description", "detail", "title"]
                .into_iter()
                .find_map(|name| text(value.get(name))),
        }
    }

    /// The first of `message`, `error`, `errors[]`, the rest, as one line of at most 200 characters.
    ///
    /// `unquotable` are the words and secrets of the request. A text that repeats the start of one of
    /// them is left out.
    pub(crate) fn shown(&self, unquotable: &[&str]) -> String {
        let joined = (!self.errors.is_empty()).then(|| self.errors.join("; "));
        let text = [&self.message, &self.error, &joined, &self.rest]
            .into_iter()
            .flatten()
            .find(|text| !text.trim().is_empty());
        let Some(text) = text else {
            return "no reason given".to_owned();
        };
        if unquotable.iter().any(|words| quotes(text, words)) {
            return "the reason quotes the request and is left out".to_owned();
        }
        one_line(text)
    }

    /// All the words, in lower case, to look for known phrases.
    pub(crate) fn words(&self) -> String {
        let mut all = self.errors.join(" ");
        for part in [&self.message, &self.error, &self.rest]
            .into_iter()
            .flatten()
        {
            all.push(' ');
            all.push_str(part);
        }
        all.to_lowercase()
    }
}

/// A text, also one level down in `{"message": …}`.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Object(fields) => match fields.get("message") {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(|item| text(Some(item))).collect(),
        _ => Vec::new(),
    }
}

/// Whether `text` repeats `words` or their start. Very short words occur by chance.
fn quotes(text: &str, words: &str) -> bool {
    let start: String = words.trim().chars().take(16).collect();
    start.chars().count() >= 4 && text.contains(&start)
}

/// Control characters become spaces, so that a text cannot forge a log line.
fn one_line(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_reason_is_found_wherever_it_stands() {
        let check = |body: &str, shown: &str| {
            assert_eq!(
                ErrorBody::read(body.as_bytes()).shown(&[]),
                shown,
                "{body:?}"
            );
        };
        check(r#"{"message":"no","error":"E"}"#, "no");
        check(r#"{"error":"Unauthorized"}"#, "Unauthorized");
        check(r#"{"errors":["a","b"]}"#, "a; b");
        check(r#"{"errors":[{"message":"a"},7]}"#, "a");
        check(r#"{"message":["x must be y"],"error":"Bad"}"#, "Bad");
        check(r#"{"error":{"message":"deep"}}"#, "deep");
        check(r#"{"detail":"d","title":"t"}"#, "d");
        check(r#"{"title":"t"}"#, "t");
        check("plain words", "plain words");
        check("two\r\nlines", "two  lines");
        check(r#"{"error":""}"#, "no reason given");
        check(r#"{"other":"secret"}"#, "no reason given");
        check("[1,2]", "no reason given");
        check("", "no reason given");
    }

    #[test]
    fn a_reason_is_cut_at_a_character() {
        let long = "ä".repeat(500);
        let shown = ErrorBody::read(long.as_bytes()).shown(&[]);
        assert_eq!(shown, "ä".repeat(200));
    }

    #[test]
    fn a_reason_that_quotes_the_request_is_left_out() {
        let body = ErrorBody::read(br#"{"message":"'meet me at the ha...' is not allowed"}"#);
        let shown = body.shown(&["meet me at the harbor tonight"]);
        assert!(!shown.contains("harbor") && !shown.contains("meet me"));
        assert!(body.shown(&["ok", ""]).contains("not allowed"));
    }

    proptest! {
        #[test]
        fn any_body_gives_one_short_line(body in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let shown = ErrorBody::read(&body).shown(&[]);
            prop_assert!(shown.chars().count() <= MAX_CHARS);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}

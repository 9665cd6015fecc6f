//! What an error body says: Fanvue has no single shape for errors.

use fanvue_bot_core::redact::{Sent, error_text};
use serde_json::Value;

/// The parts of an error body that decide what it means. As they came: only [`ErrorBody::shown`] is fit for
/// an error or a log.
#[derive(Default)]
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

    /// The first of `message`, `error`, `errors[]`, the rest, made fit to be shown: without what of `sent`
    /// it quotes.
    pub(crate) fn shown(&self, sent: &[Sent<'_>]) -> String {
        let joined = (!self.errors.is_empty()).then(|| self.errors.join("; "));
        let text = [&self.message, &self.error, &joined, &self.rest]
            .into_iter()
            .flatten()
            .find(|text| !text.trim().is_empty());
        error_text(text.map_or("", String::as_str), sent)
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
        check(r#"{"error":""}"#, "(no reason given)");
        check(r#"{"other":"secret"}"#, "(no reason given)");
        check("[1,2]", "(no reason given)");
        check("", "(no reason given)");
    }

    #[test]
    fn a_reason_that_quotes_the_request_is_left_out() {
        let body = ErrorBody::read(br#"{"message":"'meet me at the ha...' is not allowed"}"#);
        let shown = body.shown(&[Sent::Words("meet me at the harbor tonight")]);
        assert!(!shown.contains("harbor") && !shown.contains("meet me"));
        let shown = body.shown(&[Sent::Words("ok"), Sent::Words("")]);
        assert!(shown.contains("not allowed"));
    }

    proptest! {
        #[test]
        fn any_body_gives_one_short_line(body in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let shown = ErrorBody::read(&body).shown(&[]);
            prop_assert!(shown.chars().count() <= fanvue_bot_core::redact::MAX_ERROR_TEXT);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}

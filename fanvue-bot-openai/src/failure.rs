//! What a server says went wrong, whatever shape it says it in.

use std::fmt;

use serde_json::Value;

/// An error as a server told it. Everything is optional: servers agree on nothing here. `Debug` shows no
/// words, which may quote the prompt.
#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `code` when it is a word; `innererror.code` of Azure is in `inner_code`.
    pub(crate) code: Option<String>,
    pub(crate) inner_code: Option<String>,
    /// `code` when it is a number that looks like an HTTP status, or is such a number in quotes.
    pub(crate) status: Option<u16>,
    pub(crate) kind: Option<String>,
    pub(crate) param: Option<String>,
    pub(crate) message: String,
    /// llama.cpp's context size.
    pub(crate) n_ctx: Option<u32>,
    /// OpenRouter's copy of the upstream's `X-RateLimit-Reset`.
    pub(crate) reset: Option<String>,
    /// OpenRouter names the reasons when its moderation refuses.
    pub(crate) flagged: bool,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("status", &self.status)
            .field("message_bytes", &self.message.len())
            .field("n_ctx", &self.n_ctx)
            .field("flagged", &self.flagged)
            .finish_non_exhaustive()
    }
}

impl Failure {
    /// The error inside a body, if it holds one. Comes before `choices`, even under status 200.
    pub(crate) fn in_body(body: &Value) -> Option<Self> {
        // Google's compatible endpoint wraps the object in a list.
        let body = match body {
            Value::Array(items) => items.first()?,
            other => other,
        };
        let object = body.as_object()?;
        match object.get("error") {
            Some(Value::Object(error)) if !error.is_empty() => {
                return Some(Self::from_object(&Value::Object(error.clone())));
            }
            Some(Value::String(words)) if !words.is_empty() => {
                let mut failure = Self::words(words);
                failure.kind = text(object.get("error_type"));
                return Some(failure);
            }
            _ => {}
        }
        // vLLM and Mistral send the error's fields at the top, marked by `object`.
        if object.get("object").and_then(Value::as_str) == Some("error") {
            return Some(Self::from_object(body));
        }
        None
    }

    /// The error in the body of a refused request, where anything that reads like words will do.
    pub(crate) fn in_refusal(body: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            // A proxy's page or a bare sentence. Pages are noise.
            return match std::str::from_utf8(body) {
                Ok(words) if !words.trim_start().starts_with('<') => Self::words(words.trim()),
                _ => Self::default(),
            };
        };
        Self::in_body(&json).unwrap_or_else(|| Self::from_object(&json))
    }

    fn words(words: &str) -> Self {
        Self {
            message: words.to_owned(),
            ..Self::default()
        }
    }

    fn from_object(error: &Value) -> Self {
        let code = &error["code"];
        let metadata = &error["metadata"];
        Self {
            code: code.as_str().map(str::to_owned),
            inner_code: text(error["innererror"].get("code")),
            status: code
                .as_u64()
                .or_else(|| code.as_str()?.parse().ok())
                .and_then(|code| u16::try_from(code).ok())
                .filter(|code| (400..600).contains(code)),
            kind: text(error.get("type")),
            param: text(error.get("param")),
            message: message(error),
            n_ctx: number(&error["n_ctx"]),
            reset: text(metadata["headers"].get("X-RateLimit-Reset")),
            flagged: metadata.get("flagged_input").is_some(),
        }
    }

    /// Whether the server used one of these words as `code` or `type`.
    pub(crate) fn is(&self, words: &[&str]) -> bool {
        [&self.code, &self.inner_code, &self.kind]
            .into_iter()
            .flatten()
            .any(|said| words.iter().any(|word| said.eq_ignore_ascii_case(word)))
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// The words of an error: `message`, else `detail` or `errors`, which validators use; of a validator's
/// entries only place and reason, never the refused input.
fn message(error: &Value) -> String {
    for place in [&error["message"], &error["detail"], &error["errors"]] {
        match place {
            Value::String(words) if !words.is_empty() => return words.clone(),
            Value::Object(inner) => {
                if let Some(Value::Array(entries)) = inner.get("detail") {
                    return entries_in_words(entries);
                }
                if let Some(words) = inner.get("message").and_then(Value::as_str) {
                    return words.to_owned();
                }
            }
            Value::Array(entries) => return entries_in_words(entries),
            _ => {}
        }
    }
    String::new()
}

fn entries_in_words(entries: &[Value]) -> String {
    let words = entries.iter().take(5).map(|entry| {
        let place: Vec<_> = entry["loc"].as_array().into_iter().flatten().collect();
        let place: Vec<_> = place.iter().filter_map(|part| part.as_str()).collect();
        let reason = entry["msg"].as_str().or_else(|| entry["message"].as_str());
        format!("{} {}", place.join("."), reason.unwrap_or_default())
    });
    words.collect::<Vec<_>>().join("; ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: &Value, code: Option<&str>, status: Option<u16>, message: &str) {
        let failure = Failure::in_refusal(body.to_string().as_bytes());
        assert_eq!(failure.code.as_deref(), code, "{body}");
        assert_eq!(failure.status, status, "{body}");
        assert_eq!(failure.message, message, "{body}");
    }

    #[test]
    fn debug_shows_no_words() {
        let body =
            br#"{"error":{"message":"canary","code":"canary","type":"canary","param":"canary"}}"#;
        let failure = Failure::in_refusal(body);
        assert_eq!(failure.message, "canary");
        assert!(!format!("{failure:?} {failure:#?}").contains("canary"));
    }

    #[test]
    fn every_shape_of_error_is_read() {
        check(
            &json!({"error": {"message": "m", "type": "t", "param": null, "code": "c"}}),
            Some("c"),
            None,
            "m",
        );
        check(
            &json!({"error": {"code": 429, "message": "m"}}),
            None,
            Some(429),
            "m",
        );
        check(
            &json!({"error": {"code": "429", "message": "m"}}),
            Some("429"),
            Some(429),
            "m",
        );
        check(&json!({"error": "words"}), None, None, "words");
        check(
            &json!({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}),
            None,
            Some(400),
            "m",
        );
        check(
            &json!([{"error": {"code": 503, "message": "m"}}]),
            None,
            Some(503),
            "m",
        );
        check(&json!({"detail": "Not Found"}), None, None, "Not Found");
        check(
            &json!({"object": "error", "message": {"detail": [
                {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": "secret words"}
            ]}, "code": null}),
            None,
            None,
            "body.seed Extra inputs are not permitted",
        );
        check(
            &json!({"errors": [{"code": 7000, "message": "no route"}]}),
            None,
            None,
            "no route",
        );
        check(&json!({}), None, None, "");
        check(&json!(null), None, None, "");
        check(&json!(7), None, None, "");
    }

    #[test]
    fn a_page_has_no_words_and_a_bare_sentence_has() {
        assert_eq!(Failure::in_refusal(b"<html>502</html>"), Failure::default());
        assert_eq!(Failure::in_refusal(b"\xff\xfe"), Failure::default());
        assert_eq!(
            Failure::in_refusal(b" upstream gone\n").message,
            "upstream gone"
        );
    }

    #[test]
    fn an_answer_without_an_error_has_none() {
        for body in [
            json!({"choices": []}),
            json!({"choices": [], "error": null}),
            json!({"choices": [], "error": {}}),
            json!({"choices": [], "error": ""}),
            json!([]),
            json!("x"),
        ] {
            assert_eq!(Failure::in_body(&body), None, "{body}");
        }
    }
}

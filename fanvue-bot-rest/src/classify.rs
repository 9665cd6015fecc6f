//! From what came over the wire to what a caller does about it.

use fanvue_bot_core::client::ClientError;
use fanvue_bot_core::redact::Sent;
use reqwest::StatusCode;
use serde_json::Value;

use crate::error_text::ErrorBody;
use crate::fault::Fault;
use crate::headers::is_html;
use crate::transport::Answer;
use crate::wire::FromAnswer;

/// What a repetition of the call would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// No harm: a read, or a write that ends in the same state however often it is done.
    Repeatable,
    /// Perhaps harm, such as a second message: no definite answer means that it may have been done.
    Once,
}

/// What a refusal of the call can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A fan who may not be reachable.
    Contact,
    /// Anything else.
    Other,
}

/// What is needed to judge an answer.
#[derive(Debug, Clone)]
pub(crate) struct Judge<'a> {
    pub(crate) effect: Effect,
    pub(crate) subject: Subject,
    /// Words and secrets of the request, which no error repeats.
    pub(crate) sent: Vec<Sent<'a>>,
}

impl Judge<'_> {
    /// There is no usable answer.
    pub(crate) fn fault(&self, fault: Fault) -> ClientError {
        match (self.effect, fault) {
            (_, fault @ Fault::NotSent(_)) => ClientError::unavailable(fault),
            (Effect::Once, fault) => ClientError::outcome_unknown(fault),
            (Effect::Repeatable, Fault::TooLarge { limit }) => ClientError::Malformed {
                reason: format!("larger than {limit} bytes"),
            },
            (Effect::Repeatable, Fault::Unreadable { reason }) => ClientError::Malformed { reason },
            (Effect::Repeatable, fault) => ClientError::unavailable(fault),
        }
    }

    /// The JSON of a 2xx answer.
    pub(crate) fn json<T: FromAnswer>(&self, answer: Answer) -> Result<T, ClientError> {
        self.read(answer).map_err(|fault| self.fault(fault))
    }

    fn read<T: FromAnswer>(&self, answer: Answer) -> Result<T, Fault> {
        let body = answer.body?;
        let unreadable = |reason: String| Fault::Unreadable { reason };
        if is_html(&answer.headers, &body) {
            return Err(unreadable(
                "an HTML page where JSON was expected".to_owned(),
            ));
        }
        // The parser's own words quote the body: only where it stopped is passed on.
        let value: Value = serde_json::from_slice(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            unreadable(format!("no JSON, at line {line} column {column}"))
        })?;
        // An array would be taken for a struct's fields in their order.
        if !value.is_object() {
            return Err(unreadable("expected a JSON object".to_owned()));
        }
        T::read(value).map_err(|expected| unreadable(expected.to_owned()))
    }

    /// The API answered with another status than 2xx, and not 429.
    pub(crate) fn refusal(&self, answer: &Answer) -> ClientError {
        let status = answer.status;
        let body = error_body(answer);
        let shown = |body: &Option<ErrorBody>| match body {
            Some(body) => body.shown(&self.sent),
            None => "an HTML page".to_owned(),
        };
        let fault = || Fault::Status {
            status: status.as_u16(),
            message: shown(&body),
        };
        match status {
            StatusCode::UNAUTHORIZED => ClientError::Unauthorized,
            // The API answers in JSON. A page comes from a firewall or a wrong address before it, and
            // does not mean that the creator must connect again or that a message is gone.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND if body.is_none() => {
                ClientError::unavailable(fault())
            }
            StatusCode::FORBIDDEN => ClientError::Forbidden {
                message: shown(&body),
            },
            StatusCode::NOT_FOUND => ClientError::NotFound,
            StatusCode::GONE => ClientError::VersionRetired,
            StatusCode::BAD_REQUEST if self.is_about_contact(body.as_ref()) => {
                ClientError::NotContactable
            }
            // The server gave up on the request, or an intermediary did: it may have got through.
            StatusCode::REQUEST_TIMEOUT => self.fault(fault()),
            _ if status.is_client_error() => ClientError::Rejected {
                message: shown(&body),
            },
            _ => self.fault(fault()),
        }
    }

    /// Whether a 400 says that the fan cannot be written to, rather than that the request is wrong:
    /// the first is `{"message"}` alone, the second `{"errors"}` or, for the version, `{"error",
    /// "message"}`.
    fn is_about_contact(&self, body: Option<&ErrorBody>) -> bool {
        let Some(body) = body else { return false };
        if self.subject != Subject::Contact || !body.errors.is_empty() {
            return false;
        }
        let alone = body.message.is_some() && body.error.is_none();
        let words = body.words();
        alone
            || ["contact", "invalid user", "blocked", "deleted user"]
                .iter()
                .any(|phrase| words.contains(phrase))
    }
}

/// Whether a refusal to create a chat says that it is there already.
pub(crate) fn says_chat_exists(answer: &Answer) -> bool {
    if !matches!(
        answer.status,
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT
    ) {
        return false;
    }
    let Some(body) = error_body(answer) else {
        return false;
    };
    let words = body.words();
    let denied = ["not exist", "n't exist", "no longer exist"];
    words.contains("exist") && !denied.iter().any(|phrase| words.contains(phrase))
}

/// What the body says; `None` for an HTML page. A body that was cut says nothing.
fn error_body(answer: &Answer) -> Option<ErrorBody> {
    let body = answer.body.as_deref().unwrap_or_default();
    (!is_html(&answer.headers, body)).then(|| ErrorBody::read(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::list::List;
    use crate::wire::loose::Whole;
    use reqwest::header::HeaderMap;

    fn answer(status: u16, kind: &'static str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Ok(body.as_bytes().to_vec()),
        }
    }

    fn json(status: u16, body: &str) -> Answer {
        answer(status, "application/json", body)
    }

    fn judge(effect: Effect, subject: Subject) -> Judge<'static> {
        Judge {
            effect,
            subject,
            sent: Vec::new(),
        }
    }

    fn variant(error: &ClientError) -> String {
        let debug = format!("{error:?}");
        debug
            .split([' ', '('])
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    #[test]
    fn each_status_means_one_thing_to_a_read_and_one_to_a_send() {
        let check = |answer: Answer, read: &str, send: &str| {
            let status = answer.status;
            let found = judge(Effect::Repeatable, Subject::Other).refusal(&answer);
            assert_eq!(variant(&found), read, "read {status}");
            let found = judge(Effect::Once, Subject::Contact).refusal(&answer);
            assert_eq!(variant(&found), send, "send {status}");
        };
        let same = |answer: Answer, variant: &str| check(answer, variant, variant);
        same(json(401, r#"{"error":"Unauthorized"}"#), "Unauthorized");
        same(json(403, r#"{"error":"insufficient scope"}"#), "Forbidden");
        same(answer(403, "text/html", "<h1>blocked</h1>"), "Unavailable");
        same(json(404, r#"{"message":"no chat"}"#), "NotFound");
        same(answer(404, "text/html", "<h1>nothing</h1>"), "Unavailable");
        same(json(409, r#"{"message":"taken"}"#), "Rejected");
        same(json(410, r#"{"error":"gone"}"#), "VersionRetired");
        same(json(413, ""), "Rejected");
        same(json(422, r#"{"errors":["x"]}"#), "Rejected");
        same(json(400, r#"{"errors":["text must be"]}"#), "Rejected");
        same(
            json(
                400,
                r#"{"error":"Unsupported API version","message":"API version 'x' is not supported"}"#,
            ),
            "Rejected",
        );
        same(json(400, r#"{"error":""}"#), "Rejected");
        same(answer(400, "text/html", "<h1>bad</h1>"), "Rejected");
        check(
            json(400, r#"{"message":"Fan cannot be contacted"}"#),
            "Rejected",
            "NotContactable",
        );
        check(
            json(400, r#"{"message":"invalid user","error":"Bad Request"}"#),
            "Rejected",
            "NotContactable",
        );
        for status in [302, 408, 500, 502, 503, 504, 529] {
            check(
                answer(status, "text/html", "<h1>oops</h1>"),
                "Unavailable",
                "OutcomeUnknown",
            );
        }
    }

    #[test]
    fn an_html_page_is_named_and_not_quoted() {
        let page = answer(403, "text/html", "<h1>ray id 123</h1>");
        let error = judge(Effect::Repeatable, Subject::Other).refusal(&page);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("403") && !source.contains("ray"));
    }

    #[test]
    fn a_parse_error_names_the_field_and_quotes_nothing() {
        let list = json(200, r#"{"data":"a fan's words"}"#);
        let judge = judge(Effect::Repeatable, Subject::Other);
        let error = judge.json::<List<Whole>>(list).map(drop).unwrap_err();
        assert_eq!(
            error.to_string(),
            "fanvue's answer does not parse: data: expected a list"
        );
    }

    #[test]
    fn a_chat_that_exists_is_told_from_a_user_who_does_not() {
        let check = |status, body: &str, exists| {
            assert_eq!(says_chat_exists(&json(status, body)), exists, "{body}");
        };
        check(400, r#"{"message":"Chat already exists"}"#, true);
        check(409, r#"{"error":"conversation exists"}"#, true);
        check(400, r#"{"message":"User does not exist"}"#, false);
        check(400, r#"{"message":"user doesn't exist"}"#, false);
        check(500, r#"{"message":"chat exists"}"#, false);
        check(400, r#"{"message":"no"}"#, false);
    }
}

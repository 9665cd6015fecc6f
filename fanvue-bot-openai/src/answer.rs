//! Reading a server's answer, every field of which is optional.

use fanvue_bot_core::llm::{Completion, FinishReason, LlmError, Usage};
use serde_json::Value;

use crate::failure::Failure;
use crate::profile::Reasoning;
use crate::thoughts;

/// What a body under status 200 turned out to be.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A text.
    Text(Completion),
    /// An error in spite of the status.
    Failed(Failure),
    /// Nothing that can be used.
    Unusable(LlmError),
}

pub(crate) fn read(body: &[u8], reasoning: Reasoning) -> Answer {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return unusable(not_json(body));
    };
    if let Some(failure) = Failure::in_body(&json) {
        return Answer::Failed(failure);
    }
    let choice = &json["choices"][0];
    // OpenRouter reports an upstream that failed half way inside the choice.
    if let Some(failure) = Failure::in_body(choice) {
        return Answer::Failed(failure);
    }
    if choice.is_null() {
        return unusable("it has no choices");
    }
    let message = &choice["message"];
    let finish = finish_reason(choice["finish_reason"].as_str());
    let raw = content(&message["content"])
        .or_else(|| choice["text"].as_str().map(str::to_owned))
        .unwrap_or_default();
    let text = match reasoning {
        Reasoning::Stripped => thoughts::stripped(&raw),
        Reasoning::Kept => raw.trim().to_owned(),
    };
    if text.is_empty() {
        let refused = message["refusal"]
            .as_str()
            .is_some_and(|words| !words.is_empty());
        return match finish {
            FinishReason::ContentFilter => Answer::Unusable(LlmError::Refused),
            _ if refused => Answer::Unusable(LlmError::Refused),
            FinishReason::Length => {
                unusable("it is empty: the token limit was used up by thoughts")
            }
            _ if !raw.trim().is_empty() => unusable("it is empty: there are only thoughts"),
            _ => unusable("it is empty"),
        };
    }
    let mut completion = Completion::new(text).finish_reason(finish);
    if let Some(usage) = usage(&json["usage"]) {
        completion = completion.usage(usage);
    }
    if let Some(model) = json["model"].as_str().filter(|model| !model.is_empty()) {
        completion = completion.model(model);
    }
    Answer::Text(completion)
}

fn unusable(reason: &str) -> Answer {
    Answer::Unusable(broken(reason))
}

pub(crate) fn broken(reason: impl Into<String>) -> LlmError {
    LlmError::Broken {
        reason: reason.into(),
    }
}

/// Says what else it is; never quotes it.
fn not_json(body: &[u8]) -> &'static str {
    let body = body.trim_ascii();
    if body.is_empty() {
        "the body is empty"
    } else if body.starts_with(b"<") {
        "it is a web page and not JSON; the base URL may be another service's"
    } else if body.starts_with(b"data:") || body.starts_with(b"event:") {
        "it is a stream, which was not asked for"
    } else {
        "it is not valid JSON"
    }
}

/// A text, or the texts among typed parts; thoughts come as parts of another type.
fn content(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(
            parts
                .iter()
                .filter(|part| matches!(part["type"].as_str(), None | Some("text" | "output_text")))
                .filter_map(|part| part["text"].as_str().or_else(|| part.as_str()))
                .collect(),
        ),
        _ => None,
    }
}

fn finish_reason(word: Option<&str>) -> FinishReason {
    match word.unwrap_or_default().to_ascii_lowercase().as_str() {
        "stop" | "end_turn" | "eos" | "eos_token" | "stop_sequence" => FinishReason::Stop,
        "length" | "max_tokens" | "model_length" | "model_context_window_exceeded" => {
            FinishReason::Length
        }
        "content_filter" | "content-filter" | "safety" | "refusal" | "prohibited_content" => {
            FinishReason::ContentFilter
        }
        _ => FinishReason::Other,
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |value: &Value| value.as_u64();
    let prompt = count(&usage["prompt_tokens"]);
    let completion = count(&usage["completion_tokens"]);
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let mut read = Usage::default();
    read.prompt_tokens = prompt.unwrap_or(0);
    read.completion_tokens = completion.unwrap_or(0);
    read.cached_tokens = count(&usage["prompt_tokens_details"]["cached_tokens"])
        .or_else(|| count(&usage["prompt_cache_hit_tokens"]))
        .unwrap_or(0);
    read.reasoning_tokens = count(&usage["completion_tokens_details"]["reasoning_tokens"])
        .or_else(|| count(&usage["reasoning_tokens"]))
        .unwrap_or(0);
    Some(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(body: &Value, expected: &str) {
        let body = body.to_string();
        let found = match read(body.as_bytes(), Reasoning::Stripped) {
            Answer::Text(answer) => format!("{:?} {}", answer.finish_reason, answer.text),
            Answer::Failed(failure) => format!("failed {}", failure.message),
            Answer::Unusable(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{body}");
    }

    fn choice(message: &Value, finish: &str) -> Value {
        json!({ "choices": [{ "message": message, "finish_reason": finish }] })
    }

    #[test]
    fn a_text_is_found_wherever_servers_put_it() {
        check(&choice(&json!({"content": " hey "}), "stop"), "Stop hey");
        check(&choice(&json!({"content": "he"}), "length"), "Length he");
        check(
            &choice(&json!({"content": "he"}), "content_filter"),
            "ContentFilter he",
        );
        check(
            &choice(&json!({"content": "hey"}), "tool_calls"),
            "Other hey",
        );
        check(
            &json!({"choices": [{"message": {"content": "hey"}}]}),
            "Other hey",
        );
        check(
            &json!({"choices": [{"text": "hey", "finish_reason": "eos"}]}),
            "Stop hey",
        );
        check(
            &choice(
                &json!({"content": "hey", "reasoning_content": "hm"}),
                "stop",
            ),
            "Stop hey",
        );
        check(
            &choice(
                &json!({"content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "he"}, {"text": "y"}
                ]}),
                "stop",
            ),
            "Stop hey",
        );
        check(
            &choice(&json!({"content": "<think>hm</think>hey"}), "stop"),
            "Stop hey",
        );
    }

    #[test]
    fn an_answer_without_a_text_is_an_error() {
        let broken = |reason: &str| format!("the model's answer is unusable: {reason}");
        for content in [
            json!(null),
            json!(""),
            json!(" \n"),
            json!([]),
            json!(7),
            json!({}),
        ] {
            check(
                &choice(&json!({"content": content}), "stop"),
                &broken("it is empty"),
            );
        }
        check(
            &choice(
                &json!({"content": null, "reasoning_content": "hm"}),
                "length",
            ),
            &broken("it is empty: the token limit was used up by thoughts"),
        );
        check(
            &choice(&json!({"content": "<think>hm</think>"}), "stop"),
            &broken("it is empty: there are only thoughts"),
        );
        for body in [
            json!({}),
            json!({"choices": []}),
            json!({"choices": null}),
            json!(3),
            json!([]),
        ] {
            check(&body, &broken("it has no choices"));
        }
    }

    #[test]
    fn a_refusal_is_told_from_an_empty_text() {
        check(
            &choice(&json!({"content": null, "refusal": "I can't"}), "stop"),
            "the model refuses to answer",
        );
        check(
            &choice(&json!({"content": ""}), "content_filter"),
            "the model refuses to answer",
        );
        check(
            &choice(&json!({"content": "hey", "refusal": null}), "stop"),
            "Stop hey",
        );
    }

    #[test]
    fn an_error_comes_before_choices() {
        let mut body = choice(&json!({"content": "hey"}), "stop");
        body["error"] = json!({"code": 502, "message": "upstream"});
        check(&body, "failed upstream");
        let mut body = choice(&json!({"content": "hey"}), "error");
        body["choices"][0]["error"] = json!({"code": 502, "message": "half way"});
        check(&body, "failed half way");
    }

    #[test]
    fn usage_is_read_as_far_as_it_is_there() {
        let read = |value: Value| usage(&value);
        assert_eq!(read(json!(null)), None);
        assert_eq!(read(json!({"prompt_tokens": -1})), None);
        let full = read(json!({
            "prompt_tokens": 10, "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 3}
        }));
        let mut expected = Usage::default();
        expected.prompt_tokens = 10;
        expected.completion_tokens = 5;
        expected.cached_tokens = 8;
        expected.reasoning_tokens = 3;
        assert_eq!(full, Some(expected));
        let deepseek = read(json!({"prompt_tokens": 10, "prompt_cache_hit_tokens": 7}));
        assert_eq!(deepseek.map(|usage| usage.cached_tokens), Some(7));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z<>/]{0,12}".prop_map(Value::from),
        ];
        let key = prop_oneof![
            Just("choices"),
            Just("message"),
            Just("content"),
            Just("error"),
            Just("usage"),
            Just("code"),
            Just("type"),
            Just("text"),
            Just("detail"),
            Just("finish_reason"),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_panics_or_gives_an_empty_text(body in any_json()) {
            if let Answer::Text(answer) = read(body.to_string().as_bytes(), Reasoning::Stripped) {
                prop_assert!(!answer.text.is_empty());
            }
            Failure::in_refusal(body.to_string().as_bytes());
        }

        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let read = read(&body, Reasoning::Stripped);
            prop_assert!(!matches!(read, Answer::Text(_)));
        }
    }
}

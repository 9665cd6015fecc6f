//! From what a server says to what a caller can do about it.

use std::time::Duration;

use fanvue_bot_core::llm::LlmError;

use crate::answer::broken;
use crate::failure::Failure;
use crate::learned::{Fix, Quirks};
use crate::overflow;
use crate::profile::{SystemRole, Temperature, TokenField};

/// No money or no quota, which waiting does not mend.
const OUT_OF_QUOTA: [&str; 8] = [
    "insufficient_quota",
    "insufficient_balance",
    "insufficient_credits",
    "billing_hard_limit_reached",
    "billing_not_active",
    "access_terminated",
    "exceeded_current_quota_error",
    "payment_required",
];
/// The same in words, lower case, for servers that use another status than 402 and no code. Google says
/// "exceeded your current quota" for limits by the minute, so those words do not count.
const OUT_OF_QUOTA_WORDS: [&str; 4] = [
    "insufficient balance",
    "insufficient credits",
    "not enough credits",
    "key limit exceeded",
];
const REFUSED: [&str; 6] = [
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "data_inspection_failed",
    "invalid_prompt",
    "moderation_blocked",
];
const RATE_LIMITED: [&str; 5] = [
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limited",
    "resource_exhausted",
    "too_many_requests",
];
const OVERLOADED: [&str; 10] = [
    "server_error",
    "internal_error",
    "internal_server_error",
    "internalservererror",
    "overloaded",
    "overloaded_error",
    "unavailable",
    "unavailable_error",
    "timeout",
    "api_error",
];
const MISCONFIGURED: [&str; 9] = [
    "authentication_error",
    "invalid_api_key",
    "permission_error",
    "invalid_request_error",
    "badrequesterror",
    "not_found_error",
    "notfounderror",
    "model_not_found",
    "not_supported_error",
];
/// A chat template that rejects the prompt answers 500, and always will.
const TEMPLATE: [&str; 4] = [
    "must alternate",
    "chat template",
    "jinja",
    "system role not supported",
];

/// The class of a failure.
///
/// Money comes before everything, because a 429 for an empty account carries `Retry-After` as well;
/// then what only a smaller prompt or other content can mend; the status decides the rest. `status` is
/// the HTTP status, 200 included.
pub(crate) fn classify(
    status: u16,
    failure: &Failure,
    words: String,
    retry_after: Option<Duration>,
) -> LlmError {
    let lower = failure.message.to_ascii_lowercase();
    let said = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    let status = match (status, failure.status) {
        (200..=299, Some(inner)) => inner,
        _ => status,
    };
    if status == 402 || failure.is(&OUT_OF_QUOTA) || said(&OUT_OF_QUOTA_WORDS) {
        return LlmError::OutOfQuota { message: words };
    }
    if let Some(too_long) = overflow::recognize(status, failure) {
        return LlmError::TooLong {
            limit: too_long.limit,
        };
    }
    if failure.flagged || failure.is(&REFUSED) {
        return LlmError::Refused;
    }
    if failure.is(&["not_supported_error"]) || said(&TEMPLATE) {
        return LlmError::Misconfigured { message: words };
    }
    match status {
        429 => LlmError::RateLimited { retry_after },
        408 | 409 | 425 | 500..=599 => LlmError::overloaded(format!("HTTP {status}: {words}")),
        300..=399 => LlmError::Misconfigured {
            message: format!(
                "HTTP {status}: the base URL redirects, and redirects are not followed"
            ),
        },
        400..=499 => LlmError::Misconfigured {
            message: format!("HTTP {status}: {words}"),
        },
        _ if failure.is(&RATE_LIMITED) => LlmError::RateLimited { retry_after },
        _ if failure.is(&OVERLOADED) => LlmError::overloaded(words),
        _ if failure.is(&MISCONFIGURED) => LlmError::Misconfigured { message: words },
        _ => broken(format!("an error under status {status}: {words}")),
    }
}

/// The change to the request that would please the server, if it refused something by name.
pub(crate) fn fix(status: u16, failure: &Failure, quirks: &Quirks, sent: &Sent<'_>) -> Option<Fix> {
    let status = match status {
        200..=299 => failure.status?,
        status => status,
    };
    let lower = failure.message.to_ascii_lowercase();
    if !matches!(status, 400 | 404 | 422 | 500) {
        return None;
    }
    let role = match quirks.system_role {
        SystemRole::Developer => Some(("developer", SystemRole::System)),
        SystemRole::System => Some(("system", SystemRole::User)),
        SystemRole::User => None,
    };
    if let Some((name, next)) = role
        && role_refused(&lower, name)
    {
        return Some(Fix::SystemRole(next));
    }
    if status == 500 || !refuses_by_name(failure, &lower) {
        return None;
    }
    let about = |field: &str| match &failure.param {
        Some(param) => param == field,
        None => names(&lower, field),
    };
    let field = quirks.token_field;
    // A sentence that refuses one token field usually recommends the other, so both stand in it.
    if about(field.as_str()) && (failure.param.is_some() || !recommends(&lower, field)) {
        return Some(Fix::TokenField(field.other()));
    }
    if sent.temperature && quirks.temperature == Temperature::Sent && about("temperature") {
        return Some(Fix::OmitTemperature);
    }
    sent.seed_field.is_some_and(about).then_some(Fix::OmitSeed)
}

/// Which of the parameters that can be left out were in the refused request.
#[derive(Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) temperature: bool,
    pub(crate) seed_field: Option<&'a str>,
}

fn refuses_by_name(failure: &Failure, lower: &str) -> bool {
    failure.is(&[
        "unsupported_parameter",
        "unsupported_value",
        "unknown_parameter",
        "extra_forbidden",
    ]) || [
        "not supported",
        "unsupported",
        "does not support",
        "unrecognized",
        "unknown parameter",
        "unknown field",
        "extra inputs are not permitted",
        "deprecated",
    ]
    .iter()
    .any(|phrase| lower.contains(phrase))
}

fn role_refused(lower: &str, role: &str) -> bool {
    lower.contains(&format!("{role} role not supported"))
        || lower.contains(&format!("does not support '{role}'"))
        || lower.contains(&format!("'{role}' is not one of"))
        || lower.contains(&format!("unknown variant `{role}`"))
        || lower.contains(&format!("{role} role is not supported"))
        || lower.contains(&format!("role '{role}' is not supported"))
}

/// Whether the text names the field as a word of its own.
fn names(lower: &str, field: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    lower.match_indices(field).any(|(at, _)| {
        let before = lower.get(..at).and_then(|text| text.chars().next_back());
        let after = lower
            .get(at + field.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Whether the text tells to use `field` instead of its sibling.
fn recommends(lower: &str, field: TokenField) -> bool {
    ["use '", "use `", "use \"", "use "]
        .iter()
        .any(|lead| lower.contains(&format!("{lead}{}", field.as_str())))
}

#[cfg(test)]
mod tests {
    use fanvue_bot_core::retry::Retry;
    use serde_json::{Value, json};

    use super::*;
    use crate::profile::Profile;

    fn class(status: u16, body: &Value) -> String {
        let failure = Failure::in_refusal(body.to_string().as_bytes());
        let wait = Some(Duration::from_secs(9));
        let error = classify(status, &failure, failure.message.clone(), wait);
        let name = format!("{error:?}");
        let name = name.split([' ', '{']).next().unwrap().to_owned();
        format!("{name} {:?}", error.retry())
    }

    #[test]
    fn each_failure_falls_into_its_class() {
        let e = |error: Value| json!({ "error": error });
        let wait = format!("{:?}", Retry::After(Duration::from_secs(9)));
        for (status, body, expected) in [
            (429, json!({}), format!("RateLimited {wait}")),
            (
                429,
                e(json!({"code": "insufficient_quota"})),
                "OutOfQuota Never".into(),
            ),
            (
                429,
                e(json!({"type": "insufficient_quota", "code": null})),
                "OutOfQuota Never".into(),
            ),
            (402, json!({}), "OutOfQuota Never".into()),
            (
                200,
                e(json!({"code": 402, "message": "Insufficient credits"})),
                "OutOfQuota Never".into(),
            ),
            (
                403,
                e(json!({"code": 403, "message": "Key limit exceeded (monthly limit)"})),
                "OutOfQuota Never".into(),
            ),
            (200, e(json!({"code": 429})), format!("RateLimited {wait}")),
            (
                200,
                e(json!({"code": "rate_limit_exceeded"})),
                format!("RateLimited {wait}"),
            ),
            (
                200,
                e(json!({"code": 502, "message": "Provider returned error"})),
                "Overloaded Backoff".into(),
            ),
            (
                200,
                e(json!({"type": "overloaded_error"})),
                "Overloaded Backoff".into(),
            ),
            (
                200,
                e(json!({"message": "who knows"})),
                "Broken Backoff".into(),
            ),
            (
                200,
                e(json!({"type": "invalid_api_key"})),
                "Misconfigured Never".into(),
            ),
            (
                503,
                e(json!({"code": 503, "message": "Loading model", "type": "unavailable_error"})),
                "Overloaded Backoff".into(),
            ),
            (408, json!({}), "Overloaded Backoff".into()),
            (409, json!({}), "Overloaded Backoff".into()),
            (500, json!({}), "Overloaded Backoff".into()),
            (502, json!({}), "Overloaded Backoff".into()),
            (529, json!({}), "Overloaded Backoff".into()),
            (
                501,
                e(json!({"type": "not_supported_error"})),
                "Misconfigured Never".into(),
            ),
            (
                500,
                e(json!({"message": "Conversation roles must alternate user/assistant"})),
                "Misconfigured Never".into(),
            ),
            (
                400,
                e(json!({"code": "context_length_exceeded"})),
                "TooLong Never".into(),
            ),
            (
                400,
                e(json!({"code": 400, "type": "exceed_context_size_error", "n_ctx": 4096})),
                "TooLong Never".into(),
            ),
            (413, json!({}), "TooLong Never".into()),
            (
                429,
                e(json!({"message": "Request too large for gpt", "code": "rate_limit_exceeded"})),
                "TooLong Never".into(),
            ),
            (
                400,
                e(
                    json!({"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}),
                ),
                "Refused Never".into(),
            ),
            (
                403,
                e(json!({"code": 403, "metadata": {"reasons": ["x"], "flagged_input": "y"}})),
                "Refused Never".into(),
            ),
            (400, json!({}), "Misconfigured Never".into()),
            (401, json!({}), "Misconfigured Never".into()),
            (403, json!({}), "Misconfigured Never".into()),
            (404, json!({}), "Misconfigured Never".into()),
            (422, json!({}), "Misconfigured Never".into()),
            (302, json!({}), "Misconfigured Never".into()),
        ] {
            assert_eq!(class(status, &body), expected, "{status} {body}");
        }
    }

    fn check_fix(profile: &Profile, status: u16, error: &Value, expected: Option<Fix>) {
        let failure = Failure::in_refusal(json!({ "error": error }).to_string().as_bytes());
        let sent = Sent {
            temperature: true,
            seed_field: profile.seed_field.as_deref(),
        };
        let found = fix(status, &failure, &Quirks::of(profile), &sent);
        assert_eq!(found, expected, "{error}");
    }

    #[test]
    fn a_refused_parameter_is_renamed_or_dropped() {
        let openai = Profile::openai();
        let generic = Profile::generic();
        let swapped = Some(Fix::TokenField(TokenField::MaxCompletionTokens));
        check_fix(
            &generic,
            400,
            &json!({"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                    "param": "max_tokens", "code": "unsupported_parameter"}),
            swapped,
        );
        check_fix(
            &generic,
            400,
            &json!({"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."}),
            swapped,
        );
        check_fix(
            &openai,
            400,
            &json!({"message": "Unrecognized request argument supplied: max_completion_tokens"}),
            Some(Fix::TokenField(TokenField::MaxTokens)),
        );
        check_fix(
            &openai,
            400,
            &json!({"message": "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
                    "param": "temperature", "code": "unsupported_value"}),
            Some(Fix::OmitTemperature),
        );
        check_fix(
            &Profile::mistral(),
            422,
            &json!({"message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "random_seed"], "msg": "Extra inputs are not permitted"}]}}),
            Some(Fix::OmitSeed),
        );
        check_fix(
            &generic,
            500,
            &json!({"message": "System role not supported", "code": 500}),
            Some(Fix::SystemRole(SystemRole::User)),
        );
        let mut developer = Profile::openai();
        developer.system_role = SystemRole::Developer;
        check_fix(
            &developer,
            400,
            &json!({"message": "'developer' is not one of ['system', 'assistant', 'user']"}),
            Some(Fix::SystemRole(SystemRole::System)),
        );
    }

    #[test]
    fn other_refusals_change_nothing() {
        let openai = Profile::openai();
        for (status, error) in [
            (
                400,
                json!({"message": "temperature must be between 0 and 2", "param": "temperature"}),
            ),
            (
                400,
                json!({"message": "Unsupported parameter: 'tools'", "param": "tools"}),
            ),
            (
                400,
                json!({"message": "max_completion_tokens is too large: 9"}),
            ),
            (401, json!({"message": "temperature is not supported"})),
            (
                429,
                json!({"message": "max_completion_tokens is not supported"}),
            ),
            (500, json!({"message": "temperature is not supported"})),
        ] {
            check_fix(&openai, status, &error, None);
        }
        check_fix(
            &Profile::generic(),
            400,
            &json!({"message": "seed is not supported"}),
            None,
        );
    }
}

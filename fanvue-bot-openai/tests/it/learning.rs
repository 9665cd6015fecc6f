//! What the adapter learns about a server, and that it asks once more only then.

use fanvue_bot_core::llm::{CompletionRequest, LlmError, LlmProvider as _, PromptMessage, Role};
use fanvue_bot_openai::Profile;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::exchange::{answer, bodies, provider, request, says, server};

fn no_max_tokens() -> ResponseTemplate {
    answer(
        400,
        &json!({ "error": { "code": "unsupported_parameter", "param": "max_tokens", "type": "invalid_request_error",
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead." } }),
    )
}

fn no_temperature() -> ResponseTemplate {
    answer(
        400,
        &json!({ "error": { "code": "unsupported_value", "param": "temperature", "type": "invalid_request_error",
            "message": "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported." } }),
    )
}

fn has(body: &Value, field: &str) -> bool {
    body.get(field).is_some()
}

#[tokio::test]
async fn refused_parameters_give_way_once_and_are_remembered() {
    let server = server(vec![
        no_max_tokens(),
        no_temperature(),
        says("a"),
        says("b"),
    ])
    .await;
    let provider = provider(&server, Profile::generic());
    provider.complete(&request()).await.unwrap();
    provider.complete(&request()).await.unwrap();
    let sent: Vec<_> = bodies(&server)
        .await
        .iter()
        .map(|body| ["max_tokens", "max_completion_tokens", "temperature"].map(|f| has(body, f)))
        .collect();
    assert_eq!(
        sent,
        [
            [true, false, true],
            [false, true, true],
            [false, true, false],
            [false, true, false],
        ]
    );
}

#[tokio::test]
async fn a_server_that_refuses_both_names_is_asked_twice_and_not_for_ever() {
    let other = answer(
        400,
        &json!({ "error": { "message": "Unrecognized request argument supplied: max_completion_tokens" } }),
    );
    let server = server(vec![no_max_tokens(), other, says("never reached")]).await;
    let provider = provider(&server, Profile::generic());
    let error = provider.complete(&request()).await.unwrap_err();
    assert!(matches!(error, LlmError::Misconfigured { .. }), "{error}");
    assert_eq!(bodies(&server).await.len(), 2);
}

#[tokio::test]
async fn what_one_model_refuses_another_still_gets() {
    let server = server(vec![no_temperature(), says("a"), says("b")]).await;
    let provider = provider(&server, Profile::openai());
    provider.complete(&request()).await.unwrap();
    let mut other = request();
    other.model = Some("model-b".into());
    provider.complete(&other).await.unwrap();
    let bodies = bodies(&server).await;
    assert!(!has(&bodies[1], "temperature"));
    assert!(has(&bodies[2], "temperature"));
    assert_eq!(bodies[2]["model"], "model-b");
}

#[tokio::test]
async fn a_model_without_a_system_role_gets_its_instructions_as_a_turn() {
    let refused = answer(
        400,
        &json!({ "error": { "message": "System role not supported" } }),
    );
    let server = server(vec![refused, says("a")]).await;
    let provider = provider(&server, Profile::vllm());
    provider.complete(&request()).await.unwrap();
    let bodies = bodies(&server).await;
    assert_eq!(bodies[1]["messages"][0]["role"], "user");
    assert_eq!(
        bodies[1]["messages"][0]["content"],
        "You are Mia, who likes long walks.\n\nhey"
    );
}

#[tokio::test]
async fn the_context_size_is_learned_from_each_form_of_overflow() {
    let forms = [
        (
            400,
            json!({ "error": { "code": "context_length_exceeded", "message": "This model's maximum context length is 4096 tokens." } }),
            Some(4_096),
        ),
        (
            400,
            json!({ "error": { "code": 400, "type": "exceed_context_size_error", "message": "the request exceeds the available context size", "n_prompt_tokens": 9000, "n_ctx": 2048 } }),
            Some(2_048),
        ),
        (
            200,
            json!({ "error": { "code": 400, "message": "This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 tokens." } }),
            Some(32_768),
        ),
        (
            400,
            json!({ "error": "input length exceeds the context length" }),
            None,
        ),
    ];
    for (status, body, limit) in forms {
        let server = server(vec![answer(status, &body)]).await;
        let provider = provider(&server, Profile::generic());
        match provider.complete(&request()).await {
            Err(LlmError::TooLong { limit: found }) => assert_eq!(found, limit, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
        let expected = limit.unwrap_or(8_192);
        assert_eq!(provider.capabilities().context_tokens, expected, "{body}");
    }
}

fn with_usage(prompt_tokens: u64) -> ResponseTemplate {
    answer(
        200,
        &json!({ "choices": [{ "message": { "content": "hey" }, "finish_reason": "stop" }],
                 "usage": { "prompt_tokens": prompt_tokens, "completion_tokens": 3 } }),
    )
}

#[tokio::test]
async fn an_answer_to_half_a_prompt_is_withheld_and_shows_the_real_context() {
    let server = server(vec![with_usage(9_500), with_usage(4_000), with_usage(0)]).await;
    let mut profile = Profile::ollama();
    profile.context_tokens = 16_384;
    let provider = provider(&server, profile);
    // About 10,000 tokens at 4 bytes each.
    let long = PromptMessage::new(Role::User, "a lot ".repeat(6_667));
    let long = CompletionRequest::new(vec![long], 300);
    provider.complete(&long).await.unwrap();
    assert_eq!(provider.capabilities().context_tokens, 16_384);
    let error = provider.complete(&long).await.unwrap_err();
    assert!(
        matches!(error, LlmError::TooLong { limit: Some(4_096) }),
        "{error}"
    );
    assert_eq!(provider.capabilities().context_tokens, 4_096);
    // A server that does not count says nothing.
    provider.complete(&long).await.unwrap();
}

//! One recorded exchange per kind of server: what it is sent, and what becomes of its answer.

use std::time::Duration;

use fanvue_bot_core::llm::{FinishReason, LlmError, LlmProvider as _};
use fanvue_bot_core::retry::Retry;
use fanvue_bot_openai::Profile;
use serde_json::{Value, json};

use crate::exchange::{KEY, answer, asked, bodies, provider, request, says, server};

fn in_place() -> Value {
    json!([
        { "role": "system", "content": "You are Mia, who likes long walks." },
        { "role": "user", "content": "hey" },
        { "role": "assistant", "content": "hey you" },
        { "role": "system", "content": "It is late." },
        { "role": "user", "content": "still \"up\"?" },
    ])
}

fn folded() -> Value {
    json!([
        { "role": "system", "content": "You are Mia, who likes long walks." },
        { "role": "user", "content": "hey" },
        { "role": "assistant", "content": "hey you" },
        { "role": "user", "content": "It is late.\n\nstill \"up\"?" },
    ])
}

#[tokio::test]
async fn openai_is_asked_and_read() {
    let recorded = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_784_000_000, "model": "model-a-2026-01-01",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "always", "refusal": null, "annotations": [] },
                      "logprobs": null, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52,
                   "prompt_tokens_details": { "cached_tokens": 32, "audio_tokens": 0 },
                   "completion_tokens_details": { "reasoning_tokens": 8 } },
        "service_tier": "default", "system_fingerprint": "fp_1"
    });
    let server = server(vec![answer(200, &recorded)]).await;
    let provider = provider(&server, Profile::openai());
    let completion = provider.complete(&request()).await.unwrap();

    assert_eq!(&*completion.text, "always");
    assert_eq!(completion.finish_reason, FinishReason::Stop);
    assert_eq!(completion.model.as_deref(), Some("model-a-2026-01-01"));
    let usage = completion.usage.unwrap();
    assert_eq!(
        [
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.completion_tokens,
            usage.reasoning_tokens
        ],
        [40, 32, 12, 8]
    );

    let asked = asked(&server).await;
    assert_eq!(asked[0].method.as_str(), "POST");
    assert_eq!(asked[0].url.path(), "/v1/chat/completions");
    assert_eq!(
        asked[0].headers["authorization"],
        format!("Bearer {KEY}").as_str()
    );
    assert_eq!(asked[0].headers["content-type"], "application/json");
    assert_eq!(asked[0].body, provider.request_bytes(&request()));
    assert_eq!(
        bodies(&server).await[0],
        json!({ "model": "model-a", "messages": in_place(), "max_completion_tokens": 300,
                "temperature": 0.5, "seed": 7, "stream": false })
    );
}

#[tokio::test]
async fn azure_is_asked_by_deployment_with_its_own_header() {
    let filtered = json!({ "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": null, "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": { "code": "ResponsibleAIPolicyViolation", "content_filter_result": { "sexual": { "filtered": true, "severity": "high" } } }
    }});
    let cut = json!({ "choices": [{ "finish_reason": "content_filter", "index": 0, "message": { "role": "assistant" } }] });
    let missing = json!({ "error": { "code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist." } });
    let busy = json!({ "error": { "code": "429", "message": "Requests have exceeded call rate limit. Please retry after 10 seconds." } });
    let server = server(vec![
        says("hi"),
        answer(400, &filtered),
        answer(200, &cut),
        answer(404, &missing),
        answer(429, &busy)
            .insert_header("retry-after-ms", "1500")
            .insert_header("retry-after", "2"),
    ])
    .await;
    let provider = crate::exchange::builder(&server.uri(), Profile::azure("2024-10-21"))
        .build()
        .unwrap();
    provider.complete(&request()).await.unwrap();
    let mut other = request();
    other.model = Some("other".into());
    assert!(matches!(
        provider.complete(&other).await,
        Err(LlmError::Refused)
    ));
    assert!(matches!(
        provider.complete(&request()).await,
        Err(LlmError::Refused)
    ));
    let missing = provider.complete(&request()).await.unwrap_err();
    assert!(
        matches!(missing, LlmError::Misconfigured { .. }),
        "{missing}"
    );
    let busy = provider.complete(&request()).await.unwrap_err();
    assert_eq!(busy.retry(), Retry::After(Duration::from_millis(1_500)));

    let asked = asked(&server).await;
    assert_eq!(
        asked[0].url.path(),
        "/openai/deployments/model-a/chat/completions"
    );
    assert_eq!(asked[0].url.query(), Some("api-version=2024-10-21"));
    assert_eq!(asked[0].headers["api-key"], KEY);
    assert!(!asked[0].headers.contains_key("authorization"));
    assert_eq!(
        asked[1].url.path(),
        "/openai/deployments/other/chat/completions"
    );
}

#[tokio::test]
async fn openrouters_error_under_status_200_is_an_error() {
    let upstream = json!({ "error": { "code": 502, "message": "Provider returned error",
        "metadata": { "provider_name": "X", "raw": "upstream" } }, "user_id": "user_1" });
    let broke = json!({ "error": { "code": 402, "message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits" } });
    let busy = json!({ "error": { "code": 429, "message": "Rate limit exceeded: free-models-per-min.",
        "metadata": { "headers": { "X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999999" } } } });
    let half_way = json!({ "choices": [{ "finish_reason": "error", "message": { "content": "he" },
        "error": { "code": 503, "message": "gone" } }] });
    let moderated = json!({ "error": { "code": 403, "message": "input was flagged",
        "metadata": { "reasons": ["sexual"], "flagged_input": "hey", "provider_name": "X" } } });
    let server = server(vec![
        answer(200, &upstream),
        answer(200, &broke),
        answer(200, &busy),
        answer(200, &half_way),
        answer(403, &moderated),
    ])
    .await;
    let provider = provider(&server, Profile::openrouter());
    assert!(matches!(
        provider.complete(&request()).await,
        Err(LlmError::Overloaded { .. })
    ));
    assert!(matches!(
        provider.complete(&request()).await,
        Err(LlmError::OutOfQuota { .. })
    ));
    assert!(matches!(
        provider.complete(&request()).await,
        Err(LlmError::RateLimited {
            retry_after: Some(_)
        })
    ));
    assert!(matches!(
        provider.complete(&request()).await,
        Err(LlmError::Overloaded { .. })
    ));
    assert!(matches!(
        provider.complete(&request()).await,
        Err(LlmError::Refused)
    ));
    assert_eq!(
        bodies(&server).await[0],
        json!({ "model": "model-a", "messages": folded(), "max_tokens": 300,
                "temperature": 0.5, "seed": 7, "stream": false })
    );
}

#[tokio::test]
async fn llama_cpp_loads_and_then_answers_with_thoughts_beside_the_text() {
    let loading = json!({ "error": { "code": 503, "message": "Loading model", "type": "unavailable_error" } });
    let recorded = json!({
        "choices": [{ "finish_reason": "length", "index": 0,
            "message": { "role": "assistant", "reasoning_content": "the fan asks", "content": "alwa" } }],
        "model": "gpt-3.5-turbo", "usage": { "completion_tokens": 9, "prompt_tokens": 30, "total_tokens": 39 },
        "timings": { "prompt_n": 1 }
    });
    let server = server(vec![answer(503, &loading), answer(200, &recorded)]).await;
    let provider = provider(&server, Profile::llama_cpp());
    let error = provider.complete(&request()).await.unwrap_err();
    assert!(matches!(error, LlmError::Overloaded { .. }));
    assert_eq!(error.retry(), Retry::Backoff);
    let completion = provider.complete(&request()).await.unwrap();
    assert_eq!(&*completion.text, "alwa");
    assert_eq!(completion.finish_reason, FinishReason::Length);
    assert!(
        !asked(&server).await[0]
            .headers
            .contains_key("authorization")
    );
    assert_eq!(
        bodies(&server).await[0],
        json!({ "model": "model-a", "messages": folded(), "max_tokens": 300, "temperature": 0.5,
                "seed": 7, "stream": false, "cache_prompt": true })
    );
}

#[tokio::test]
async fn ollama_thinks_aloud_and_names_no_model_it_does_not_have() {
    let thinking = says("<think>\nthe fan asks\n</think>\n\nalways");
    let missing = json!({ "error": { "message": "model 'model-a' not found", "type": "not_found_error", "param": null, "code": null } });
    let server = server(vec![
        thinking,
        answer(404, &missing),
        answer(
            404,
            &json!({ "error": "model 'model-a' not found, try pulling it first" }),
        ),
    ])
    .await;
    let provider = provider(&server, Profile::ollama());
    assert_eq!(
        &*provider.complete(&request()).await.unwrap().text,
        "always"
    );
    for _ in 0..2 {
        let error = provider.complete(&request()).await.unwrap_err();
        assert!(
            error.to_string().contains("model 'model-a' not found"),
            "{error}"
        );
        assert_eq!(error.retry(), Retry::Never);
    }
    assert_eq!(bodies(&server).await[0]["messages"], folded());
}

#[tokio::test]
async fn vllms_error_at_the_top_is_read_and_teaches_the_context() {
    let too_long = json!({ "object": "error", "type": "BadRequestError", "param": null, "code": 400,
        "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4700 in the messages, 300 in the completion)." });
    let server = server(vec![answer(400, &too_long)]).await;
    let provider = provider(&server, Profile::vllm());
    assert_eq!(provider.capabilities().context_tokens, 8_192);
    let error = provider.complete(&request()).await.unwrap_err();
    assert!(
        matches!(error, LlmError::TooLong { limit: Some(4_096) }),
        "{error}"
    );
    assert_eq!(provider.capabilities().context_tokens, 4_096);
}

#[tokio::test]
async fn mistral_gets_its_own_name_for_the_seed_and_answers_in_parts() {
    let recorded = json!({ "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": [
        { "type": "thinking", "thinking": [{ "type": "text", "text": "the fan asks" }] },
        { "type": "text", "text": "always" } ] } }] });
    let invalid = json!({ "object": "error", "message": { "detail": [
        { "type": "less_than_equal", "loc": ["body", "temperature"], "msg": "Input should be less than or equal to 1.5", "input": "hey you" } ] },
        "type": "invalid_request_error", "param": null, "code": null, "raw_status_code": 422 });
    let server = server(vec![answer(200, &recorded), answer(422, &invalid)]).await;
    let provider = provider(&server, Profile::mistral());
    assert_eq!(
        &*provider.complete(&request()).await.unwrap().text,
        "always"
    );
    let error = provider.complete(&request()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model is misconfigured: HTTP 422: body.temperature Input should be less than or equal to 1.5"
    );
    assert_eq!(
        bodies(&server).await[0],
        json!({ "model": "model-a", "messages": folded(), "max_tokens": 300, "temperature": 0.5,
                "random_seed": 7, "stream": false })
    );
}

#[tokio::test]
async fn an_empty_account_is_told_from_a_busy_one_in_spite_of_retry_after() {
    let broke = json!({ "error": { "message": "You exceeded your current quota, please check your plan and billing details.",
        "type": "insufficient_quota", "param": null, "code": "insufficient_quota" } });
    let busy = json!({ "error": { "message": "Rate limit reached for model-a", "type": "requests", "param": null, "code": "rate_limit_exceeded" } });
    let server = server(vec![
        answer(429, &broke).insert_header("retry-after", "5"),
        answer(429, &busy).insert_header("retry-after", "5"),
        answer(429, &busy)
            .insert_header("x-ratelimit-remaining-requests", "-1")
            .insert_header("x-ratelimit-reset-requests", "-1"),
    ])
    .await;
    let provider = provider(&server, Profile::openai());
    let advice = [
        Retry::Never,
        Retry::After(Duration::from_secs(5)),
        Retry::Backoff,
    ];
    for advice in advice {
        let error = provider.complete(&request()).await.unwrap_err();
        assert_eq!(error.retry(), advice, "{error}");
    }
}

#[tokio::test]
async fn no_error_shows_the_key_the_prompt_or_the_address() {
    let leaky = |words: &str| answer(400, &json!({ "error": { "message": words } }));
    let server = server(vec![
        leaky(&format!("Incorrect API key provided: {KEY}. {}", "x".repeat(400))),
        leaky("bad input [{'content': 'You are Mia, who likes long walks.'}]"),
        answer(503, &json!({ "error": { "message": format!("{KEY} and You are Mia, who likes long walks.") } })),
        leaky("line\r\nbreak"),
    ])
    .await;
    let provider = provider(&server, Profile::openai());
    for _ in 0..4 {
        let error = provider.complete(&request()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        for hidden in [KEY, "long walks", "127.0.0.1", "\n"] {
            assert!(!shown.contains(hidden), "{hidden}: {shown}");
        }
        assert!(shown.len() < 1_000, "{shown}");
    }
    let shown = format!("{provider:?}");
    assert!(
        !shown.contains(KEY) && !shown.contains("127.0.0.1"),
        "{shown}"
    );
}

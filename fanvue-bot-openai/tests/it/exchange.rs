//! A server that plays recorded answers in order and keeps what it was asked.

use std::time::Duration;

use fanvue_bot_core::llm::{CompletionRequest, PromptMessage, Role};
use fanvue_bot_core::secret::Secret;
use fanvue_bot_openai::{ApiKey, OpenAi, OpenAiBuilder, Profile};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub(crate) const KEY: &str = "sk-test-0123456789";

pub(crate) fn answer(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

pub(crate) fn says(text: &str) -> ResponseTemplate {
    answer(
        200,
        &json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] }),
    )
}

/// A server that gives these answers in turn.
pub(crate) async fn server(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    for (priority, answer) in (1..).zip(answers) {
        Mock::given(any())
            .respond_with(answer)
            .up_to_n_times(1)
            .with_priority(priority)
            .mount(&server)
            .await;
    }
    server
}

pub(crate) fn builder(url: &str, profile: Profile) -> OpenAiBuilder {
    let builder = OpenAi::builder(url, "model-a").timeout(Duration::from_secs(5));
    let builder = match profile.api_key {
        ApiKey::Required => builder.api_key(Secret::new(KEY)),
        _ => builder,
    };
    builder.profile(profile)
}

pub(crate) fn provider(server: &MockServer, profile: Profile) -> OpenAi {
    builder(&format!("{}/v1", server.uri()), profile)
        .build()
        .unwrap()
}

/// A chat with a late note, a temperature and a seed.
pub(crate) fn request() -> CompletionRequest {
    let mut request = CompletionRequest::new(
        vec![
            PromptMessage::new(Role::System, "You are Mia, who likes long walks."),
            PromptMessage::new(Role::User, "hey"),
            PromptMessage::new(Role::Assistant, "hey you"),
            PromptMessage::new(Role::System, "It is late."),
            PromptMessage::new(Role::User, "still \"up\"?"),
        ],
        300,
    );
    request.temperature = Some(0.5);
    request.seed = Some(7);
    request
}

/// What the server was asked, in order.
pub(crate) async fn asked(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

/// The bodies the server was sent, in order.
pub(crate) async fn bodies(server: &MockServer) -> Vec<Value> {
    let asked = asked(server).await;
    asked
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect()
}

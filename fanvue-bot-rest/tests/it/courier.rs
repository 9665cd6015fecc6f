//! Test events, posted to a door over HTTP.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::intake::Intake;
use fanvue_bot_core::memory::MemoryBackend;
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::self_test::{Problem, SelfTest, SelfTestReport};
use fanvue_bot_rest::WebhookCourier;
use wiremock::matchers::{header, header_exists, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::nobody;

/// A test whose door is at this address.
async fn test(url: &str) -> SelfTestReport {
    let intake = Intake::new(Backend::shared(Arc::new(MemoryBackend::new())));
    let courier = WebhookCourier::new(url).unwrap();
    SelfTest::new(intake, Arc::new(courier), &Secret::new("secret"))
        .unwrap()
        .run(Duration::from_secs(5))
        .await
}

#[tokio::test]
async fn an_event_is_posted_as_fanvue_posts_it() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/webhooks/fanvue"))
        .and(header("content-type", "application/json"))
        .and(header_exists("x-fanvue-signature"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let report = test(&format!("{}/webhooks/fanvue", server.uri())).await;
    // Nothing was stored behind this door.
    assert_eq!(report.problem(), Some(&Problem::OtherStore));
}

#[tokio::test]
async fn what_is_no_door_is_told_and_no_redirect_is_followed() {
    let server = MockServer::start().await;
    let elsewhere = ResponseTemplate::new(301).insert_header("location", "/webhooks/fanvue");
    Mock::given(path("/moved"))
        .respond_with(elsewhere)
        .mount(&server)
        .await;
    let report = test(&format!("{}/moved", server.uri())).await;
    assert_eq!(report.problem(), Some(&Problem::NoDoor { status: 301 }));

    let report = test(&format!("{}/webhooks/fanvue", nobody().await)).await;
    let said = report.problem().unwrap().to_string();
    assert!(said.contains("no connection"), "{said}");
    assert!(!said.contains("127.0.0.1"), "{said}");
}

#[test]
fn an_address_that_fanvue_could_not_post_to_is_refused() {
    for url in [
        "",
        "bot.example/webhooks/fanvue",
        "http://bot.example/webhooks/fanvue",
        "https://user:hunter2@bot.example/webhooks/fanvue",
        "file:///etc/passwd",
    ] {
        let error = WebhookCourier::new(url).unwrap_err();
        assert_eq!(error.problems.len(), 1, "{url}");
        assert_eq!(error.problems[0].field, "url");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

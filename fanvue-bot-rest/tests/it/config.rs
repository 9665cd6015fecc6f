//! Settings.

use std::time::Duration;

use fanvue_bot_core::client::FanvueClient;
use fanvue_bot_rest::{PathFamily, RestClient};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{account, builder, client, nobody, own};

#[test]
fn the_defaults_are_valid() {
    RestClient::builder().build().unwrap();
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let error = RestClient::builder()
        .api_base_url("http://api.fanvue.com")
        .auth_base_url("https://user:hunter2@auth.fanvue.com")
        .api_version("")
        .user_agent("a\nb")
        .connect_timeout(Duration::ZERO)
        .request_timeout(Duration::ZERO)
        .max_answer_bytes(10)
        .longest_budget_wait(Duration::ZERO)
        .proxy("socks5://hunter2@localhost")
        .build()
        .unwrap_err();
    let fields: Vec<_> = error.problems.iter().map(|problem| problem.field).collect();
    assert_eq!(
        fields,
        [
            "api_base_url",
            "auth_base_url",
            "api_version",
            "user_agent",
            "proxy",
            "connect_timeout",
            "request_timeout",
            "longest_budget_wait",
            "max_answer_bytes"
        ]
    );
    let text = error.to_string();
    assert!(
        text.contains("api_base_url is plain http; use https"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_base_url_with_the_familys_prefix_is_refused() {
    let error = RestClient::builder()
        .api_base_url("https://api.fanvue.com/v1/")
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("remove it and set path_family"));
}

#[test]
fn plain_http_needs_the_switch() {
    let local = "http://127.0.0.1:8080";
    let refused = RestClient::builder().api_base_url(local).build();
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("allow_loopback_http")
    );
    let allowed = RestClient::builder()
        .api_base_url(local)
        .allow_loopback_http();
    allowed.build().unwrap();
}

#[tokio::test]
async fn settings_reach_the_wire() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"uuid": account()})))
        .mount(&server)
        .await;
    let client = builder(&format!("{}/fanvue/", server.uri()))
        .api_version("2027-01-01")
        .user_agent("my-bot/3")
        .path_family(PathFamily::Legacy)
        .build()
        .unwrap();
    client.current_user(&own()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests[0].url.path(), "/fanvue/users/me");
    assert_eq!(requests[0].headers["x-fanvue-api-version"], "2027-01-01");
    assert_eq!(requests[0].headers["user-agent"], "my-bot/3");
}

#[tokio::test]
async fn a_proxy_is_used_when_set() {
    let proxy = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"uuid": account()})))
        .mount(&proxy)
        .await;
    let behind = nobody().await;
    let client_behind_proxy = builder(&behind).proxy(proxy.uri()).build().unwrap();
    client_behind_proxy.current_user(&own()).await.unwrap();
    assert!(client(&behind).current_user(&own()).await.is_err());
}

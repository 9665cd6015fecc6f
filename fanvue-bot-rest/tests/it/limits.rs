//! Rate limits: what Fanvue says, and what the client holds back by itself.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::client::{
    AccessToken, Auth, ClientError, FanvueClient, OutgoingMessage, RefreshToken,
};
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::rate::{Budget, Class};
use fanvue_bot_core::retry::Retry;
use fanvue_bot_rest::RestClient;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{ManualClock, account, agency, app, builder, fan, own};

async fn server(template: ResponseTemplate) -> (MockServer, Arc<ManualClock>, RestClient) {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(template)
        .mount(&server)
        .await;
    let clock = ManualClock::new();
    let client = builder(&server.uri())
        .budget(Budget::local().clock(clock.clone()))
        .build()
        .unwrap();
    (server, clock, client)
}

fn user() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"uuid": account()}))
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

fn wait<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Duration {
    match result.unwrap_err() {
        ClientError::RateLimited { retry_after } => retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_429_says_how_long_to_wait_in_every_form() {
    let limited = || ResponseTemplate::new(429);
    // The manual clock stands at 1767603600.
    let cases = [
        (limited().insert_header("retry-after", "7"), 7),
        (
            limited().insert_header("x-ratelimit-reset", "1767603612"),
            12,
        ),
        (limited().insert_header("retry-after", "86400"), 3_600),
        (limited().insert_header("retry-after", "0"), 1),
        (
            limited().set_body_raw("<html>slow down</html>", "text/html"),
            60,
        ),
        (
            limited().set_body_json(json!({"error": "Too many requests"})),
            60,
        ),
        (limited(), 60),
    ];
    for (template, seconds) in cases {
        let (_server, _clock, client) = server(template).await;
        let message = OutgoingMessage::text("hey");
        let error = client
            .send_message(&own(), fan(), &message)
            .await
            .unwrap_err();
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(seconds)));
        let refreshed = client.refresh_tokens(&app(), &RefreshToken::new("r")).await;
        assert_eq!(wait(refreshed), Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn after_a_429_nothing_is_sent_until_the_wait_is_over() {
    let limited = ResponseTemplate::new(429).insert_header("retry-after", "30");
    let (server, clock, client) = server(limited).await;
    assert_eq!(
        wait(client.current_user(&own()).await),
        Duration::from_secs(30)
    );
    clock.advance(Duration::from_secs(10));
    assert_eq!(
        wait(client.current_user(&own()).await),
        Duration::from_secs(20)
    );
    assert_eq!(requests(&server).await, 1);
    clock.advance(Duration::from_secs(20));
    assert_eq!(
        wait(client.current_user(&own()).await),
        Duration::from_secs(30)
    );
    assert_eq!(requests(&server).await, 2);
}

#[tokio::test]
async fn without_a_word_from_fanvue_100_requests_a_minute_go_out() {
    let (server, clock, client) = server(user()).await;
    for _ in 0..100 {
        client.current_user(&own()).await.unwrap();
    }
    assert_eq!(client.requests_left(&own()), 0);
    assert_eq!(
        wait(client.current_user(&own()).await),
        Duration::from_millis(600)
    );
    assert_eq!(requests(&server).await, 100);
    clock.advance(Duration::from_millis(600));
    client.current_user(&own()).await.unwrap();
}

#[tokio::test]
async fn the_limit_and_what_remains_are_learned_from_answers() {
    let told = user()
        .insert_header("x-ratelimit-limit", "200")
        .insert_header("x-ratelimit-remaining", "2")
        .insert_header("x-ratelimit-reset", "1767603660");
    let (_server, _clock, client) = server(told).await;
    assert_eq!(client.requests_left(&own()), 100);
    client.current_user(&own()).await.unwrap();
    assert_eq!(client.requests_left(&own()), 2);
    client.current_user(&own()).await.unwrap();
    client.current_user(&own()).await.unwrap();
    // 200 a minute are one each 300 ms.
    assert_eq!(
        wait(client.current_user(&own()).await),
        Duration::from_millis(300)
    );
}

#[tokio::test]
async fn one_accounts_limit_does_not_hold_up_another() {
    let told = ResponseTemplate::new(204)
        .insert_header("x-ratelimit-limit", "100")
        .insert_header("x-ratelimit-remaining", "0");
    let (_server, _clock, client) = server(told).await;
    client.mark_read(&own(), fan()).await.unwrap();
    assert_eq!(client.requests_left(&own()), 0);
    let other: CreatorId = "c0de0000-0000-4000-8000-000000000002".parse().unwrap();
    let second = Auth {
        grant: other.into(),
        ..own()
    };
    client.mark_read(&second, fan()).await.unwrap();
    client.mark_read(&agency(), fan()).await.unwrap();
    assert!(client.mark_read(&agency(), fan()).await.is_err());
}

#[tokio::test]
async fn a_new_token_of_the_same_grant_draws_from_the_same_bucket() {
    let (_server, _clock, client) = server(user()).await;
    let refreshed = Auth {
        token: AccessToken::new("the next token"),
        ..own()
    };
    for _ in 0..50 {
        client.current_user(&own()).await.unwrap();
        client.current_user(&refreshed).await.unwrap();
    }
    wait(client.current_user(&refreshed).await);
}

#[tokio::test]
async fn polls_stop_where_replies_go_on() {
    let (_server, _clock, client) = server(user()).await;
    let poll = own().class(Class::Poll);
    let mut polls = 0;
    while client.current_user(&poll).await.is_ok() {
        polls += 1;
    }
    assert_eq!(polls, 60);
    for _ in 0..39 {
        client.current_user(&own()).await.unwrap();
    }
    // The last one is kept for the poll that was refused.
    wait(client.current_user(&own()).await);
    client.current_user(&poll).await.unwrap();
}

#[tokio::test]
async fn token_requests_have_a_limit_that_is_set() {
    let server = MockServer::start().await;
    let answer = json!({"access_token": "a", "token_type": "bearer", "expires_in": 3600});
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&server)
        .await;
    let budget = Budget::local().clock(ManualClock::new()).token_requests(3);
    let client = builder(&server.uri()).budget(budget).build().unwrap();
    let token = RefreshToken::new("r");
    for _ in 0..3 {
        client.refresh_tokens(&app(), &token).await.unwrap();
    }
    let refused = client.refresh_tokens(&app(), &token).await;
    assert_eq!(wait(refused), Duration::from_secs(20));
    assert_eq!(client.requests_left(&own()), 100);
}

#[tokio::test]
async fn presence_has_a_limit_of_its_own() {
    let (server, _clock, client) =
        server(ResponseTemplate::new(200).set_body_json(json!({}))).await;
    for _ in 0..80 {
        client.presence(&own(), &[fan()]).await.unwrap();
    }
    assert_eq!(
        wait(client.presence(&own(), &[fan()]).await),
        Duration::from_millis(750)
    );
    assert_eq!(requests(&server).await, 80);
    assert_eq!(client.requests_left(&own()), 100);
}

#[tokio::test]
async fn clones_share_their_budgets() {
    let (_server, _clock, client) = server(user()).await;
    client.clone().current_user(&own()).await.unwrap();
    assert_eq!(client.requests_left(&own()), 99);
}

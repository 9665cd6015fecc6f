//! What goes wrong on the wire, for a read and for a send.

use std::time::Duration;

use fanvue_bot_core::client::{
    ChatFilter, ClientError, FanvueClient, MessageQuery, OutgoingMessage, RefreshToken,
};
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_rest::RestClient;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{
    BadServer, Misdeed, account, app, builder, client, fan, nobody, own, variant,
};

/// Makes a read, an idempotent write, a send and a refresh, and checks what each one becomes.
async fn check(client: &RestClient, read: &str, mark: &str, send: &str, refresh: &str) {
    let auth = own();
    let app = app();
    let message = OutgoingMessage::text("hey you");
    let token = RefreshToken::new("ory_rt_old");
    let (user, sent, refreshed, marked) = tokio::join!(
        client.current_user(&auth),
        client.send_message(&auth, fan(), &message),
        client.refresh_tokens(&app, &token),
        client.mark_read(&auth, fan()),
    );
    assert_eq!(variant(user), read, "read");
    assert_eq!(variant(sent), send, "send");
    assert_eq!(variant(refreshed), refresh, "refresh");
    match marked {
        Ok(()) => assert_eq!("Ok", mark),
        failed => assert_eq!(variant(failed), mark, "mark as read"),
    }
}

async fn answering(template: ResponseTemplate) -> (MockServer, RestClient) {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(template)
        .mount(&server)
        .await;
    let client = client(&server.uri());
    (server, client)
}

fn html(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(
        "<html><h1>Bad gateway</h1></html>",
        "text/html; charset=utf-8",
    )
}

#[tokio::test]
async fn a_connection_never_made_means_that_nothing_was_done() {
    let client = client(&nobody().await);
    check(
        &client,
        "Unavailable",
        "Unavailable",
        "Unavailable",
        "Unavailable",
    )
    .await;
}

#[tokio::test]
async fn an_answer_lost_after_the_request_was_read_leaves_a_send_unknown() {
    let server = BadServer::start(Misdeed::Close).await;
    let client = client(&server.uri);
    check(
        &client,
        "Unavailable",
        "Unavailable",
        "OutcomeUnknown",
        "OutcomeUnknown",
    )
    .await;
    // Each request once: the client itself repeats nothing.
    assert_eq!(server.seen(), 4);
}

#[tokio::test]
async fn silence_runs_into_the_time_limit() {
    let server = BadServer::start(Misdeed::KeepSilent).await;
    let client = builder(&server.uri)
        .connect_timeout(Duration::from_millis(900))
        .request_timeout(Duration::from_millis(1_000))
        .build()
        .unwrap();
    check(
        &client,
        "Unavailable",
        "Unavailable",
        "OutcomeUnknown",
        "OutcomeUnknown",
    )
    .await;
    assert_eq!(server.seen(), 4);
}

#[tokio::test]
async fn a_body_that_stalls_runs_into_the_same_time_limit() {
    let head = b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"messageUuid\":".to_vec();
    let server = BadServer::start(Misdeed::SendAndKeepSilent(head)).await;
    let client = builder(&server.uri)
        .connect_timeout(Duration::from_millis(900))
        .request_timeout(Duration::from_millis(1_000))
        .build()
        .unwrap();
    // The status alone says that the chat was marked.
    check(
        &client,
        "Unavailable",
        "Ok",
        "OutcomeUnknown",
        "OutcomeUnknown",
    )
    .await;
}

#[tokio::test]
async fn a_cut_body_leaves_a_send_unknown() {
    let cut = Misdeed::send(
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"mess",
    );
    let server = BadServer::start(cut).await;
    let client = client(&server.uri);
    check(
        &client,
        "Unavailable",
        "Ok",
        "OutcomeUnknown",
        "OutcomeUnknown",
    )
    .await;
}

#[tokio::test]
async fn bytes_that_are_no_http_leave_a_send_unknown() {
    let server = BadServer::start(Misdeed::send("SSH-2.0-OpenSSH_9.6\r\n")).await;
    let client = client(&server.uri);
    check(
        &client,
        "Unavailable",
        "Unavailable",
        "OutcomeUnknown",
        "OutcomeUnknown",
    )
    .await;
}

#[tokio::test]
async fn a_gateways_page_is_no_answer() {
    for status in [500, 502, 503, 504] {
        let (_server, client) = answering(html(status)).await;
        check(
            &client,
            "Unavailable",
            "Unavailable",
            "OutcomeUnknown",
            "OutcomeUnknown",
        )
        .await;
    }
}

#[tokio::test]
async fn garbage_under_200_is_malformed_to_a_read_and_unknown_to_a_send() {
    let garbage = [
        html(200),
        ResponseTemplate::new(200).set_body_string("{\"uuid\":"),
        ResponseTemplate::new(200).set_body_string(""),
        ResponseTemplate::new(200).set_body_json(json!({"uuid": "me", "messageUuid": 7})),
        ResponseTemplate::new(200).set_body_json(json!(["x"])),
        ResponseTemplate::new(200).set_body_bytes(vec![0xff, 0xfe, 0x00]),
    ];
    for template in garbage {
        let (_server, client) = answering(template).await;
        check(
            &client,
            "Malformed",
            "Ok",
            "OutcomeUnknown",
            "OutcomeUnknown",
        )
        .await;
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let large = json!({"uuid": account(), "bio": "x".repeat(100_000)});
    let template = ResponseTemplate::new(200).set_body_json(&large);
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(template)
        .mount(&server)
        .await;
    let small = builder(&server.uri())
        .max_answer_bytes(64 << 10)
        .build()
        .unwrap();
    check(
        &small,
        "Malformed",
        "Ok",
        "OutcomeUnknown",
        "OutcomeUnknown",
    )
    .await;
    client(&server.uri()).current_user(&own()).await.unwrap();
}

#[tokio::test]
async fn an_endless_answer_ends() {
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..64 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend(std::iter::repeat_n(b' ', 0x10000));
        endless.extend_from_slice(b"\r\n");
    }
    let server = BadServer::start(Misdeed::SendAndKeepSilent(endless)).await;
    let client = builder(&server.uri)
        .max_answer_bytes(1 << 20)
        .build()
        .unwrap();
    assert_eq!(variant(client.current_user(&own()).await), "Malformed");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"uuid": account()})))
        .mount(&elsewhere)
        .await;
    for status in [301, 302, 307, 308] {
        let moved = ResponseTemplate::new(status).insert_header("location", elsewhere.uri());
        let (_server, client) = answering(moved).await;
        check(
            &client,
            "Unavailable",
            "Unavailable",
            "OutcomeUnknown",
            "OutcomeUnknown",
        )
        .await;
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn each_refusal_is_told_apart() {
    let cases = [
        (401, json!({"error": "Unauthorized"}), "Unauthorized"),
        (403, json!({"error": "insufficient scope"}), "Forbidden"),
        (404, json!({"message": "no such chat"}), "NotFound"),
        (409, json!({"message": "taken"}), "Rejected"),
        (
            410,
            json!({"error": "API version no longer supported", "message": "m", "nextVersion": "2027-01-01"}),
            "VersionRetired",
        ),
        (422, json!({"errors": ["x"]}), "Rejected"),
        (400, json!({"errors": ["limit must be"]}), "Rejected"),
    ];
    for (status, body, wanted) in cases {
        let (_server, client) = answering(ResponseTemplate::new(status).set_body_json(body)).await;
        let listed = client
            .messages(&own(), fan(), &MessageQuery::newest(10))
            .await;
        assert_eq!(variant(listed), wanted, "{status}");
        let sent = client
            .send_message(&own(), fan(), &OutgoingMessage::text("hey"))
            .await;
        assert_eq!(variant(sent), wanted, "{status}");
    }
}

#[tokio::test]
async fn a_fan_who_cannot_be_contacted_is_told_from_a_wrong_request() {
    let cases = [
        (
            json!({"message": "User cannot be contacted"}),
            "NotContactable",
        ),
        (json!({"message": "invalid user"}), "NotContactable"),
        (json!({"errors": ["text must be shorter"]}), "Rejected"),
        (
            json!({"error": "Unsupported API version", "message": "API version 'x' is not supported"}),
            "Rejected",
        ),
    ];
    for (body, wanted) in cases {
        let (_server, client) = answering(ResponseTemplate::new(400).set_body_json(&body)).await;
        let sent = client
            .send_message(&own(), fan(), &OutgoingMessage::text("hey"))
            .await;
        assert_eq!(variant(sent), wanted, "{body}");
        assert_eq!(
            variant(client.create_chat(&own(), fan()).await),
            wanted,
            "{body}"
        );
        let page = PageRequest::first(10);
        let listed = client.chats(&own(), ChatFilter::All, &page).await;
        assert_eq!(variant(listed), "Rejected", "{body}");
    }
}

#[tokio::test]
async fn a_firewalls_page_does_not_look_like_a_missing_scope_or_chat() {
    for status in [403, 404] {
        let (_server, client) = answering(html(status)).await;
        check(
            &client,
            "Unavailable",
            "Unavailable",
            "Unavailable",
            "Unavailable",
        )
        .await;
    }
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_refused_without_a_request() {
    let (server, client) = answering(ResponseTemplate::new(200)).await;
    for token in ["", "a\nb"] {
        let mut auth = own();
        auth.token = fanvue_bot_core::client::AccessToken::new(token);
        let user = client.current_user(&auth).await;
        assert!(matches!(user, Err(ClientError::Unauthorized)));
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

//! No error and no debug output shows a token, a secret, a fan's words, or an address with ids.

use fanvue_bot_core::client::{
    ClientError, FanvueClient, MessageQuery, OutgoingMessage, RefreshToken,
};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{
    BadServer, Misdeed, SECRET, TOKEN, app, builder, client, everything, fan, nobody, own,
};

const WORDS: &str = "meet me at the harbor tonight";
const REFRESH: &str = "ory_rt_very_secret";

async fn errors(uri: &str) -> Vec<ClientError> {
    let client = client(uri);
    let query = MessageQuery::newest(10);
    vec![
        client.messages(&own(), fan(), &query).await.unwrap_err(),
        client
            .send_message(&own(), fan(), &OutgoingMessage::text(WORDS))
            .await
            .unwrap_err(),
        client
            .refresh_tokens(&app(), &RefreshToken::new(REFRESH))
            .await
            .unwrap_err(),
        client
            .revoke_token(&app(), &RefreshToken::new(REFRESH))
            .await
            .unwrap_err(),
    ]
}

fn assert_silent(errors: &[ClientError]) {
    let fan = fan().to_string();
    for error in errors {
        let shown = everything(error);
        for secret in [TOKEN, SECRET, REFRESH, "harbor", &fan, "http://"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

#[tokio::test]
async fn errors_of_the_connection_hold_no_address() {
    assert_silent(&errors(&nobody().await).await);
    for misdeed in [
        Misdeed::Close,
        Misdeed::send("HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\n{"),
    ] {
        let server = BadServer::start(misdeed).await;
        assert_silent(&errors(&server.uri).await);
    }
}

#[tokio::test]
async fn errors_do_not_repeat_what_a_server_echoes() {
    let echo = format!("bad: {WORDS} {TOKEN} {SECRET} {REFRESH}");
    for status in [400, 403, 409, 422, 500] {
        for body in [
            ResponseTemplate::new(status).set_body_json(json!({ "message": echo })),
            ResponseTemplate::new(status).set_body_json(json!({ "errors": [echo] })),
            ResponseTemplate::new(status)
                .set_body_json(json!({"error": "x", "error_description": echo})),
            ResponseTemplate::new(status).set_body_raw(format!("<p>{echo}</p>"), "text/html"),
        ] {
            let server = MockServer::start().await;
            Mock::given(any()).respond_with(body).mount(&server).await;
            // The read carries the token only, so the echo of another request's words stays out of it.
            let client = client(&server.uri());
            let message = OutgoingMessage::text(WORDS);
            let sent = client.send_message(&own(), fan(), &message).await;
            let refreshed = client
                .refresh_tokens(&app(), &RefreshToken::new(REFRESH))
                .await;
            let shown = everything(&sent.unwrap_err());
            assert!(
                !shown.contains(TOKEN) && !shown.contains("harbor"),
                "{shown}"
            );
            let shown = everything(&refreshed.unwrap_err());
            assert!(
                !shown.contains(SECRET) && !shown.contains(REFRESH),
                "{shown}"
            );
        }
    }
}

#[tokio::test]
async fn a_list_that_does_not_parse_is_not_quoted() {
    let server = MockServer::start().await;
    let body = json!({ "data": WORDS });
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    let client = client(&server.uri());
    let query = MessageQuery::newest(10);
    let error = client.messages(&own(), fan(), &query).await.unwrap_err();
    assert!(matches!(&error, ClientError::Malformed { .. }), "{error:?}");
    assert!(!everything(&error).contains("harbor"));
}

#[tokio::test]
async fn a_long_reason_is_cut() {
    let server = MockServer::start().await;
    let body = json!({ "errors": ["ü".repeat(1_000)] });
    Mock::given(any())
        .respond_with(ResponseTemplate::new(400).set_body_json(body))
        .mount(&server)
        .await;
    let error = client(&server.uri())
        .current_user(&own())
        .await
        .unwrap_err();
    let ClientError::Rejected { message } = error else {
        panic!("{error:?}");
    };
    assert_eq!(message, "ü".repeat(200));
}

#[tokio::test]
async fn debug_shows_settings_and_no_secret() {
    let builder = builder("http://127.0.0.1:1").proxy("http://user:proxy-password@localhost:1");
    assert!(!format!("{builder:?}").contains("proxy-password"));
    let client = builder.build().unwrap();
    let shown = format!("{client:?}");
    assert!(
        !shown.contains("proxy-password") && shown.contains("2025-06-26"),
        "{shown}"
    );
}

//! The authorization server.

use std::time::Duration;

use fanvue_bot_core::client::{
    AuthorizationGrant, CodeVerifier, FanvueClient, RefreshToken, TokenSet,
};
use fanvue_bot_core::secret::Secret;
use fanvue_bot_rest::RestClient;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{app, client, variant};

fn grant() -> AuthorizationGrant {
    AuthorizationGrant {
        app: app(),
        code: Secret::new("ory_ac_code+/="),
        redirect_uri: "https://bot.example.test/oauth/callback?a=b".to_owned(),
        code_verifier: CodeVerifier::new("verifier-".repeat(6)),
    }
}

fn tokens() -> Value {
    json!({
        "access_token": "new-access", "token_type": "bearer", "expires_in": 3599,
        "refresh_token": "ory_rt_new", "scope": "openid read:self write:chat", "id_token": "x.y.z"
    })
}

async fn answering(status: u16, body: Value) -> (MockServer, RestClient) {
    let server = MockServer::start().await;
    let template = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(any())
        .respond_with(template)
        .mount(&server)
        .await;
    let client = client(&server.uri());
    (server, client)
}

/// Checks the only request, and answers with its form.
async fn form(server: &MockServer, path: &str) -> Vec<(String, String)> {
    let requests = server.received_requests().await.unwrap();
    let [request] = requests.as_slice() else {
        panic!("one request, not {}", requests.len());
    };
    assert_eq!(
        (request.method.as_str(), request.url.path()),
        ("POST", path)
    );
    assert_eq!(request.url.query(), None);
    assert_eq!(
        header(request, "content-type"),
        "application/x-www-form-urlencoded"
    );
    // app-id:client-secret-of-the-app
    assert_eq!(
        header(request, "authorization"),
        "Basic YXBwLWlkOmNsaWVudC1zZWNyZXQtb2YtdGhlLWFwcA=="
    );
    let url = format!("http://form?{}", String::from_utf8_lossy(&request.body));
    let pairs = wiremock::http::Url::parse(&url).unwrap();
    pairs.query_pairs().into_owned().collect()
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).unwrap().to_str().unwrap()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn assert_new(tokens: &TokenSet) {
    assert_eq!(tokens.access_token.expose(), "new-access");
    assert_eq!(tokens.refresh_token, Some(RefreshToken::new("ory_rt_new")));
    assert_eq!(tokens.expires_in, Duration::from_secs(3_599));
}

#[tokio::test]
async fn a_code_is_exchanged_with_its_verifier() {
    let (server, client) = answering(200, tokens()).await;
    let set = client.exchange_code(&grant()).await.unwrap();
    assert_new(&set);
    assert_eq!(set.scopes.unwrap(), ["openid", "read:self", "write:chat"]);
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "ory_ac_code+/="),
        (
            "redirect_uri",
            "https://bot.example.test/oauth/callback?a=b",
        ),
        ("code_verifier", &"verifier-".repeat(6)),
    ];
    assert_eq!(form(&server, "/oauth2/token").await, pairs(&expected));
}

#[tokio::test]
async fn a_refresh_may_leave_out_the_scopes() {
    let mut body = tokens();
    body["scope"] = Value::Null;
    let (server, client) = answering(200, body).await;
    let token = RefreshToken::new("ory_rt_old");
    let set = client.refresh_tokens(&app(), &token).await.unwrap();
    assert_new(&set);
    assert_eq!(set.scopes, None);
    let expected = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "ory_rt_old"),
    ];
    assert_eq!(form(&server, "/oauth2/token").await, pairs(&expected));
}

#[tokio::test]
async fn a_grant_is_revoked_by_its_refresh_token() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let token = RefreshToken::new("ory_rt_old");
    client(&server.uri())
        .revoke_token(&app(), &token)
        .await
        .unwrap();
    let expected = [
        ("token", "ory_rt_old"),
        ("token_type_hint", "refresh_token"),
    ];
    assert_eq!(form(&server, "/oauth2/revoke").await, pairs(&expected));
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let cases = [
        (
            400,
            json!({"error": "invalid_grant", "error_description": "used"}),
            "InvalidGrant",
        ),
        (401, json!({"error": "invalid_client"}), "InvalidClient"),
        (400, json!({"error": "invalid_request"}), "Rejected"),
        (500, json!({"error": "server_error"}), "OutcomeUnknown"),
        (200, json!({"access_token": null}), "OutcomeUnknown"),
        (
            200,
            json!({"access_token": "a", "token_type": "mac"}),
            "OutcomeUnknown",
        ),
    ];
    for (status, body, wanted) in cases {
        let (_server, client) = answering(status, body.clone()).await;
        let exchanged = client.exchange_code(&grant()).await;
        assert_eq!(variant(exchanged), wanted, "{body}");
        let token = RefreshToken::new("ory_rt_old");
        let refreshed = client.refresh_tokens(&app(), &token).await;
        assert_eq!(variant(refreshed), wanted, "{body}");
    }
}

#[tokio::test]
async fn a_failed_revocation_may_be_repeated() {
    let (_server, client) = answering(503, json!({})).await;
    let token = RefreshToken::new("ory_rt_old");
    assert_eq!(
        variant(client.revoke_token(&app(), &token).await),
        "Unavailable"
    );
}

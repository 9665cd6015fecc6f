//! The authorization server.

use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanvue_bot_testkit::simulator::world::challenge;
use fanvue_bot_testkit::simulator::{ConsentMode, Simulator};
use serde_json::Value;

use crate::support::{
    APP, Answer, Api, Bench, Fallible, REDIRECT, SECRET, Test, app, client, read,
};

const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";
const SCOPE: &str = "openid offline_access offline read:self read:chat write:chat";

fn query(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = challenge(VERIFIER);
    let mut pairs: Vec<(String, String)> = [
        ("client_id", APP),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", SCOPE),
        ("state", "0123456789"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    pairs
}

async fn authorize(simulator: &Simulator, changes: &[(&str, &str)]) -> Fallible<Answer> {
    let mut url = reqwest::Url::parse(&format!("{}/oauth2/auth", simulator.base_url()))?;
    url.query_pairs_mut().extend_pairs(query(changes));
    read(client().get(url).send().await?).await
}

/// A parameter of the address redirected to.
fn returned(answer: &Answer, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(answer.header("location")?).ok()?;
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

async fn token(simulator: &Simulator, form: &[(&str, &str)]) -> Fallible<Answer> {
    let request = client()
        .post(format!("{}/oauth2/token", simulator.base_url()))
        .basic_auth(APP, Some(SECRET))
        .form(form);
    read(request.send().await?).await
}

fn decoded(text: &str) -> Fallible<Vec<u8>> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|error| error.to_string().into())
}

async fn code(simulator: &Simulator) -> Fallible<String> {
    let answer = authorize(simulator, &[]).await?;
    returned(&answer, "code").ok_or_else(|| format!("no code in {answer:?}").into())
}

async fn exchange(simulator: &Simulator, code: &str) -> Fallible<Answer> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", APP),
    ];
    token(simulator, &form).await
}

async fn refresh(simulator: &Simulator, refresh_token: &Value) -> Fallible<Answer> {
    let refresh_token = refresh_token.as_str().unwrap_or_default();
    token(
        simulator,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ],
    )
    .await
}

#[tokio::test]
async fn the_whole_way_from_consent_to_the_first_call_works() -> Test {
    let Bench {
        simulator, people, ..
    } = Bench::start().await?;
    let answer = authorize(&simulator, &[]).await?;
    assert_eq!(answer.status, 302);
    assert!(
        answer
            .header("location")
            .unwrap_or_default()
            .starts_with(REDIRECT)
    );
    assert_eq!(returned(&answer, "state").as_deref(), Some("0123456789"));
    assert_eq!(returned(&answer, "scope").as_deref(), Some(SCOPE));
    let tokens = exchange(&simulator, &returned(&answer, "code").unwrap_or_default()).await?;
    assert_eq!(tokens.status, 200);
    let tokens = tokens.json();
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["expires_in"], 3599);
    assert!(
        tokens["refresh_token"]
            .as_str()
            .is_some_and(|t| t.starts_with("ory_rt_"))
    );
    assert!(tokens["id_token"].is_string());
    let api = Api::new(
        simulator.base_url(),
        tokens["access_token"].as_str().unwrap_or_default(),
    );
    let me = api.get("/v1/users/me").await?.json();
    assert_eq!(me["uuid"], people.luna.to_string());
    Ok(())
}

#[tokio::test]
async fn an_unknown_client_or_redirect_is_refused_without_a_redirect() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    for (name, value) in [
        ("client_id", "nobody"),
        ("redirect_uri", "http://127.0.0.1:9/oauth/"),
        ("redirect_uri", ""),
    ] {
        let answer = authorize(&simulator, &[(name, value)]).await?;
        assert!(answer.status >= 400, "{name}={value}: {answer:?}");
        assert_eq!(answer.header("location"), None);
    }
    Ok(())
}

#[tokio::test]
async fn faulty_authorize_requests_come_back_with_an_error_on_the_redirect() -> Test {
    let scopes = SCOPE.split(' ');
    let simulator = Simulator::builder()
        .app(app().scopes(scopes))
        .start()
        .await?;
    simulator.add_creator("luna", "Luna");
    for (name, value, error) in [
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("state", "short", "invalid_state"),
        ("state", "", "invalid_state"),
        ("scope", "openid read:fan", "invalid_scope"),
        ("response_type", "token", "unsupported_response_type"),
    ] {
        let answer = authorize(&simulator, &[(name, value)]).await?;
        assert_eq!(answer.status, 302, "{name}={value}");
        assert_eq!(
            returned(&answer, "error").as_deref(),
            Some(error),
            "{name}={value}"
        );
        assert!(returned(&answer, "error_description").is_some());
        assert!(returned(&answer, "code").is_none());
    }
    simulator.set_consent(ConsentMode::Deny, None);
    let answer = authorize(&simulator, &[]).await?;
    assert_eq!(returned(&answer, "error").as_deref(), Some("access_denied"));
    assert_eq!(returned(&answer, "state").as_deref(), Some("0123456789"));
    Ok(())
}

#[tokio::test]
async fn the_consent_page_asks_and_does_what_it_is_told() -> Test {
    let Bench {
        simulator, people, ..
    } = Bench::start().await?;
    simulator.set_consent(ConsentMode::Page, None);
    let page = authorize(&simulator, &[]).await?;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("read:chat") && page.text.contains("name=\"_decision\""));
    let denied = authorize(&simulator, &[("_decision", "deny")]).await?;
    assert_eq!(returned(&denied, "error").as_deref(), Some("access_denied"));
    let nova = people.nova.to_string();
    let allowed = authorize(&simulator, &[("_decision", "allow"), ("_user", &nova)]).await?;
    let tokens = exchange(&simulator, &returned(&allowed, "code").unwrap_or_default()).await?;
    let token = tokens.json()["access_token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let me = Api::new(simulator.base_url(), &token)
        .get("/users/me")
        .await?
        .json();
    assert_eq!(me["uuid"], nova);
    Ok(())
}

#[tokio::test]
async fn the_answer_can_be_posted_by_a_form() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let page = authorize(&simulator, &[("response_mode", "form_post")]).await?;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("name=\"code\"") && page.text.contains("method=\"post\""));
    Ok(())
}

#[tokio::test]
async fn a_code_works_once_and_only_for_a_minute() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let used = code(&simulator).await?;
    let tokens = exchange(&simulator, &used).await?.json();
    let again = exchange(&simulator, &used).await?;
    assert_eq!(
        (again.status, &again.json()["error"]),
        (400, &Value::from("invalid_grant"))
    );
    let revoked = refresh(&simulator, &tokens["refresh_token"]).await?;
    assert_eq!(
        revoked.json()["error"],
        "invalid_grant",
        "the reuse ended the chain"
    );
    let late = code(&simulator).await?;
    simulator.advance(Duration::from_secs(61));
    assert_eq!(
        exchange(&simulator, &late).await?.json()["error"],
        "invalid_grant"
    );
    Ok(())
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_its_redirect() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let code = code(&simulator).await?;
    for (name, value, error) in [
        (
            "code_verifier",
            "another-verifier-of-forty-three-characters-x",
            "invalid_grant",
        ),
        ("code_verifier", "short", "invalid_grant"),
        ("code_verifier", "", "invalid_request"),
        (
            "redirect_uri",
            "http://127.0.0.1:9/oauth/callback/",
            "invalid_grant",
        ),
        ("code", "", "invalid_request"),
        ("grant_type", "password", "unsupported_grant_type"),
    ] {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        let answer = token(&simulator, &form).await?;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &Value::from(error)),
            "{name}"
        );
    }
    assert_eq!(
        exchange(&simulator, &code).await?.status,
        200,
        "the attempts spent nothing"
    );
    Ok(())
}

#[tokio::test]
async fn clients_prove_themselves_by_the_basic_header_and_by_nothing_else() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let url = format!("{}/oauth2/token", simulator.base_url());
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let in_body = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", APP),
        ("client_secret", SECRET),
    ];
    for request in [
        client().post(&url).form(&form),
        client().post(&url).form(&in_body),
        client()
            .post(&url)
            .basic_auth(APP, Some(SECRET))
            .form(&in_body),
        client()
            .post(&url)
            .basic_auth(APP, Some("wrong"))
            .form(&form),
        client()
            .post(&url)
            .basic_auth("nobody", Some(SECRET))
            .form(&form),
    ] {
        let answer = read(request.send().await?).await?;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error"], "invalid_client");
    }
    Ok(())
}

#[tokio::test]
async fn refresh_tokens_rotate_and_late_reuse_ends_the_chain() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let first = exchange(&simulator, &code(&simulator).await?).await?.json();
    let second = refresh(&simulator, &first["refresh_token"]).await?;
    assert_eq!(second.status, 200);
    let second = second.json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    simulator.advance(Duration::from_secs(20));
    let third = refresh(&simulator, &first["refresh_token"]).await?;
    assert_eq!(third.status, 200, "within the grace");
    simulator.advance(Duration::from_secs(11));
    let late = refresh(&simulator, &first["refresh_token"]).await?;
    assert_eq!(
        (late.status, &late.json()["error"]),
        (400, &Value::from("invalid_grant"))
    );
    let dead = refresh(&simulator, &second["refresh_token"]).await?;
    assert_eq!(dead.json()["error"], "invalid_grant");
    let access = third.json()["access_token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert_eq!(
        Api::new(simulator.base_url(), &access)
            .get("/users/me")
            .await?
            .status,
        401
    );
    Ok(())
}

#[tokio::test]
async fn without_an_offline_scope_there_is_no_refresh_token() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let answer = authorize(&simulator, &[("scope", "read:self")]).await?;
    let tokens = exchange(&simulator, &returned(&answer, "code").unwrap_or_default()).await?;
    let tokens = tokens.json();
    assert!(tokens["refresh_token"].is_null() && tokens["id_token"].is_null());
    Ok(())
}

#[tokio::test]
async fn access_tokens_are_jwts_that_the_published_keys_verify() -> Test {
    let Bench {
        simulator, people, ..
    } = Bench::start().await?;
    let tokens = exchange(&simulator, &code(&simulator).await?).await?.json();
    let token = tokens["access_token"].as_str().unwrap_or_default();
    let anonymous = Api::new(simulator.base_url(), "");
    let discovery = anonymous
        .get("/.well-known/openid-configuration")
        .await?
        .json();
    assert_eq!(discovery["issuer"], simulator.base_url());
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "jwks_uri",
    ] {
        let address = discovery[name].as_str().unwrap_or_default();
        assert!(
            address.starts_with(simulator.base_url()),
            "{name}: {address}"
        );
    }
    let keys = anonymous.get("/.well-known/jwks.json").await?.json();
    let (text, signature) = token.rsplit_once('.').ok_or("no JWT")?;
    let (header, claims) = text.split_once('.').ok_or("no JWT")?;
    let part = |text: &str| -> Fallible<Value> { Ok(serde_json::from_slice(&decoded(text)?)?) };
    let (header, claims) = (part(header)?, part(claims)?);
    let key = &keys["keys"][0];
    assert_eq!(
        (&header["alg"], &header["kid"]),
        (&Value::from("RS256"), &key["kid"])
    );
    let number = |name: &str| decoded(key[name].as_str().unwrap_or_default());
    RsaPublicKeyComponents {
        n: number("n")?,
        e: number("e")?,
    }
    .verify(
        &RSA_PKCS1_2048_8192_SHA256,
        text.as_bytes(),
        &decoded(signature)?,
    )
    .map_err(|_| "the signature does not fit")?;
    assert_eq!(claims["iss"], simulator.base_url());
    assert_eq!(claims["sub"], people.luna.to_string());
    let scopes = claims["scp"].as_array().map_or(0, Vec::len);
    assert_eq!(scopes, SCOPE.split(' ').count());
    let life = claims["exp"].as_u64().unwrap_or(0) - claims["iat"].as_u64().unwrap_or(0);
    assert_eq!(life, 3599);
    Ok(())
}

#[tokio::test]
async fn the_life_of_access_tokens_is_a_setting() -> Test {
    let bench = Bench::with(Simulator::builder().access_token_seconds(5)).await?;
    assert_eq!(bench.api.get("/users/me").await?.status, 200);
    bench.simulator.advance(Duration::from_secs(5));
    let late = bench.api.get("/users/me").await?;
    assert_eq!(
        (late.status, &late.json()["error"]),
        (401, &Value::from("Unauthorized"))
    );
    Ok(())
}

#[tokio::test]
async fn revoking_ends_the_chain_and_unknown_tokens_are_no_error() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let tokens = exchange(&simulator, &code(&simulator).await?).await?.json();
    let url = format!("{}/oauth2/revoke", simulator.base_url());
    let known = tokens["refresh_token"].as_str().unwrap_or_default();
    for token in [known, "ory_rt_unknown"] {
        let form = [("token", token), ("token_type_hint", "refresh_token")];
        let request = client()
            .post(&url)
            .basic_auth(APP, Some(SECRET))
            .form(&form);
        let answer = read(request.send().await?).await?;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
    assert_eq!(
        refresh(&simulator, &tokens["refresh_token"]).await?.json()["error"],
        "invalid_grant"
    );
    Ok(())
}

#[tokio::test]
async fn a_creator_who_disconnects_ends_every_token() -> Test {
    let bench = Bench::start().await?;
    bench.simulator.disconnect(APP, bench.people.luna);
    assert_eq!(bench.api.get("/users/me").await?.status, 401);
    Ok(())
}

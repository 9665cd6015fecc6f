//! The authorization server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

use super::answer::Answer;
use super::jwt;
use super::request::{Fields, Incoming, decode, encode};
use super::shared::{ConsentMode, Platform, Settings};
use crate::simulator::world::{Consent, IssuedTokens, Moment, OAuthError, World};

/// Answers a request to the authorization server; `None` if the path is not one of its own.
pub(super) fn answer(
    platform: &mut Platform,
    settings: &Settings,
    request: &Incoming,
    now: Moment,
) -> Option<Answer> {
    Some(match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/oauth2/auth") => authorize(platform, settings, &request.query, now),
        ("POST", "/oauth2/token") => match token(platform, settings, request, now) {
            Ok(answer) => answer,
            Err(refusal) => refusal.into(),
        },
        ("POST", "/oauth2/revoke") => match revoke(platform, request) {
            Ok(answer) => answer,
            Err(refusal) => refusal.into(),
        },
        ("GET", "/.well-known/openid-configuration") => discovery(settings),
        ("GET", "/.well-known/jwks.json") => match jwt::signer().and_then(jwt::Signer::key_set) {
            Some(keys) => Answer::json(200, &keys),
            None => Answer::gateway_error(500),
        },
        (_, "/oauth2/auth" | "/oauth2/token" | "/oauth2/revoke") => Answer::empty(405),
        _ => return None,
    })
}

/// An authorize request that names a known app and one of its redirects: errors may go there.
struct Target<'a> {
    client_id: &'a str,
    redirect_uri: &'a str,
    state: &'a str,
    form_post: bool,
}

impl Target<'_> {
    fn send(&self, pairs: &[(&str, &str)]) -> Answer {
        let pairs = pairs.iter().copied().chain([("state", self.state)]);
        if self.form_post {
            let inputs: String = pairs
                .map(|(name, value)| {
                    format!(
                        "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
                        escape(value)
                    )
                })
                .collect();
            let page = format!(
                "<form id=\"f\" method=\"post\" action=\"{}\">{inputs}<button>Continue</button>\
                 </form><script>document.getElementById('f').submit()</script>",
                escape(self.redirect_uri)
            );
            return Answer::html(200, &page);
        }
        let query: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let joint = if self.redirect_uri.contains('?') {
            '&'
        } else {
            '?'
        };
        Answer::redirect(format!("{}{joint}{}", self.redirect_uri, query.join("&")))
    }

    fn fail(&self, error: &str, description: &str) -> Answer {
        self.send(&[("error", error), ("error_description", description)])
    }
}

fn authorize(platform: &mut Platform, settings: &Settings, query: &Fields, now: Moment) -> Answer {
    let client_id = query.get("client_id").unwrap_or_default();
    let Some(app) = platform.world.app(client_id) else {
        return OAuthError::invalid_client("client_id is not known").into();
    };
    let redirect_uri = query.get("redirect_uri").unwrap_or_default();
    if !app.redirect_uris.iter().any(|known| known == redirect_uri) {
        return OAuthError::invalid_request("redirect_uri is not one of the app's").into();
    }
    let state = query.get("state").unwrap_or_default();
    let form_post = query.get("response_mode") == Some("form_post");
    let target = Target {
        client_id,
        redirect_uri,
        state,
        form_post,
    };
    if query.get("response_type") != Some("code") {
        return target.fail("unsupported_response_type", "response_type must be code");
    }
    if state.chars().count() < 8 {
        return target.fail("invalid_state", "state must have at least 8 characters");
    }
    let challenge = query.get("code_challenge").unwrap_or_default();
    if challenge.is_empty() || query.get("code_challenge_method") != Some("S256") {
        return target.fail("invalid_request", "PKCE with method S256 is required");
    }
    let scopes: Vec<&str> = query
        .get("scope")
        .unwrap_or_default()
        .split(' ')
        .filter(|s| !s.is_empty())
        .collect();
    if let Some(scope) = scopes.iter().find(|scope| !app.scopes.contains(**scope)) {
        let reason = format!("the app is not allowed to ask for {scope}");
        return target.fail("invalid_scope", &reason);
    }
    let Some(user) = signed_in(platform, query) else {
        return target.fail("access_denied", "nobody is signed in");
    };
    let decision = query.get("_decision");
    match (platform.consent, decision) {
        (ConsentMode::Deny, _) | (ConsentMode::Page, Some("deny")) => {
            target.fail("access_denied", "the user said no")
        }
        (ConsentMode::Page, None) => page(&platform.world, settings, query, &target, &scopes),
        (ConsentMode::Automatic | ConsentMode::Page, _) => {
            let consent = Consent::new(
                target.client_id,
                user,
                scopes.iter().copied(),
                target.redirect_uri,
                challenge,
            );
            let code = platform.world.issue_code(consent, now);
            target.send(&[("code", &code), ("scope", &scopes.join(" "))])
        }
    }
}

/// Whoever the query names by uuid or handle, or else whoever the simulator says is signed in, or
/// else the first creator.
fn signed_in(platform: &Platform, query: &Fields) -> Option<Uuid> {
    let named = query.get("_user").or_else(|| query.get("login_hint"));
    if let Some(name) = named {
        return platform
            .world
            .creators()
            .find(|c| c.handle == name || c.uuid.to_string() == name)
            .map(|c| c.uuid);
    }
    platform.signed_in.or_else(|| {
        platform
            .world
            .creators()
            .min_by_key(|c| c.created_at.plus(u64::from(c.is_agency())))
            .map(|c| c.uuid)
    })
}

fn page(
    world: &World,
    settings: &Settings,
    query: &Fields,
    target: &Target<'_>,
    scopes: &[&str],
) -> Answer {
    let hidden: String = [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
        "response_mode",
    ]
    .into_iter()
    .filter_map(|name| Some((name, query.get(name)?)))
    .map(|(name, value)| {
        format!(
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
            escape(value)
        )
    })
    .collect();
    let users: String = world
        .creators()
        .map(|c| {
            format!(
                "<option value=\"{}\">{}</option>",
                c.uuid,
                escape(&c.display_name)
            )
        })
        .collect();
    let list: String = scopes
        .iter()
        .map(|scope| format!("<li>{}</li>", escape(scope)))
        .collect();
    let page = format!(
        "<!doctype html><title>Simulated Fanvue</title><h1>Authorize {}</h1>\
         <form action=\"{}/oauth2/auth\">{hidden}<label>As <select name=\"_user\">{users}</select>\
         </label><ul>{list}</ul><button name=\"_decision\" value=\"allow\">Allow</button> \
         <button name=\"_decision\" value=\"deny\">Deny</button></form>",
        escape(target.client_id),
        escape(&settings.base_url),
    );
    Answer::html(200, &page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// Checks the Basic header, the only way that a client may prove itself.
fn client(platform: &Platform, request: &Incoming, form: &Fields) -> Result<String, OAuthError> {
    if form.get("client_secret").is_some() {
        return Err(OAuthError::invalid_client(
            "the secret belongs in the Basic header",
        ));
    }
    let header = request.header("authorization").unwrap_or_default();
    let (scheme, encoded) = header.split_once(' ').unwrap_or_default();
    let pair = STANDARD
        .decode(encoded.trim())
        .ok()
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(OAuthError::invalid_client("a Basic header is required"))?;
    let (id, secret) = pair.split_once(':').unwrap_or_default();
    // RFC 6749 has both parts form-encoded; clients that skip that send them as they are.
    let id = decode(id, true);
    platform
        .world
        .check_client(&id, secret)
        .or_else(|_| platform.world.check_client(&id, &decode(secret, true)))?;
    if form.get("client_id").is_some_and(|named| named != id) {
        return Err(OAuthError::invalid_client(
            "client_id differs from the Basic header",
        ));
    }
    Ok(id)
}

fn token(
    platform: &mut Platform,
    settings: &Settings,
    request: &Incoming,
    now: Moment,
) -> Result<Answer, OAuthError> {
    let form = request.form();
    let client = client(platform, request, &form)?;
    let needed = |name: &'static str, problem| {
        form.get(name)
            .filter(|v| !v.is_empty())
            .ok_or(OAuthError::invalid_request(problem))
    };
    let tokens = match needed("grant_type", "grant_type is missing")? {
        "authorization_code" => platform.world.exchange_code(
            &client,
            needed("code", "code is missing")?,
            needed("redirect_uri", "redirect_uri is missing")?,
            needed("code_verifier", "code_verifier is missing")?,
            now,
        )?,
        "refresh_token" => platform.world.refresh(
            &client,
            needed("refresh_token", "refresh_token is missing")?,
            now,
        )?,
        _ => {
            return Err(OAuthError::unsupported_grant_type());
        }
    };
    Ok(tokens_answer(settings, &tokens, now))
}

fn tokens_answer(settings: &Settings, tokens: &IssuedTokens, now: Moment) -> Answer {
    let signer = jwt::signer();
    let Some(access) = signer.and_then(|s| s.access_token(&settings.issuer, tokens, now)) else {
        return Answer::gateway_error(500);
    };
    let scopes: Vec<&str> = tokens.scopes.iter().map(String::as_str).collect();
    let mut body = json!({
        "access_token": access,
        "token_type": "bearer",
        "expires_in": tokens.expires_in,
        "scope": scopes.join(" "),
    });
    if let Some(refresh) = &tokens.refresh {
        body["refresh_token"] = json!(refresh.expose());
    }
    if tokens.scopes.contains("openid") {
        body["id_token"] = json!(signer.and_then(|s| s.id_token(&settings.issuer, tokens, now)));
    }
    Answer::json(200, &body).header("cache-control", "no-store")
}

fn revoke(platform: &mut Platform, request: &Incoming) -> Result<Answer, OAuthError> {
    let form = request.form();
    let client = client(platform, request, &form)?;
    let token = form
        .get("token")
        .ok_or(OAuthError::invalid_request("token is missing"))?;
    match jwt::signer().and_then(|signer| signer.verify(token)) {
        Some(access) => platform.world.revoke_access(access),
        None => platform.world.revoke_refresh(&client, token),
    }
    Ok(Answer::empty(200))
}

fn discovery(settings: &Settings) -> Answer {
    let at = |path: &str| format!("{}{path}", settings.base_url);
    Answer::json(
        200,
        &json!({
            "issuer": settings.issuer,
            "authorization_endpoint": at("/oauth2/auth"),
            "token_endpoint": at("/oauth2/token"),
            "revocation_endpoint": at("/oauth2/revoke"),
            "jwks_uri": at("/.well-known/jwks.json"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "subject_types_supported": ["public"],
            "scopes_supported": crate::simulator::world::SCOPES,
        }),
    )
}

//! The authorization server: codes and refresh tokens for tokens, and the end of a grant.

use std::fmt;

use fanvue_bot_core::client::{
    AppCredentials, AuthorizationGrant, ClientError, RefreshToken, TokenSet,
};
use fanvue_bot_core::rate::Class;
use fanvue_bot_core::redact::Sent;
use reqwest::StatusCode;

use crate::base_url::BaseUrl;
use crate::budget::{Gate, of_app};
use crate::classify::{Effect, Judge, Subject};
use crate::error_text::ErrorBody;
use crate::fault::Fault;
use crate::headers::{is_html, told};
use crate::transport::{Answer, Transport};

/// Where the endpoints are.
///
/// The app's id and secret always go into the `Authorization` header and as they are: Fanvue documents
/// `Basic base64(client_id ":" client_secret)`.
#[derive(Clone)]
pub(crate) struct OAuthEndpoints {
    base: BaseUrl,
}

impl OAuthEndpoints {
    pub(crate) const fn new(base: BaseUrl) -> Self {
        Self { base }
    }

    /// Exchanges a code. It works once, so that a lost answer is an unknown outcome.
    pub(crate) async fn exchange(
        &self,
        transport: &Transport,
        gate: &Gate,
        grant: &AuthorizationGrant,
    ) -> Result<TokenSet, ClientError> {
        let code = grant.code.expose_text().ok_or(ClientError::InvalidGrant)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &grant.redirect_uri),
            ("code_verifier", grant.code_verifier.expose()),
        ];
        self.tokens(transport, gate, &grant.app, &form).await
    }

    /// Refreshes. The token is used up by it, so that a lost answer is an unknown outcome.
    pub(crate) async fn refresh(
        &self,
        transport: &Transport,
        gate: &Gate,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<TokenSet, ClientError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.expose()),
        ];
        self.tokens(transport, gate, app, &form).await
    }

    /// Revokes the grant of a refresh token.
    pub(crate) async fn revoke(
        &self,
        transport: &Transport,
        gate: &Gate,
        app: &AppCredentials,
        token: &RefreshToken,
    ) -> Result<(), ClientError> {
        let form = [
            ("token", token.expose()),
            ("token_type_hint", "refresh_token"),
        ];
        let judge = judge(app, &form, Effect::Repeatable);
        self.post(transport, gate, "/oauth2/revoke", app, &form, &judge)
            .await
            .map(drop)
    }

    async fn tokens(
        &self,
        transport: &Transport,
        gate: &Gate,
        app: &AppCredentials,
        form: &[(&str, &str)],
    ) -> Result<TokenSet, ClientError> {
        let judge = judge(app, form, Effect::Once);
        let answer = self
            .post(transport, gate, "/oauth2/token", app, form, &judge)
            .await?;
        judge.json(answer)
    }

    /// Posts a form and answers with a 2xx, or with what went wrong.
    async fn post(
        &self,
        transport: &Transport,
        gate: &Gate,
        path: &'static str,
        app: &AppCredentials,
        form: &[(&str, &str)],
        judge: &Judge<'_>,
    ) -> Result<Answer, ClientError> {
        let principal = of_app(app);
        gate.take(&principal, Class::LiveReply).await?;
        let request = transport
            .http()
            .post(self.base.join(path))
            .basic_auth(&app.client_id, Some(app.client_secret.expose()))
            .form(form)
            .build()
            .map_err(|error| judge.fault(Fault::from(error)))?;
        let answer = transport.exchange(request).await;
        let answer = answer.map_err(|fault| judge.fault(fault))?;
        tracing::debug!(
            route = path,
            status = answer.status.as_u16(),
            "fanvue's authorization server answered"
        );
        gate.learn(&principal, told(&answer.headers), &answer)
            .await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(refusal(&answer, judge))
    }
}

impl fmt::Debug for OAuthEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base.fmt(f)
    }
}

fn judge<'a>(app: &'a AppCredentials, form: &[(&str, &'a str)], effect: Effect) -> Judge<'a> {
    // The first field says what kind of request it is; everything else is secret or private.
    let mut sent: Vec<Sent<'_>> = form
        .iter()
        .filter(|(name, _)| matches!(*name, "code" | "code_verifier" | "refresh_token" | "token"))
        .map(|(_, value)| Sent::Secret(value))
        .collect();
    sent.push(Sent::Secret(app.client_secret.expose()));
    Judge {
        effect,
        subject: Subject::Other,
        sent,
    }
}

/// RFC 6749, section 5.2: the `error` field decides, the status where there is none.
fn refusal(answer: &Answer, judge: &Judge<'_>) -> ClientError {
    let body = answer.body.as_deref().unwrap_or_default();
    let error = if is_html(&answer.headers, body) {
        None
    } else {
        ErrorBody::read(body).error
    };
    match (answer.status, error.as_deref()) {
        (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, Some("invalid_grant")) => {
            ClientError::InvalidGrant
        }
        (StatusCode::BAD_REQUEST, Some("invalid_client")) | (StatusCode::UNAUTHORIZED, _) => {
            ClientError::InvalidClient
        }
        _ => judge.refusal(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fanvue_bot_core::client::ClientSecret;
    use reqwest::header::HeaderMap;

    fn check(status: u16, body: &str, wanted: &str) {
        let app = AppCredentials {
            client_id: "app".into(),
            client_secret: ClientSecret::new("app-secret"),
        };
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "ory_rt_old"),
        ];
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Ok(body.as_bytes().to_vec()),
        };
        let found = refusal(&answer, &judge(&app, &form, Effect::Once));
        let shown = format!("{found:?} {found}");
        assert!(shown.starts_with(wanted), "{status} {body}: {shown}");
        assert!(!shown.contains("ory_rt_old") && !shown.contains("app-secret"));
    }

    #[test]
    fn each_refusal_says_whether_the_grant_or_the_app_is_at_fault() {
        check(400, r#"{"error":"invalid_grant"}"#, "InvalidGrant");
        check(401, r#"{"error":"invalid_grant"}"#, "InvalidGrant");
        check(401, r#"{"error":"invalid_client"}"#, "InvalidClient");
        check(400, r#"{"error":"invalid_client"}"#, "InvalidClient");
        check(401, "", "InvalidClient");
        check(400, r#"{"error":"invalid_request"}"#, "Rejected");
        check(
            400,
            r#"{"error":"bad token ory_rt_old","error_description":"of app-secret"}"#,
            "Rejected",
        );
        check(404, "<html>", "Unavailable");
        check(500, r#"{"error":"invalid_grant"}"#, "OutcomeUnknown");
        check(502, "<html>ory_rt_old</html>", "OutcomeUnknown");
    }
}

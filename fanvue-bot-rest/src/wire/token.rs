//! The token endpoint's answers.

use std::time::Duration;

use fanvue_bot_core::client::{AccessToken, RefreshToken, TokenSet};
use serde::Deserialize;
use serde_json::Value;

use super::FromAnswer;
use super::loose::{Loose, Whole};

/// How long an access token lives if the answer does not say: what the documentation does.
const DOCUMENTED_LIFE: Duration = Duration::from_secs(3_600);

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenWire {
    access_token: Loose<String>,
    token_type: Loose<String>,
    expires_in: Loose<Whole>,
    refresh_token: Loose<String>,
    scope: Loose<String>,
}

impl FromAnswer for TokenSet {
    fn read(object: Value) -> Result<Self, &'static str> {
        let wire = TokenWire::deserialize(object).map_err(|_| "access_token: expected a text")?;
        let bearer = |kind: String| kind.eq_ignore_ascii_case("bearer");
        if !wire.token_type.text().is_none_or(bearer) {
            return Err("token_type: expected bearer");
        }
        let access_token = wire
            .access_token
            .text()
            .ok_or("access_token: expected a text")?;
        let scopes = wire.scope.text().map(|scope| {
            let scopes = scope.split_whitespace();
            scopes.map(ToOwned::to_owned).collect()
        });
        Ok(Self {
            access_token: AccessToken::new(access_token),
            refresh_token: wire.refresh_token.text().map(RefreshToken::new),
            expires_in: wire.expires_in.0.map_or(DOCUMENTED_LIFE, |seconds| {
                Duration::from_secs(seconds.count())
            }),
            scopes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_are_read_leniently() {
        let full = TokenSet::read(json!({
            "access_token": "a", "token_type": "Bearer", "expires_in": 3599.0,
            "refresh_token": "r", "scope": "openid read:self", "id_token": "i"
        }))
        .unwrap();
        assert_eq!(full.access_token.expose(), "a");
        assert_eq!(full.expires_in, Duration::from_secs(3_599));
        assert_eq!(full.refresh_token, Some(RefreshToken::new("r")));
        assert_eq!(full.scopes.unwrap(), ["openid", "read:self"]);

        let bare = TokenSet::read(json!({"access_token": "a"})).unwrap();
        assert_eq!(bare.expires_in, Duration::from_secs(3_600));
        assert_eq!((bare.refresh_token, bare.scopes), (None, None));
    }

    #[test]
    fn an_answer_without_a_bearer_token_is_none() {
        assert!(TokenSet::read(json!({"token_type": "bearer"})).is_err());
        assert!(TokenSet::read(json!({"access_token": ""})).is_err());
        assert!(TokenSet::read(json!({"access_token": "a", "token_type": "mac"})).is_err());
    }
}

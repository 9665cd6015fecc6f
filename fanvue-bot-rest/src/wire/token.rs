//! The token endpoint's answers.

use std::time::Duration;

use fanvue_bot_core::client::{AccessToken, RefreshToken, TokenSet};
use serde::Deserialize;

use super::loose::{Loose, Whole};

/// How long an access token lives if the answer does not say: what the documentation does.
const DOCUMENTED_LIFE: Duration = Duration::from_secs(3_600);

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenWire {
    access_token: Loose<String>,
    token_type: Loose<String>,
    expires_in: Loose<Whole>,
    refresh_token: Loose<String>,
    scope: Loose<String>,
}

impl TokenWire {
    /// The tokens, or which field does not say them.
    pub(crate) fn into_tokens(self) -> Result<TokenSet, &'static str> {
        let bearer = |kind: String| kind.eq_ignore_ascii_case("bearer");
        if !self.token_type.text().is_none_or(bearer) {
            return Err("token_type: expected bearer");
        }
        let access_token = self
            .access_token
            .text()
            .ok_or("access_token: expected a text")?;
        let scopes = self.scope.text().map(|scope| {
            let scopes = scope.split_whitespace();
            scopes.map(ToOwned::to_owned).collect()
        });
        Ok(TokenSet {
            access_token: AccessToken::new(access_token),
            refresh_token: self.refresh_token.text().map(RefreshToken::new),
            expires_in: self.expires_in.0.map_or(DOCUMENTED_LIFE, |seconds| {
                Duration::from_secs(seconds.count())
            }),
            scopes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: Value) -> Result<TokenSet, &'static str> {
        serde_json::from_value::<TokenWire>(body)
            .unwrap()
            .into_tokens()
    }

    #[test]
    fn tokens_are_read_leniently() {
        let full = read(json!({
            "access_token": "a", "token_type": "Bearer", "expires_in": 3599.0,
            "refresh_token": "r", "scope": "openid read:self", "id_token": "i"
        }))
        .unwrap();
        assert_eq!(full.access_token.expose(), "a");
        assert_eq!(full.expires_in, Duration::from_secs(3_599));
        assert_eq!(full.refresh_token, Some(RefreshToken::new("r")));
        assert_eq!(full.scopes.unwrap(), ["openid", "read:self"]);

        let bare = read(json!({"access_token": "a"})).unwrap();
        assert_eq!(bare.expires_in, Duration::from_secs(3_600));
        assert_eq!((bare.refresh_token, bare.scopes), (None, None));
    }

    #[test]
    fn an_answer_without_a_bearer_token_is_none() {
        assert!(read(json!({"token_type": "bearer"})).is_err());
        assert!(read(json!({"access_token": ""})).is_err());
        assert!(read(json!({"access_token": "a", "token_type": "mac"})).is_err());
    }
}

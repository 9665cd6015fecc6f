//! Signed access tokens and the keys to check them with.

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::simulator::world::{IssuedTokens, Moment, hex};

/// An RSA key of 2048 bits. There is one for each process, made when the first token is signed:
/// nothing that looks like a private key is stored anywhere.
pub(super) struct Signer {
    key: RsaKeyPair,
    id: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The key of this process; `None` if the system cannot make one.
pub(super) fn signer() -> Option<&'static Signer> {
    static SIGNER: OnceLock<Option<Signer>> = OnceLock::new();
    SIGNER
        .get_or_init(|| {
            let key = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
            let id = hex(&Sha256::digest(key.public_key().as_ref())[..8]);
            Some(Signer { key, id })
        })
        .as_ref()
}

impl Signer {
    fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({"alg": "RS256", "kid": self.id, "typ": "JWT"});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .ok()?;
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The access token that stands for `tokens`.
    pub(super) fn access_token(
        &self,
        issuer: &str,
        tokens: &IssuedTokens,
        now: Moment,
    ) -> Option<String> {
        self.sign(&json!({
            "iss": issuer,
            "sub": tokens.user,
            "aud": [],
            "client_id": tokens.client_id,
            "jti": tokens.access,
            "iat": now.secs(),
            "nbf": now.secs(),
            "exp": now.secs() + tokens.expires_in,
            "scp": tokens.scopes,
        }))
    }

    /// The identity token that goes with `tokens`.
    pub(super) fn id_token(
        &self,
        issuer: &str,
        tokens: &IssuedTokens,
        now: Moment,
    ) -> Option<String> {
        self.sign(&json!({
            "iss": issuer,
            "sub": tokens.user,
            "aud": [tokens.client_id],
            "iat": now.secs(),
            "exp": now.secs() + tokens.expires_in,
        }))
    }

    /// The id of an access token that this key signed.
    pub(super) fn verify(&self, token: &str) -> Option<Uuid> {
        let (text, signature) = token.rsplit_once('.')?;
        let (_, claims) = text.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.key.public_key().as_ref())
            .verify(text.as_bytes(), &signature)
            .ok()?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        Uuid::parse_str(claims.get("jti")?.as_str()?).ok()
    }

    /// The key set of `/.well-known/jwks.json`.
    pub(super) fn key_set(&self) -> Option<Value> {
        let (modulus, exponent) = numbers(self.key.public_key().as_ref())?;
        Some(json!({"keys": [{
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(modulus),
            "e": URL_SAFE_NO_PAD.encode(exponent),
        }]}))
    }
}

/// The modulus and exponent of a PKCS#1 public key in DER: a sequence of two integers.
fn numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = element(der, 0x30)?;
    let (modulus, rest) = element(sequence, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    Some((strip(modulus), strip(exponent)))
}

fn strip(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

/// The content of the DER element at the front, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        length = bytes
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    (found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_taken_apart() {
        let der = [0x30, 0x08, 0x02, 0x02, 0x00, 0xc5, 0x02, 0x02, 0x01, 0x01];
        assert_eq!(numbers(&der), Some((&[0xc5][..], &[1, 1][..])));
        assert_eq!(numbers(&der[..5]), None);
    }
}

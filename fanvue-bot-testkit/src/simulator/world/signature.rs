//! The webhook signature `t=<unix seconds>,v0=<hex>`: HMAC-SHA256 over `t`, a dot, and the body.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The value of `X-Fanvue-Signature` for a body sent at `unix_seconds`.
pub fn sign(secret: &str, unix_seconds: u64, body: &[u8]) -> String {
    format!("t={unix_seconds},v0={}", digest(secret, unix_seconds, body))
}

/// The lower-case hex digest alone.
pub fn digest(secret: &str, unix_seconds: u64, body: &[u8]) -> String {
    // HMAC takes keys of any length, so the fallback is never reached.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(unix_seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    hex(&mac.finalize().into_bytes())
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vector_is_reproduced() {
        let body = br#"{"recipientUuid":"5b0f3c1e-0000-4000-8000-00000000c0de","text":"hi"}"#;
        assert_eq!(
            sign("demo-signing-secret", 1_790_000_000, body),
            "t=1790000000,v0=738f23af45d60d9d91e6b08d5a2d943b5c2d582f5830a086b7d5f1f2b260e1fb"
        );
    }

    #[test]
    fn every_part_of_the_signed_text_counts() {
        let base = digest("secret", 1, b"body");
        assert_ne!(base, digest("other", 1, b"body"));
        assert_ne!(base, digest("secret", 2, b"body"));
        assert_ne!(base, digest("secret", 1, b"Body"));
    }
}

//! What makes two deliveries the same event.

use std::fmt;

use hmac::digest::Digest;
use sha2::Sha256;

use crate::id::{AccountId, MessageId};

/// Names one event among those of one account: equal for every delivery of it.
///
/// Source: Fanvue API reference, delivery behavior. An envelope's `id` with its `type`; for older bodies
/// the id that a header gave, else the message, else a hash of the body. `creator.message.read` is always
/// keyed by the body, since its ids were seen to repeat with other contents.
///
/// The same *message* may come under several keys, through both families and through polling, so a
/// message is also to be stored under its own id once only. A header is not signed, so someone who replays
/// a captured request can give it another key; the signature's tolerance bounds for how long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(Box<str>);

impl EventKey {
    /// The key as text of at most 200 ASCII characters, for a unique column beside the creator's id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn of_envelope(name: &[u8], id: &[u8]) -> Self {
        Self::of_parts("id", name, id)
    }

    pub(super) fn of_header(label: &str, id: &str) -> Self {
        Self::of_parts("header", label.as_bytes(), id.as_bytes())
    }

    pub(super) fn of_message(account: AccountId, message: MessageId) -> Self {
        Self(format!("message:{account}/{message}").into())
    }

    pub(super) fn of_body(body: &[u8]) -> Self {
        Self(format!("body:{}", Hex(&Sha256::digest(body))).into())
    }

    /// `what:name/id`, or a hash of the three where that could be read in two ways or is too long.
    fn of_parts(what: &str, name: &[u8], id: &[u8]) -> Self {
        if is_tame(name, 64) && is_tame(id, 120) {
            let mut key = Vec::with_capacity(what.len() + name.len() + id.len() + 2);
            for part in [what.as_bytes(), b":", name, b"/", id] {
                key.extend_from_slice(part);
            }
            if let Ok(key) = String::from_utf8(key) {
                return Self(key.into());
            }
        }
        let mut hash = Sha256::new();
        for part in [what.as_bytes(), name, id] {
            hash.update(part.len().to_string());
            hash.update(b":");
            hash.update(part);
        }
        Self(format!("hash:{}", Hex(&hash.finalize())).into())
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKey({})", self.0)
    }
}

/// Whether it is short, and of printable ASCII without a slash.
fn is_tame(text: &[u8], longest: usize) -> bool {
    // No short circuit, so that it vectorizes.
    let wild = text.iter().fold(false, |wild, &b| {
        wild | (b.wrapping_sub(0x21) > 0x7e - 0x21) | (b == b'/')
    });
    !wild && text.len() <= longest
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_could_be_confused_make_different_keys() {
        let long = "x".repeat(5_000);
        let keys = [
            EventKey::of_envelope(b"a", b"b/c"),
            EventKey::of_envelope(b"a/b", b"c"),
            EventKey::of_envelope(b"a", b"b"),
            EventKey::of_envelope(b"", b"a/b"),
            EventKey::of_header("a", "b"),
            EventKey::of_header("a", "b/c"),
            EventKey::of_envelope(b"a", long.as_bytes()),
            EventKey::of_envelope(b"a", "\u{0}\n😀".as_bytes()),
            EventKey::of_body(b"a/b"),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(key.as_str().len() <= 200, "{key}");
            assert!(key.as_str().bytes().all(|b| b.is_ascii_graphic()), "{key}");
            assert!(!keys[..index].contains(key), "{key}");
        }
    }
}

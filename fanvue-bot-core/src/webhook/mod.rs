//! Webhooks: proof, then parsing.
//!
//! [`signature::Verifier`] turns a body into a [`VerifiedBody`], and only a [`VerifiedBody`] can be
//! parsed into an [`Event`], so an unproved event cannot exist. Nothing here knows of a web framework:
//! an HTTP edge passes header values and body bytes, exactly as they arrived.
//!
//! ```
//! use fanvue_bot_core::secret::Secret;
//! use fanvue_bot_core::time::Timestamp;
//! use fanvue_bot_core::webhook::{EventKind, Hints, Signer, Verifier};
//!
//! let secret = Secret::new("demo-signing-secret");
//! let body = br#"{"recipientUuid":"c0de0000-0000-4000-8000-000000000001",
//!     "sender":{"uuid":"fa000000-0000-4000-8000-000000000001"},
//!     "messageUuid":"3e550000-0000-4000-8000-000000000009",
//!     "message":{"text":"hi"}}"#;
//! let now = Timestamp::from_seconds(1_790_000_000);
//! let header = Signer::new(&secret)?.header(now, body);
//!
//! let verified = Verifier::new(&secret)?.verify(header.as_bytes(), body, now)?;
//! let event = verified.parse(&Hints::default())?;
//! assert!(matches!(event.kind, EventKind::MessageReceived(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Facts about the wire come from the Fanvue API reference, section 10, compiled November 2026.

pub mod event;
pub mod signature;

mod secrets;
mod subscriptions;

mod json;
mod rfc3339;
mod wire;

pub use self::event::{Event, EventKey, EventKind, Hints, ParseEventError};
pub use self::secrets::{LiveSecrets, WebhookSecretError, WebhookSecrets};
pub use self::signature::{Decoy, SignatureError, Signer, VerifiedBody, Verifier, VerifierError};
pub use self::subscriptions::{SubscribeError, Subscribed, Subscriptions};

use crate::id::AccountId;

/// The header that carries the signature. Names compare without case.
pub const SIGNATURE_HEADER: &str = "x-fanvue-signature";
/// The header that may name the event; a hint for [`Hints::topic`].
pub const TOPIC_HEADER: &str = "x-fanvue-topic";
/// The header that may carry an event's id; a hint for [`Hints::event_id`].
pub const EVENT_ID_HEADER: &str = "x-fanvue-event-id";

/// The account that an **unproved** body claims to be for: `data.creator.uuid`, or `recipientUuid` in the
/// older form.
///
/// Anyone can write anything here. It is good for one thing: picking whose secret to verify with. The
/// answer is read by the same code as [`Event::account`], so for a body that parses the two are equal
/// whatever tricks it plays with duplicate or escaped keys.
///
/// `None` when the body is not JSON or names no account.
#[must_use]
pub fn claimed_account(body: &[u8]) -> Option<AccountId> {
    wire::Body::read(body).ok()?.account().ok()?
}

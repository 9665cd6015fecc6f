//! Counting what comes in, in a fixed number of counters whatever is sent.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use fanvue_bot_core::intake::Accepted;
use fanvue_bot_core::time::Timestamp;
use fanvue_bot_core::webhook::{ParseEventError, SignatureError};

use super::body::Unread;

/// What has come in at a [`Webhooks`](crate::Webhooks), in this process, since it was built. Each request
/// with an event counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WebhookCounters {
    /// Stored.
    pub stored: u64,
    /// Kept in the inbox, to be taken in by a worker.
    pub kept: u64,
    /// Known already.
    pub duplicate: u64,
    /// Proved, and of a kind that changes nothing here.
    pub ignored: u64,
    /// Proved, and for an account that is none of ours.
    pub unknown_creator: u64,
    /// Proved, and an event of the app or a checkout link.
    pub foreign: u64,
    /// Proved, and unreadable: Fanvue may have changed its format.
    pub unreadable: u64,
    /// Proved, and for another creator than the URL says: the URL at Fanvue is wrong.
    pub wrong_creator: u64,
    /// Without a signature.
    pub unsigned: u64,
    /// With a signature header of another form.
    pub malformed_signature: u64,
    /// With a signature whose time is too far from this machine's: a replay, or a wrong clock.
    pub outside_tolerance: u64,
    /// With a signature that no live secret made.
    pub bad_signature: u64,
    /// With a body over the limit.
    pub too_large: u64,
    /// With a body that took too long.
    pub too_slow: u64,
    /// With a body that broke off.
    pub cut: u64,
    /// Not stored because the store or the vault did not answer; the sender was asked to come back.
    pub unavailable: u64,
    /// When the last proved event came in, whatever became of it.
    pub last_proved: Option<Timestamp>,
}

macro_rules! counters {
    ($($name:ident),+ $(,)?) => {
        #[derive(Debug)]
        pub(super) struct Counters {
            $($name: AtomicU64,)+
            /// `i64::MIN` for never.
            last_proved: AtomicI64,
        }

        impl Default for Counters {
            fn default() -> Self {
                Self {
                    $($name: AtomicU64::new(0),)+
                    last_proved: AtomicI64::new(i64::MIN),
                }
            }
        }

        impl Counters {
            pub(super) fn snapshot(&self) -> WebhookCounters {
                let last = self.last_proved.load(Ordering::Relaxed);
                WebhookCounters {
                    $($name: self.$name.load(Ordering::Relaxed),)+
                    last_proved: (last != i64::MIN).then(|| Timestamp::from_micros(last)),
                }
            }
        }
    };
}
counters!(
    stored,
    kept,
    duplicate,
    ignored,
    unknown_creator,
    foreign,
    unreadable,
    wrong_creator,
    unsigned,
    malformed_signature,
    outside_tolerance,
    bad_signature,
    too_large,
    too_slow,
    cut,
    unavailable,
);

impl Counters {
    pub(super) fn proved(&self, now: Timestamp) {
        self.last_proved
            .fetch_max(now.as_micros(), Ordering::Relaxed);
    }

    pub(super) fn accepted(&self, accepted: Accepted) {
        add(match accepted {
            Accepted::Stored(_) => &self.stored,
            Accepted::Kept(_) => &self.kept,
            Accepted::Duplicate(_) => &self.duplicate,
            Accepted::UnknownCreator => &self.unknown_creator,
            _ => &self.ignored,
        });
    }

    pub(super) fn unknown_creator(&self) {
        add(&self.unknown_creator);
    }

    pub(super) fn unparsed(&self, error: ParseEventError) {
        add(if error.is_foreign() {
            &self.foreign
        } else {
            &self.unreadable
        });
    }

    pub(super) fn wrong_creator(&self) {
        add(&self.wrong_creator);
    }

    pub(super) fn unproved(&self, error: SignatureError) {
        add(match error {
            SignatureError::Missing => &self.unsigned,
            SignatureError::OutsideTolerance => &self.outside_tolerance,
            SignatureError::Mismatch => &self.bad_signature,
            _ => &self.malformed_signature,
        });
    }

    pub(super) fn unread(&self, unread: Unread) {
        add(match unread {
            Unread::TooLarge => &self.too_large,
            Unread::TooSlow => &self.too_slow,
            Unread::Cut => &self.cut,
        });
    }

    pub(super) fn unavailable(&self) {
        add(&self.unavailable);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

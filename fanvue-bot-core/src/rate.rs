//! Rate limits: one budget for all processes that speak for an account, and the arithmetic below it.
//!
//! Fanvue gives each account a token bucket: so many requests, which come back evenly over [`WINDOW`]. A
//! [`Budget`] is asked before each request and told what each answer says. One that is
//! [shared](Budget::shared) keeps all processes and hosts of a deployment within the bucket together:
//!
//! ```text
//!   Fanvue's bucket            register of the store            one process
//!
//!   limit, remaining,  ◄─────  ledger: what is lent to   ────►  share: a loan for about 2 s,  ◄── a request,
//!   Retry-After                whom, and what is left    ◄────  what came back, what was          of a class
//!          │                                                    learned
//!          └──────────────────────────── headers ────────────────────►
//! ```
//!
//! A request takes from the loan and asks nobody. Only when the loan is used up or old the process goes to the
//! register, for all its tasks at once. Without a store, as with [`Budget::local`], or while the store is away,
//! a process keeps a bucket of its own, which every answer of Fanvue's corrects.
//!
//! [`Class`] says which requests go first. All arithmetic is pure and exact, in whole numbers; the caller passes
//! the time.
//!
//! ```
//! use std::time::Duration;
//!
//! use fanvue_bot_core::rate::TokenBucket;
//! use fanvue_bot_core::time::Timestamp;
//!
//! let now = Timestamp::from_seconds(1_767_603_600);
//! let mut bucket = TokenBucket::new(2, now);
//! assert_eq!(bucket.try_take(now), Ok(()));
//! assert_eq!(bucket.try_take(now), Ok(()));
//! // Two come back in 60 s, so the next one is there in 30 s.
//! assert_eq!(bucket.try_take(now), Err(Duration::from_secs(30)));
//! assert_eq!(bucket.try_take(now + Duration::from_secs(30)), Ok(()));
//! ```

mod bucket;
mod budget;
mod class;
mod ledger;
mod principal;
mod remaining;
mod share;
#[cfg(test)]
mod tests;

pub use self::bucket::{TokenBucket, WINDOW};
pub use self::budget::Budget;
pub(crate) use self::budget::register;
pub use self::class::Class;
pub use self::principal::Principal;
pub use self::remaining::Remaining;
use crate::time::Timestamp;

/// What an answer of the server says about its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct Told {
    /// How many requests the full bucket holds.
    pub limit: Option<u32>,
    /// How many are left.
    pub remaining: Option<u32>,
    /// When the bucket is full again. Once that has passed, the answer says nothing about what is left.
    pub reset: Option<Timestamp>,
}

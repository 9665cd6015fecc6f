//! Token buckets, one per client, user and (below `/creators/...`) creator.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::World;
use super::time::Moment;

/// How large the buckets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Requests in 60 s for each bucket.
    pub per_minute: u64,
    /// Requests in 60 s to `POST /chats/statuses`, in a bucket of their own.
    pub statuses_per_minute: u64,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            per_minute: 200,
            statuses_per_minute: 80,
        }
    }
}

/// Which bucket a request draws from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct BucketKey {
    /// The app.
    pub client_id: String,
    /// The person or agency that the token belongs to.
    pub user: Uuid,
    /// The creator of an agency path.
    pub creator: Option<Uuid>,
    /// Whether this is the bucket of `POST /chats/statuses`.
    pub statuses: bool,
}

impl BucketKey {
    /// The general bucket of a token, or of one creator reached with it.
    pub fn new(client_id: impl Into<String>, user: Uuid, creator: Option<Uuid>) -> Self {
        Self {
            client_id: client_id.into(),
            user,
            creator,
            statuses: false,
        }
    }

    /// The special bucket of the same token.
    #[must_use]
    pub fn for_statuses(mut self) -> Self {
        self.statuses = true;
        self
    }
}

/// The outcome of drawing from a bucket, as the `X-RateLimit-*` headers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateDecision {
    /// The bucket's size.
    pub limit: u64,
    /// Whole requests left after this one.
    pub remaining: u64,
    /// When the bucket is full again, in Unix seconds.
    pub reset: u64,
    /// Seconds until a request fits; `None` if this one did.
    pub retry_after: Option<u64>,
}

/// Buckets count in thousandths of a request times the refill period, so that nothing is lost to
/// rounding: one request is 60,000 units, and each millisecond refills `limit` units.
const UNIT: u64 = 60_000;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u64,
    at: Moment,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets(BTreeMap<BucketKey, Bucket>);

impl Buckets {
    fn draw(&mut self, key: &BucketKey, limit: u64, now: Moment) -> RateDecision {
        let capacity = limit * UNIT;
        if !self.0.contains_key(key) {
            self.0.insert(
                key.clone(),
                Bucket {
                    level: capacity,
                    at: now,
                },
            );
        }
        let mut fallback = Bucket {
            level: capacity,
            at: now,
        };
        let bucket = self.0.get_mut(key).unwrap_or(&mut fallback);
        let refill = now.since(bucket.at).saturating_mul(limit);
        bucket.level = bucket.level.saturating_add(refill).min(capacity);
        bucket.at = bucket.at.max(now);
        let allowed = bucket.level >= UNIT;
        let wait = if allowed {
            bucket.level -= UNIT;
            None
        } else {
            Some(
                (UNIT - bucket.level)
                    .div_ceil(limit.max(1))
                    .div_ceil(1000)
                    .max(1),
            )
        };
        let full_in = (capacity - bucket.level).div_ceil(limit.max(1));
        RateDecision {
            limit,
            remaining: bucket.level / UNIT,
            reset: now.plus(full_in).millis().div_ceil(1000),
            retry_after: wait,
        }
    }
}

impl World {
    /// Draws one request from a bucket; the answer says whether it fitted.
    pub fn draw_request(&mut self, key: &BucketKey, now: Moment) -> RateDecision {
        let limits = self.settings.rate_limits;
        let limit = if key.statuses {
            limits.statuses_per_minute
        } else {
            limits.per_minute
        };
        self.buckets.draw(key, limit, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_empties_and_refills_evenly() {
        let mut buckets = Buckets::default();
        let key = BucketKey::new("app", Uuid::nil(), None);
        let now = Moment::from_secs(1_000);
        for left in (0..3).rev() {
            assert_eq!(buckets.draw(&key, 3, now).remaining, left);
        }
        let refused = buckets.draw(&key, 3, now);
        assert_eq!((refused.retry_after, refused.reset), (Some(20), 1_060));
        assert_eq!(buckets.draw(&key, 3, now.plus(20_000)).retry_after, None);
    }

    #[test]
    fn creators_of_an_agency_have_buckets_of_their_own() {
        let mut buckets = Buckets::default();
        let agency = Uuid::nil();
        let now = Moment::from_secs(1);
        let one = BucketKey::new("app", agency, Some(Uuid::from_u128(1)));
        let two = BucketKey::new("app", agency, Some(Uuid::from_u128(2)));
        assert_eq!(buckets.draw(&one, 1, now).retry_after, None);
        assert!(buckets.draw(&one, 1, now).retry_after.is_some());
        assert_eq!(buckets.draw(&two, 1, now).retry_after, None);
    }
}

//! One request at the door.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::intake::Intake;
use fanvue_bot_core::pulse::{Part, Trouble, Whose};
use fanvue_bot_core::retry::Retry;
use fanvue_bot_core::self_test;
use fanvue_bot_core::webhook::{
    EVENT_ID_HEADER, Event, Hints, SIGNATURE_HEADER, SignatureError, TOPIC_HEADER, VerifiedBody,
    Verifier,
};
use tokio::time::{Instant, sleep_until, timeout};

use super::body;
use super::counters::Counters;
use super::secrets::{Scope, StoredSecrets};

/// The query parameter that may name the creator.
const CREATOR_PARAMETER: &str = "creatorId";
/// How long a sender is asked to stay away when nobody knows better.
const COME_BACK: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Door {
    pub(super) verifier: Verifier,
    pub(super) intake: Intake,
    pub(super) secrets: Option<StoredSecrets>,
    pub(super) counters: Counters,
    pub(super) body_limit: usize,
    pub(super) read_timeout: Duration,
    pub(super) store_timeout: Duration,
    /// A refusal that store and vault may have been asked for leaves at a multiple of this time after its request
    /// was read.
    pub(super) refusal_grid: Duration,
}

/// Which creator the URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// None: the body decides.
    Nobody,
    /// This one, and no other.
    Creator(CreatorId),
    /// Something that is no creator's id, or two different ones.
    Nonsense,
}

/// Why a request is turned away.
#[derive(Debug)]
enum Refusal {
    /// It is not proved.
    Unproved(SignatureError),
    /// It is proved, and for another creator than the URL says.
    WrongCreator,
    /// Whether it is proved, or what it says, could not be settled or stored.
    Unavailable { retry_after: Duration },
}

impl Door {
    pub(super) async fn handle(
        &self,
        path: Option<&str>,
        query: Option<&str>,
        request: Request,
    ) -> Response {
        let named = named(path, query);
        let (parts, body) = request.into_parts();
        let body = match body::read(body, self.body_limit, self.read_timeout).await {
            Ok(body) => body,
            Err(unread) => {
                self.counters.unread(unread);
                return unread.status().into_response();
            }
        };
        let begun = Instant::now();
        // From here on a store is asked; a sender that waits for longer than it will has left.
        let taken = timeout(self.store_timeout, self.take(named, &parts.headers, &body)).await;
        // A refusal that waits is to hold nothing.
        drop((parts, body));
        match taken {
            Ok(Ok(())) => {
                self.beat();
                StatusCode::OK.into_response()
            }
            Ok(Err(refusal)) => {
                let looked_up = self.secrets.is_some() && matches!(refusal, Refusal::Unproved(_));
                // Even to sleep for no time at all takes a tick of the timer.
                if looked_up && !self.refusal_grid.is_zero() {
                    sleep_until(on_the_grid(begun, Instant::now(), self.refusal_grid)).await;
                }
                self.refuse(&refusal)
            }
            Err(_) => {
                tracing::warn!(
                    "a webhook could not be stored in time; the sender is asked to come back"
                );
                self.refuse(&Refusal::Unavailable {
                    retry_after: COME_BACK,
                })
            }
        }
    }

    /// Writes how things go, now and then, while the answer goes out. Never for a request that was refused: those
    /// make nobody ask the store for anything.
    fn beat(&self) {
        if !self.intake.pulse().is_due() {
            return;
        }
        let (pulse, now) = (self.intake.pulse().clone(), self.intake.now());
        let store = Arc::clone(self.intake.backend().store());
        tokio::spawn(async move {
            if let Err(error) = pulse.flush(&*store, now).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "how things go could not be stored"
                );
            }
        });
    }

    fn fails(&self, trouble: Trouble) {
        let now = self.intake.now();
        let pulse = self.intake.pulse();
        pulse.fails(Whose::Deployment, Part::Webhook, trouble, now);
    }

    async fn take(&self, named: Named, headers: &HeaderMap, body: &Bytes) -> Result<(), Refusal> {
        let signature = joined(headers);
        let now = self.intake.now();
        let (verified, scope) = match (self.verifier.verify(&signature, body, now), &self.secrets) {
            (Ok(verified), _) => (verified, None),
            (Err(error), None) => return Err(Refusal::Unproved(error)),
            (Err(_), Some(secrets)) => {
                let verified = secrets.verify(&signature, body, now).await;
                let verified = verified.map_err(|error| unavailable(&error))?;
                let (verified, scope) = verified.map_err(Refusal::Unproved)?;
                (verified, scope)
            }
        };
        self.counters.proved(now);
        let hints = hints(headers);
        let Some(event) = self.parse(verified, &hints) else {
            return Ok(());
        };
        if !self.is_for(named, scope, &event).await? {
            self.counters.unknown_creator();
            return Ok(());
        }
        match self.intake.receive(&event, verified, &hints).await {
            Ok(accepted) => {
                tracing::debug!(
                    kind = event.kind.label(),
                    ?accepted,
                    "a webhook was taken in"
                );
                self.counters.accepted(accepted);
                // That a test came in says nothing about Fanvue's webhooks.
                if !self_test::is_for_test(&event) {
                    let pulse = self.intake.pulse();
                    pulse.works(Whose::Deployment, Part::Webhook, now);
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(
                    kind = event.kind.label(),
                    error = &error as &dyn std::error::Error,
                    "a webhook could not be stored; the sender is asked to come back"
                );
                Err(Refusal::Unavailable {
                    retry_after: match error.retry() {
                        Retry::After(wait) => wait,
                        _ => COME_BACK,
                    },
                })
            }
        }
    }

    /// Reads the event. One that cannot be read will not be readable the next time either, so it counts
    /// as arrived.
    fn parse(&self, verified: VerifiedBody<'_>, hints: &Hints<'_>) -> Option<Event> {
        match verified.parse(hints) {
            Ok(event) => Some(event),
            Err(error) => {
                if !error.is_foreign() {
                    self.fails(Trouble::Unreadable);
                    tracing::warn!(
                        error = %error,
                        "a proved webhook cannot be read and is dropped; Fanvue may have changed its format"
                    );
                }
                self.counters.unparsed(error);
                None
            }
        }
    }

    /// Whether the event is for the creator that the URL names and that its secret may speak for; `false`
    /// if it is for nobody here, which is no error.
    async fn is_for(
        &self,
        named: Named,
        scope: Option<Scope>,
        event: &Event,
    ) -> Result<bool, Refusal> {
        if scope.is_some_and(|scope| scope.account != event.account) {
            return Err(Refusal::WrongCreator);
        }
        let expected = match named {
            Named::Nobody => return Ok(true),
            Named::Nonsense => return Err(Refusal::WrongCreator),
            Named::Creator(expected) => expected,
        };
        let actual = match scope {
            Some(scope) => Some(scope.creator),
            None => {
                let store = self.intake.backend().store();
                let found = store.creator_by_account(event.account).await;
                let found = found.map_err(|error| unavailable(&error))?;
                found.map(|creator| creator.value.id)
            }
        };
        match actual {
            Some(actual) if actual != expected => Err(Refusal::WrongCreator),
            actual => Ok(actual.is_some()),
        }
    }

    /// Says no. Unproved requests and those for another creator get the same answer.
    fn refuse(&self, refusal: &Refusal) -> Response {
        match refusal {
            Refusal::Unproved(error) => {
                tracing::debug!(
                    reason = error.label(),
                    "a webhook is not proved and refused"
                );
                self.counters.unproved(*error);
                match error {
                    SignatureError::Mismatch => self.fails(Trouble::BadSignature),
                    SignatureError::OutsideTolerance => self.fails(Trouble::WrongClock),
                    _ => {}
                }
                StatusCode::UNAUTHORIZED.into_response()
            }
            Refusal::WrongCreator => {
                tracing::warn!(
                    "a proved webhook is for another creator than its URL says; check the URL at Fanvue"
                );
                self.counters.wrong_creator();
                self.fails(Trouble::WrongAddress);
                StatusCode::UNAUTHORIZED.into_response()
            }
            Refusal::Unavailable { retry_after } => {
                self.counters.unavailable();
                let seconds = HeaderValue::from(retry_after.as_secs().max(1));
                let headers = [(header::RETRY_AFTER, seconds)];
                (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
            }
        }
    }
}

/// The next multiple of `grid` after `begun` that is later than `now`.
fn on_the_grid(begun: Instant, now: Instant, grid: Duration) -> Instant {
    let elapsed = now.duration_since(begun);
    let over = elapsed.as_nanos().checked_rem(grid.as_nanos());
    let over = u64::try_from(over.unwrap_or(0)).map_or(grid, Duration::from_nanos);
    now + grid.saturating_sub(over)
}

/// A look-up failed.
fn unavailable(error: &(dyn std::error::Error + 'static)) -> Refusal {
    tracing::warn!(
        error,
        "a webhook's creator could not be looked up; the sender is asked to come back"
    );
    Refusal::Unavailable {
        retry_after: COME_BACK,
    }
}

/// What the headers say of the event.
fn hints(headers: &HeaderMap) -> Hints<'_> {
    let hint = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Hints::default()
        .topic(hint(TOPIC_HEADER))
        .event_id(hint(EVENT_ID_HEADER))
}

/// The signature header's values, joined as if they were one.
fn joined(headers: &HeaderMap) -> Vec<u8> {
    let values: Vec<&[u8]> = headers
        .get_all(SIGNATURE_HEADER)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    values.join(&b","[..])
}

fn named(path: Option<&str>, query: Option<&str>) -> Named {
    let in_query = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('=').or(Some((pair, ""))))
        .filter(|(name, _)| *name == CREATOR_PARAMETER)
        .map(|(_, value)| value);
    let mut named = Named::Nobody;
    for name in path.into_iter().chain(in_query) {
        named = match (named, name.parse()) {
            (Named::Nobody, Ok(id)) => Named::Creator(id),
            (Named::Creator(known), Ok(id)) if known == id => named,
            _ => return Named::Nonsense,
        };
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "c0de0000-0000-4000-8000-000000000001";
    const B: &str = "c0de0000-0000-4000-8000-000000000002";

    fn check(path: Option<&str>, query: Option<&str>, expected: Named) {
        assert_eq!(named(path, query), expected, "{path:?} {query:?}");
    }

    #[test]
    fn whatever_a_look_up_took_its_refusal_leaves_on_the_grid() {
        let (begun, grid) = (Instant::now(), Duration::from_millis(20));
        for micros in [0, 1, 300, 19_999, 20_000, 20_001, 777_777, 8_000_000] {
            let now = begun + Duration::from_micros(micros);
            let leaves = on_the_grid(begun, now, grid);
            let after = leaves.duration_since(begun).as_nanos();
            assert_eq!(after % grid.as_nanos(), 0, "{micros}");
            assert!(leaves > now && leaves <= now + grid, "{micros}");
        }
    }

    #[test]
    fn the_url_names_one_creator_or_none() {
        let a = Named::Creator(A.parse().unwrap());
        check(None, None, Named::Nobody);
        check(None, Some(""), Named::Nobody);
        check(None, Some("x=1&creatorid=2"), Named::Nobody);
        check(Some(A), None, a);
        check(None, Some(&format!("x=1&creatorId={A}")), a);
        check(Some(A), Some(&format!("creatorId={A}&creatorId={A}")), a);
        check(Some(A), Some(&format!("creatorId={B}")), Named::Nonsense);
        check(
            None,
            Some(&format!("creatorId={A}&creatorId={B}")),
            Named::Nonsense,
        );
        check(Some("nobody"), None, Named::Nonsense);
        check(Some(""), None, Named::Nonsense);
        check(None, Some("creatorId"), Named::Nonsense);
        check(None, Some("creatorId="), Named::Nonsense);
    }
}

//! Webhook deliveries: queued, due, retried, and everything that may go wrong with them.

use uuid::Uuid;

use super::World;
use super::app::Target;
use super::event::{EventBody, EventKind, WebhookFamily};
use super::fault::WebhookFault;
use super::secret::SecretText;
use super::signature;
use super::time::Moment;

/// One try at delivering one event to one receiver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// The index of its [`DeliveryRecord`].
    pub record: usize,
    /// The event's id, the same on every try.
    pub event_id: String,
    /// The app that it is for.
    pub client_id: String,
    /// The topic.
    pub topic: &'static str,
    /// Where to post it.
    pub url: String,
    /// The secret to sign with.
    pub secret: SecretText,
    /// The bytes to post.
    pub body: Vec<u8>,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Whether `X-Fanvue-Topic` and `X-Fanvue-Event-Id` are sent.
    pub hint_headers: bool,
    flaw: Option<Flaw>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    WrongSignature,
    OldTimestamp,
}

impl Delivery {
    /// The value of `X-Fanvue-Signature` for a post at `now`, with the flaw that a fault gave it.
    pub fn signature(&self, now: Moment) -> String {
        match self.flaw {
            None => signature::sign(self.secret.expose(), now.secs(), &self.body),
            Some(Flaw::WrongSignature) => signature::sign("not the secret", now.secs(), &self.body),
            Some(Flaw::OldTimestamp) => signature::sign(
                self.secret.expose(),
                now.minus(3_600_000).secs(),
                &self.body,
            ),
        }
    }

    /// All headers of the post at `now`.
    pub fn headers(&self, now: Moment) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-fanvue-signature", self.signature(now)),
        ];
        if self.hint_headers {
            headers.push(("x-fanvue-topic", self.topic.to_owned()));
            headers.push(("x-fanvue-event-id", self.event_id.clone()));
        }
        headers
    }
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The receiver answered with this status; 2xx is success.
    Answered(u16),
    /// No answer within 10 s, or no connection: the reason in words.
    Failed(String),
}

impl Outcome {
    const fn is_success(&self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DeliveryState {
    /// Waiting for its time, or under way.
    Queued,
    /// Acknowledged with 2xx.
    Delivered,
    /// Swallowed by a fault.
    Dropped,
    /// Not acknowledged on any try.
    GivenUp,
}

/// The history of a delivery.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryRecord {
    /// The event's id.
    pub event_id: String,
    /// The app that it is for.
    pub client_id: String,
    /// The topic.
    pub topic: &'static str,
    /// The family of its body.
    pub family: WebhookFamily,
    /// The creator concerned.
    pub creator: Uuid,
    /// The fan concerned.
    pub fan: Uuid,
    /// When the event happened.
    pub created_at: Moment,
    /// Each try and how it ended.
    pub attempts: Vec<(Moment, Outcome)>,
    /// What became of it.
    pub state: DeliveryState,
}

/// How long a delivery is held back at most to be overtaken.
const MAX_HOLD: u64 = 30_000;

impl World {
    /// Takes the deliveries that are due by `now`, in order. Each must come back through
    /// [`finish_delivery`](Self::finish_delivery), or it is never tried again.
    pub fn take_due(&mut self, now: Moment) -> Vec<Delivery> {
        let later = self.outbox.split_off(&(now.plus(1), 0));
        std::mem::replace(&mut self.outbox, later)
            .into_values()
            .collect()
    }

    /// When the next delivery is due.
    pub fn next_due(&self) -> Option<Moment> {
        self.outbox.first_key_value().map(|((due, _), _)| *due)
    }

    /// Notes how a try ended, and queues the next one if it failed and there is one.
    pub fn finish_delivery(&mut self, mut delivery: Delivery, outcome: Outcome, now: Moment) {
        let success = outcome.is_success();
        let tried = usize::try_from(delivery.attempt).unwrap_or(usize::MAX);
        let wait = self
            .settings
            .webhook_retries
            .get(tried.saturating_sub(1))
            .copied();
        if let Some(record) = self.deliveries.get_mut(delivery.record) {
            record.attempts.push((now, outcome));
            record.state = match (success, wait) {
                (true, _) => DeliveryState::Delivered,
                (false, Some(_)) => DeliveryState::Queued,
                (false, None) => DeliveryState::GivenUp,
            };
        }
        if let (false, Some(wait)) = (success, wait) {
            delivery.attempt += 1;
            self.enqueue(delivery, now.plus(wait));
        }
    }

    /// The history of every delivery, oldest first.
    pub fn deliveries(&self) -> &[DeliveryRecord] {
        &self.deliveries
    }

    /// The portal's Test button: a sample body about people whom nobody knows. It is sent whether
    /// anyone authorized the app or not.
    pub fn send_test_delivery(&mut self, client_id: &str, now: Moment) {
        let Some(app) = self.apps.get(client_id) else {
            return;
        };
        let Some(webhook) = app.webhook.clone() else {
            return;
        };
        let secret = app.webhook_secret.clone();
        for family in webhook.families {
            let mut sample = Self::new(self.rng.next_u64());
            let creator = sample.add_creator("sample-creator", "Sample Creator", now);
            let fan = sample.add_fan("sample-fan", "Sample Fan", now);
            let Ok(message) = sample.fan_writes(creator, fan, "This is a test", now) else {
                return;
            };
            let kind = EventKind::MessageReceived { message };
            let event_id = self.rng.token("evt_");
            let body = sample.event_body(
                family,
                &event_id,
                creator,
                fan,
                &kind,
                webhook.with_text,
                now,
            );
            let Some(EventBody { topic, bytes }) = body else {
                continue;
            };
            let target = Target {
                client_id: client_id.to_owned(),
                url: webhook.url.clone(),
                secret: secret.clone(),
                family,
                topic,
                with_text: webhook.with_text,
                hint_headers: webhook.hint_headers,
            };
            self.deliver(&target, &event_id, creator, fan, &bytes, &[], now);
        }
    }

    /// Tells every app that may know it.
    pub(crate) fn emit(&mut self, creator: Uuid, fan: Uuid, kind: &EventKind, now: Moment) {
        if self.apps.is_empty() {
            return;
        }
        let targets = self.targets(creator, kind);
        if targets.is_empty() {
            return;
        }
        let event_id = self.rng.token("evt_");
        for target in targets {
            let faults = self.draw_webhook_faults(target.topic);
            let with_text = target.with_text && !faults.contains(&WebhookFault::WithoutText);
            let body =
                self.event_body(target.family, &event_id, creator, fan, kind, with_text, now);
            if let Some(body) = body {
                self.deliver(&target, &event_id, creator, fan, &body.bytes, &faults, now);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a delivery is all of these")]
    fn deliver(
        &mut self,
        target: &Target,
        event_id: &str,
        creator: Uuid,
        fan: Uuid,
        body: &[u8],
        faults: &[WebhookFault],
        now: Moment,
    ) {
        let dropped = faults.contains(&WebhookFault::Drop);
        let copies = if faults.contains(&WebhookFault::Duplicate) && !dropped {
            2
        } else {
            1
        };
        let flaw = if faults.contains(&WebhookFault::WrongSignature) {
            Some(Flaw::WrongSignature)
        } else if faults.contains(&WebhookFault::OldTimestamp) {
            Some(Flaw::OldTimestamp)
        } else {
            None
        };
        let late: u64 = faults
            .iter()
            .map(|fault| {
                if let WebhookFault::Delay(millis) = fault {
                    *millis
                } else {
                    0
                }
            })
            .sum();
        for _ in 0..copies {
            let record = self.deliveries.len();
            self.deliveries.push(DeliveryRecord {
                event_id: event_id.to_owned(),
                client_id: target.client_id.clone(),
                topic: target.topic,
                family: target.family,
                creator,
                fan,
                created_at: now,
                attempts: Vec::new(),
                state: if dropped {
                    DeliveryState::Dropped
                } else {
                    DeliveryState::Queued
                },
            });
            if dropped {
                continue;
            }
            let delivery = Delivery {
                record,
                event_id: event_id.to_owned(),
                client_id: target.client_id.clone(),
                topic: target.topic,
                url: target.url.clone(),
                secret: target.secret.clone(),
                body: body.to_vec(),
                attempt: 1,
                hint_headers: target.hint_headers,
                flaw,
            };
            if faults.contains(&WebhookFault::Reorder) && !self.held.contains_key(&target.url) {
                let key = self.enqueue(delivery, now.plus(MAX_HOLD));
                self.held.insert(target.url.clone(), key);
                continue;
            }
            let due = now.plus(late);
            self.enqueue(delivery, due);
            if let Some(key) = self.held.remove(&target.url)
                && let Some(overtaken) = self.outbox.remove(&key)
            {
                self.enqueue(overtaken, due);
            }
        }
    }

    fn enqueue(&mut self, delivery: Delivery, due: Moment) -> (Moment, u64) {
        self.sequence += 1;
        let key = (due, self.sequence);
        self.outbox.insert(key, delivery);
        key
    }
}

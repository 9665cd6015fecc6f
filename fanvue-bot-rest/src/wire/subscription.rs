//! Webhooks that are subscribed through the API.

use fanvue_bot_core::client::{SubscribedWebhook, SubscriptionId, WebhookSubscription};
use fanvue_bot_core::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FromAnswer;
use super::loose::{Label, Loose};

/// A subscription to make.
#[derive(Serialize)]
pub(crate) struct NewSubscription<'a> {
    pub(crate) url: &'a str,
    pub(crate) events: &'a [String],
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Subscribed {
    id: Loose<Label>,
    signing_secret: Loose<String>,
}

impl FromAnswer for SubscribedWebhook {
    fn read(object: Value) -> Result<Self, &'static str> {
        let expected = "id, signingSecret: expected two texts";
        let wire = Subscribed::deserialize(object).map_err(|_| expected)?;
        Ok(Self {
            id: subscription_id(wire.id).ok_or(expected)?,
            secret: Secret::new(wire.signing_secret.text().ok_or(expected)?),
        })
    }
}

/// One subscription of the list.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct SubscriptionWire {
    id: Loose<Label>,
    url: Loose<String>,
    events: Loose<Vec<Loose<String>>>,
}

impl SubscriptionWire {
    pub(crate) fn into_subscription(self) -> Option<WebhookSubscription> {
        let events = self.events.0.unwrap_or_default();
        Some(WebhookSubscription {
            id: subscription_id(self.id)?,
            url: self.url.text().unwrap_or_default(),
            events: events.into_iter().filter_map(|event| event.0).collect(),
        })
    }
}

/// One that could not be named in a path again is none.
fn subscription_id(id: Loose<Label>) -> Option<SubscriptionId> {
    let id = id.0?.0;
    is_segment(&id).then(|| SubscriptionId::new(id))
}

/// Whether a text is one segment of a path as it stands.
pub(crate) fn is_segment(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_without_a_secret_or_with_an_odd_id_is_refused() {
        let made = SubscribedWebhook::read(json!({"id": "sub_1", "signingSecret": "whsec_x"}));
        let made = made.unwrap();
        assert_eq!(made.id.as_str(), "sub_1");
        assert_eq!(made.secret.expose_text(), Some("whsec_x"));
        for odd in [
            json!({"id": "sub_1"}),
            json!({"id": "sub_1", "signingSecret": ""}),
            json!({"id": "../users/me", "signingSecret": "whsec_x"}),
            json!({"id": "", "signingSecret": "whsec_x"}),
            json!([]),
        ] {
            assert!(SubscribedWebhook::read(odd).is_err());
        }
    }
}

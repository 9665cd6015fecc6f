//! What goes wrong, and when: armed for the next few occasions, or drawn from the seed.

use super::World;

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Trigger {
    /// The next so many matching occasions, and then never again.
    Next(u32),
    /// Each matching occasion with this probability (0.0 to 1.0), drawn from the world's seed.
    Chance(f64),
}

/// What can happen to a request.
///
/// "Before" means that the request was not executed; "after" means that it was, and that only
/// the answer is lost or late: the ambiguous case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFault {
    /// Not executed, answered with this 5xx status and an HTML page.
    ErrorBefore(u16),
    /// Executed, and still answered with this 5xx status and an HTML page.
    ErrorAfter(u16),
    /// Executed after so many milliseconds.
    SlowBefore(u64),
    /// Executed at once, answered after so many milliseconds.
    SlowAfter(u64),
    /// Not executed, the connection is closed without an answer.
    CutBefore,
    /// Executed, the connection is closed without an answer.
    CutAfter,
    /// Not executed, answered with 401 although the token is good.
    Unauthorized,
    /// Not executed, answered with 429 and this `Retry-After` in seconds.
    RateLimited(u64),
    /// Not executed, answered with 400 `invalid_grant`. Strikes `/oauth2/token` only.
    InvalidGrant,
}

/// What can happen to a webhook delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookFault {
    /// Delivered twice, with the same event id.
    Duplicate,
    /// Held back until the next event for the same receiver has overtaken it, at most 30 s.
    Reorder,
    /// Delivered so many milliseconds late.
    Delay(u64),
    /// Never delivered.
    Drop,
    /// Signed with a secret that nobody has. Retried like any delivery that is refused.
    WrongSignature,
    /// Correctly signed, but with a timestamp an hour old.
    OldTimestamp,
    /// Message events without their text.
    WithoutText,
}

/// A request fault with the requests that it strikes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RequestRule {
    /// What happens.
    pub fault: RequestFault,
    /// When.
    pub trigger: Trigger,
    /// Only this method; any if `None`.
    pub method: Option<String>,
    /// Only paths of this form, where `*` stands for any run of characters; any if `None`.
    pub path: Option<String>,
}

impl RequestRule {
    /// A rule that strikes any request.
    pub const fn new(fault: RequestFault, trigger: Trigger) -> Self {
        Self {
            fault,
            trigger,
            method: None,
            path: None,
        }
    }

    /// Strikes only requests with this method and a path of this form (`*` for any run of
    /// characters), as in `("POST", "*/message")`.
    #[must_use]
    pub fn on(mut self, method: impl Into<String>, path: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self.path = Some(path.into());
        self
    }
}

/// A webhook fault with the events that it strikes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WebhookRule {
    /// What happens.
    pub fault: WebhookFault,
    /// When.
    pub trigger: Trigger,
    /// Only topics of this form, where `*` stands for any run of characters; any if `None`.
    pub topic: Option<String>,
}

impl WebhookRule {
    /// A rule that strikes any event.
    pub const fn new(fault: WebhookFault, trigger: Trigger) -> Self {
        Self {
            fault,
            trigger,
            topic: None,
        }
    }

    /// Strikes only topics of this form, as in `creator.message.*`.
    #[must_use]
    pub fn on(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }
}

impl World {
    /// Adds a request fault. Rules are asked in the order of their addition, and the first that
    /// strikes wins.
    pub fn add_request_fault(&mut self, rule: RequestRule) {
        self.request_faults.push(rule);
    }

    /// Adds a webhook fault. Several may strike the same event.
    pub fn add_webhook_fault(&mut self, rule: WebhookRule) {
        self.webhook_faults.push(rule);
    }

    /// Removes all faults.
    pub fn clear_faults(&mut self) {
        self.request_faults.clear();
        self.webhook_faults.clear();
    }

    /// The faults that are still armed for requests.
    pub fn request_faults(&self) -> &[RequestRule] {
        &self.request_faults
    }

    /// The faults that are still armed for webhooks.
    pub fn webhook_faults(&self) -> &[WebhookRule] {
        &self.webhook_faults
    }

    /// The fault that strikes this request, if one does. Counts it against its rule.
    pub fn draw_request_fault(&mut self, method: &str, path: &str) -> Option<RequestFault> {
        let mut struck = None;
        for rule in &mut self.request_faults {
            let matches = (rule.fault != RequestFault::InvalidGrant || path == "/oauth2/token")
                && rule
                    .method
                    .as_deref()
                    .is_none_or(|m| m.eq_ignore_ascii_case(method))
                && rule
                    .path
                    .as_deref()
                    .is_none_or(|pattern| glob(pattern, path));
            if matches && strikes(&mut rule.trigger, &mut self.rng) {
                struck = Some(rule.fault);
                break;
            }
        }
        self.request_faults
            .retain(|rule| rule.trigger != Trigger::Next(0));
        struck
    }

    pub(crate) fn draw_webhook_faults(&mut self, topic: &str) -> Vec<WebhookFault> {
        let mut struck = Vec::new();
        for rule in &mut self.webhook_faults {
            let matches = rule
                .topic
                .as_deref()
                .is_none_or(|pattern| glob(pattern, topic));
            if matches && strikes(&mut rule.trigger, &mut self.rng) {
                struck.push(rule.fault);
            }
        }
        self.webhook_faults
            .retain(|rule| rule.trigger != Trigger::Next(0));
        struck
    }
}

fn strikes(trigger: &mut Trigger, rng: &mut super::rng::Rng) -> bool {
    match trigger {
        Trigger::Next(0) => false,
        Trigger::Next(left) => {
            *left -= 1;
            true
        }
        Trigger::Chance(probability) => rng.chance(*probability),
    }
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any run of characters.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else {
        return false;
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("*", "/chats", true),
            ("/chats", "/chats", true),
            ("/chats", "/chats/x", false),
            ("*/message", "/v1/chats/a/message", true),
            ("*/message", "/v1/chats/a/messages", false),
            ("*/chats/*/message*", "/chats/a/messages/b", true),
            ("/oauth2/*", "/oauth2/token", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn an_armed_fault_strikes_so_many_matching_requests_and_no_more() {
        let mut world = World::new(1);
        world.add_request_fault(
            RequestRule::new(RequestFault::ErrorAfter(502), Trigger::Next(2))
                .on("POST", "*/message"),
        );
        let mut draw = |method: &str| world.draw_request_fault(method, "/v1/chats/a/message");
        assert_eq!(draw("GET"), None);
        assert_eq!(draw("POST"), Some(RequestFault::ErrorAfter(502)));
        assert_eq!(draw("POST"), Some(RequestFault::ErrorAfter(502)));
        assert_eq!(draw("POST"), None);
    }

    #[test]
    fn drawn_faults_repeat_with_the_seed() {
        let run = |seed| {
            let mut world = World::new(seed);
            world.add_request_fault(RequestRule::new(
                RequestFault::CutAfter,
                Trigger::Chance(0.5),
            ));
            (0..64)
                .map(|_| world.draw_request_fault("GET", "/x").is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }
}

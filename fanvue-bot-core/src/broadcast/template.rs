//! What the fans of a broadcast get.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conversation::Reply;
use crate::id::MediaId;
use crate::money::Cents;
use crate::policy::DraftCheck;
use crate::prompt::check::LONGEST_TEXT;
use crate::redact::Length;
use crate::settings::{Faults, Nearest};

/// What stands for the fan's name.
const NAME: &str = "{name}";
/// The longest stand-in for a name, in characters.
const LONGEST_NAME: usize = 60;
/// The lowest price of media.
const LOWEST_PRICE: Cents = Cents::new(300);

/// A message with places for what differs from fan to fan. `Debug` shows the length of the words and not the words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Template {
    /// The words, 1 to 5000 characters. `{name}` stands for what the fan goes by; braces mean nothing else.
    pub text: Arc<str>,
    /// What stands for the name of a fan whose name is not known. Needed where the text has `{name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_fallback: Option<Arc<str>>,
    /// The creator's own media, status `ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediaId>,
    /// A price for the media, at least 300 cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Cents>,
}

impl Template {
    /// Words alone.
    #[must_use]
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: text.into(),
            name_fallback: None,
            media: Vec::new(),
            price: None,
        }
    }

    /// With this in place of a name that is not known.
    #[must_use]
    pub fn name_fallback(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name_fallback = Some(name.into());
        self
    }

    /// With these media of the creator.
    #[must_use]
    pub fn media(mut self, media: impl Into<Vec<MediaId>>) -> Self {
        self.media = media.into();
        self
    }

    /// With this price for the media.
    #[must_use]
    pub const fn price(mut self, price: Cents) -> Self {
        self.price = Some(price);
        self
    }

    /// The words for a fan of this name, no longer than Fanvue takes them. A name is cut to 60 characters; nothing
    /// in it is read as a placeholder.
    pub(super) fn render(&self, name: Option<&str>) -> Reply {
        let fallback = self.name_fallback.as_deref().unwrap_or_default();
        let name: String = name
            .unwrap_or(fallback)
            .chars()
            .take(LONGEST_NAME)
            .collect();
        let text = self.text.replace(NAME, &name);
        Reply::new(text.chars().take(LONGEST_TEXT).collect::<String>())
    }

    /// Whether the words differ by the fan's name.
    pub(super) fn asks_for_name(&self) -> bool {
        self.text.contains(NAME)
    }

    pub(super) fn check(&self, policy: &dyn DraftCheck, faults: &mut Faults) {
        let characters = self.text.chars().count();
        let names = self.text.matches(NAME).count();
        let longest = characters + names * (LONGEST_NAME - NAME.len());
        if self.text.trim().is_empty() {
            faults.push("message.text", "a message needs words", None);
        } else if longest > LONGEST_TEXT {
            let reason = format!(
                "it may have {longest} characters with names of {LONGEST_NAME}; a message has 1 to {LONGEST_TEXT}"
            );
            let most = LONGEST_TEXT.saturating_sub(longest - characters);
            let nearest = Nearest::Count(u64::try_from(most).unwrap_or(u64::MAX));
            faults.push("message.text", reason, Some(nearest));
        }
        for wrong in placeholders(&self.text).filter(|found| *found != NAME) {
            let reason = format!("{wrong} stands for nothing");
            faults.push("message.text", reason, Some(Nearest::Text(NAME.into())));
        }
        if let Some(violation) = policy.violation(&self.render(Some("Anna")).text()[..]) {
            faults.push(
                "message.text",
                format!("it may not be sent: {violation}"),
                None,
            );
        }
        let fallback = self.name_fallback.as_deref();
        if names > 0 && fallback.is_none_or(|name| name.trim().is_empty()) {
            let reason = "not every fan's name is known";
            faults.push(
                "message.name_fallback",
                reason,
                Some(Nearest::Text("you".into())),
            );
        }
        if let Some(price) = self.price {
            if self.media.is_empty() {
                faults.push("message.price", "a price needs media", None);
            }
            if price < LOWEST_PRICE {
                let reason = format!("{} cents are less than Fanvue's lowest price", price.get());
                faults.push("message.price", reason, Some(Nearest::Count(300)));
            }
        }
    }
}

/// Whatever is in braces in one line.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{').filter_map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(['}', '\n'])?;
        rest[end..].starts_with('}').then(|| &rest[..=end])
    })
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("text", &Length(&self.text))
            .field("media", &self.media)
            .field("price", &self.price)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PhraseCheck;
    use uuid::Uuid;

    fn media() -> [MediaId; 1] {
        [MediaId::from_uuid(Uuid::from_u128(1))]
    }

    #[track_caller]
    fn check(template: &Template, faults: &[&str]) {
        let mut found = Faults::default();
        template.check(&PhraseCheck::default(), &mut found);
        let found = found.into_result().err();
        let found: Vec<String> = found
            .iter()
            .flat_map(|invalid| invalid.faults())
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, faults);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_field_with_the_nearest_that_can() {
        check(&Template::text("good morning"), &[]);
        check(
            &Template::text(" \n"),
            &["message.text: a message needs words"],
        );
        check(
            &Template::text("x".repeat(5_001)),
            &[
                "message.text: it may have 5001 characters with names of 60; a message has 1 to 5000; the nearest valid value is 5000",
            ],
        );
        check(
            &Template::text("hi {Name}, {first name}").name_fallback("you"),
            &[
                "message.text: {Name} stands for nothing; the nearest valid value is {name}",
                "message.text: {first name} stands for nothing; the nearest valid value is {name}",
            ],
        );
        check(
            &Template::text("hi {name}"),
            &[
                "message.name_fallback: not every fan's name is known; the nearest valid value is you",
            ],
        );
        check(&Template::text("hi {name}").name_fallback("you"), &[]);
        check(
            &Template::text("look").price(Cents::new(500)),
            &["message.price: a price needs media"],
        );
        check(
            &Template::text("look").media(media()).price(Cents::new(299)),
            &[
                "message.price: 299 cents are less than Fanvue's lowest price; the nearest valid value is 300",
            ],
        );
        check(
            &Template::text("look").media(media()).price(Cents::new(300)),
            &[],
        );
    }

    #[test]
    fn a_name_is_put_in_as_it_is() {
        let template = Template::text("hi {name}, {name}!").name_fallback("you");
        let render = |name| template.render(name).text().to_string();
        assert_eq!(render(Some("Ann")), "hi Ann, Ann!");
        assert_eq!(render(None), "hi you, you!");
        assert_eq!(render(Some("{name}")), "hi {name}, {name}!");
        assert_eq!(render(Some(&"n".repeat(100))).len(), "hi , !".len() + 120);
    }

    #[test]
    fn debug_shows_no_words() {
        let shown = format!("{:?}", Template::text("canary").name_fallback("canary"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}

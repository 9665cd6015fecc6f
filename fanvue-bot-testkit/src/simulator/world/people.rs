//! Who there is: creators, agencies, fans, and how they stand to one another.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::event::EventKind;
use super::lists::CustomList;
use super::media::{Folder, Template};
use super::message::AutomatedTrigger;
use super::time::Moment;

/// A creator's account, or an agency's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Creator {
    /// The user's uuid.
    pub uuid: Uuid,
    /// Unique name in addresses.
    pub handle: String,
    /// Name shown to fans.
    pub display_name: String,
    /// Private address.
    pub email: String,
    /// Profile text.
    pub bio: Option<String>,
    /// Address of the picture.
    pub avatar_url: Option<String>,
    /// Address of the banner.
    pub banner_url: Option<String>,
    /// When the account was opened.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Option<Moment>,
    /// The creators that this account manages; an agency if there are any.
    pub manages: BTreeSet<Uuid>,
    /// Custom lists of fans.
    pub custom_lists: BTreeMap<Uuid, CustomList>,
    /// Message templates.
    pub templates: Vec<Template>,
    /// Vault folders by name.
    pub folders: BTreeMap<String, Folder>,
    /// Fanvue's own automated messages that are switched on, with their texts.
    pub automated: BTreeMap<AutomatedTrigger, String>,
}

impl Creator {
    /// Whether this is an agency's account.
    pub fn is_agency(&self) -> bool {
        !self.manages.is_empty()
    }
}

/// A fan's account.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fan {
    /// The user's uuid. Chats are addressed by it.
    pub uuid: Uuid,
    /// Unique name in addresses.
    pub handle: String,
    /// Name shown to creators.
    pub display_name: String,
    /// Address of the picture.
    pub avatar_url: Option<String>,
    /// When the account was opened.
    pub registered_at: Moment,
    /// Whether the fan is signed in just now.
    pub online: bool,
    /// When the fan was last seen.
    pub last_seen_at: Option<Moment>,
    /// Whether the fan hides the two above.
    pub hides_presence: bool,
    /// Whether the fan is a creator too.
    pub is_creator: bool,
}

/// How a fan stands to one creator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Relation {
    /// Since when the fan follows.
    pub follower_since: Option<Moment>,
    /// The latest subscription, running or not.
    pub subscription: Option<Subscription>,
    /// When the fan first subscribed.
    pub first_subscribed_at: Option<Moment>,
    /// Whether the creator may write to the fan. A fan who is not contactable (deleted, blocked)
    /// may still be listed with the chat.
    pub contactable: bool,
}

impl Default for Relation {
    fn default() -> Self {
        Self {
            follower_since: None,
            subscription: None,
            first_subscribed_at: None,
            contactable: true,
        }
    }
}

/// Whether a creator may write to a fan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "possible or not")]
pub enum Contact {
    /// The creator may.
    Possible,
    /// The fan is deleted, or blocked the creator.
    Refused,
}

/// Whether a fan is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "signed in or not")]
pub enum OnlineStatus {
    /// Signed in.
    Online,
    /// Signed out.
    Offline,
}

/// When a subscription that a fan ends is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// Now.
    AtOnce,
    /// When the period ends that is paid for.
    AtPeriodEnd,
}

/// A subscription of a fan to a creator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subscription {
    /// Its own id.
    pub id: Uuid,
    /// Monthly price in cents; 0 for a free trial.
    pub price: u64,
    /// Whether it runs.
    pub active: bool,
    /// Whether it renews itself.
    pub auto_renewal: bool,
    /// Start of the current period.
    pub period_start: Moment,
    /// End of the current period.
    pub period_end: Moment,
    /// When it was made.
    pub created_at: Moment,
}

const MONTH: u64 = 30 * 24 * 60 * 60 * 1000;

impl World {
    /// Opens a creator's account.
    pub fn add_creator(&mut self, handle: &str, display_name: &str, now: Moment) -> Uuid {
        let uuid = self.rng.uuid();
        self.creators.insert(
            uuid,
            Creator {
                uuid,
                handle: handle.to_owned(),
                display_name: display_name.to_owned(),
                email: format!("{handle}@example.test"),
                bio: None,
                avatar_url: None,
                banner_url: None,
                created_at: now,
                updated_at: None,
                manages: BTreeSet::new(),
                custom_lists: BTreeMap::new(),
                templates: Vec::new(),
                folders: BTreeMap::new(),
                automated: BTreeMap::new(),
            },
        );
        uuid
    }

    /// Opens an agency's account that manages the given creators. A grant by the agency covers
    /// all of them, under `/creators/{uuid}/...`.
    pub fn add_agency(&mut self, handle: &str, creators: &[Uuid], now: Moment) -> Uuid {
        let uuid = self.add_creator(handle, handle, now);
        if let Some(agency) = self.creators.get_mut(&uuid) {
            agency.manages = creators.iter().copied().collect();
        }
        uuid
    }

    /// Opens a fan's account. The fan has no chat with anyone yet.
    pub fn add_fan(&mut self, handle: &str, display_name: &str, now: Moment) -> Uuid {
        let uuid = self.rng.uuid();
        self.fans.insert(
            uuid,
            Fan {
                uuid,
                handle: handle.to_owned(),
                display_name: display_name.to_owned(),
                avatar_url: None,
                registered_at: now,
                online: false,
                last_seen_at: None,
                hides_presence: false,
                is_creator: false,
            },
        );
        uuid
    }

    /// A creator or agency.
    pub fn creator(&self, uuid: Uuid) -> Option<&Creator> {
        self.creators.get(&uuid)
    }

    /// A creator or agency, to be changed.
    pub fn creator_mut(&mut self, uuid: Uuid) -> Option<&mut Creator> {
        self.creators.get_mut(&uuid)
    }

    /// All creators and agencies, by uuid.
    pub fn creators(&self) -> impl Iterator<Item = &Creator> {
        self.creators.values()
    }

    /// A fan.
    pub fn fan(&self, uuid: Uuid) -> Option<&Fan> {
        self.fans.get(&uuid)
    }

    /// A fan, to be changed.
    pub fn fan_mut(&mut self, uuid: Uuid) -> Option<&mut Fan> {
        self.fans.get_mut(&uuid)
    }

    /// All fans, by uuid.
    pub fn fans(&self) -> impl Iterator<Item = &Fan> {
        self.fans.values()
    }

    /// How a fan stands to a creator; `None` if they never met.
    pub fn relation(&self, creator: Uuid, fan: Uuid) -> Option<&Relation> {
        self.relations.get(&(creator, fan))
    }

    /// The fans of a creator with their standing, by uuid.
    pub fn relations_of(&self, creator: Uuid) -> impl Iterator<Item = (Uuid, &Relation)> {
        self.relations
            .range((creator, Uuid::nil())..=(creator, Uuid::max()))
            .map(|((_, fan), relation)| (*fan, relation))
    }

    /// Lets the creator write to the fan, or not. A chat that exists stays listed either way.
    pub fn set_contact(&mut self, creator: Uuid, fan: Uuid, contact: Contact) {
        self.relations
            .entry((creator, fan))
            .or_default()
            .contactable = contact == Contact::Possible;
    }

    pub(crate) fn is_contactable(&self, creator: Uuid, fan: Uuid) -> bool {
        self.fans.contains_key(&fan)
            && self
                .relation(creator, fan)
                .is_none_or(|relation| relation.contactable)
    }

    /// Signs a fan in or out.
    pub fn set_online_status(&mut self, fan: Uuid, status: OnlineStatus, now: Moment) {
        let online = status == OnlineStatus::Online;
        let Some(person) = self.fans.get_mut(&fan) else {
            return;
        };
        person.online = online;
        person.last_seen_at = Some(now);
        let partners: Vec<Uuid> = self
            .relations
            .keys()
            .filter(|(_, f)| *f == fan)
            .map(|(creator, _)| *creator)
            .collect();
        for creator in partners {
            self.emit(creator, fan, &EventKind::PresenceChanged { online }, now);
        }
    }

    /// The fan follows the creator.
    ///
    /// # Errors
    ///
    /// `NotFound` if either is unknown.
    pub fn follow(&mut self, creator: Uuid, fan: Uuid, now: Moment) -> Result<(), ApiError> {
        self.check_pair(creator, fan)?;
        let relation = self.relations.entry((creator, fan)).or_default();
        if relation.follower_since.is_none() {
            relation.follower_since = Some(now);
            self.emit(creator, fan, &EventKind::Followed, now);
            self.automate(creator, fan, AutomatedTrigger::NewFollower, now);
        }
        Ok(())
    }

    /// The fan subscribes, or renews a running subscription, at `price` cents a month.
    ///
    /// # Errors
    ///
    /// `NotFound` if either is unknown.
    pub fn subscribe(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        price: u64,
        now: Moment,
    ) -> Result<(), ApiError> {
        self.check_pair(creator, fan)?;
        let id = self.rng.uuid();
        let relation = self.relations.entry((creator, fan)).or_default();
        let renewed = relation.subscription.as_ref().is_some_and(|old| old.active);
        let again = relation.first_subscribed_at.is_some();
        let id = match &relation.subscription {
            Some(old) if renewed => old.id,
            _ => id,
        };
        relation.subscription = Some(Subscription {
            id,
            price,
            active: true,
            auto_renewal: true,
            period_start: now,
            period_end: now.plus(MONTH),
            created_at: now,
        });
        relation.first_subscribed_at.get_or_insert(now);
        let (kind, source, trigger) = if renewed {
            (
                EventKind::SubscriptionRenewed,
                "renewal",
                AutomatedTrigger::Renewed,
            )
        } else if again {
            (
                EventKind::SubscriptionActivated,
                "subscription",
                AutomatedTrigger::ReSubscribed,
            )
        } else {
            (
                EventKind::SubscriptionActivated,
                "subscription",
                AutomatedTrigger::NewSubscriber,
            )
        };
        self.emit(creator, fan, &kind, now);
        if price > 0 {
            self.pay(creator, fan, source, price, None, now);
        }
        self.automate(creator, fan, trigger, now);
        Ok(())
    }

    /// The fan ends the subscription: at once, or at the end of the period.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no running subscription.
    pub fn unsubscribe(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        end: SubscriptionEnd,
        now: Moment,
    ) -> Result<(), ApiError> {
        let running = self
            .relations
            .get_mut(&(creator, fan))
            .and_then(|relation| relation.subscription.as_mut())
            .filter(|subscription| subscription.active)
            .ok_or_else(|| ApiError::not_found("Subscription"))?;
        running.auto_renewal = false;
        if end == SubscriptionEnd::AtPeriodEnd {
            self.emit(
                creator,
                fan,
                &EventKind::SubscriptionCancelAtPeriodEndChanged,
                now,
            );
        } else {
            running.active = false;
            running.period_end = now;
            self.emit(creator, fan, &EventKind::SubscriptionDeactivated, now);
            self.automate(creator, fan, AutomatedTrigger::SubscriptionCanceled, now);
        }
        Ok(())
    }

    pub(crate) fn check_pair(&self, creator: Uuid, fan: Uuid) -> Result<(), ApiError> {
        if !self.creators.contains_key(&creator) {
            return Err(ApiError::not_found("Creator"));
        }
        if !self.fans.contains_key(&fan) {
            return Err(ApiError::not_found("User"));
        }
        Ok(())
    }
}

//! Smart lists, custom lists, and mass messages to them.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::listing::words;
use super::message::{NewMessage, Origin};
use super::time::Moment;

words! {
    /// A list that Fanvue keeps by itself. Its "uuid" on the wire is a fixed word.
    SmartList {
        /// Running subscriptions.
        Subscribers = "subscribers",
        /// Running subscriptions that renew themselves.
        AutoRenewing = "auto_renewing",
        /// Running subscriptions that do not.
        NonRenewing = "non_renewing",
        /// Followers without a running subscription.
        Followers = "followers",
        /// Running subscriptions that cost nothing.
        FreeTrialSubscribers = "free_trial_subscribers",
        /// Former subscribers.
        ExpiredSubscribers = "expired_subscribers",
        /// Fans who have spent more than 50 dollars.
        SpentMoreThan50 = "spent_more_than_50",
        /// Muted chats; `/v1` only.
        Muted = "muted",
        /// Fans who are creators too; `/v1` only.
        Creators = "creators",
    }
}

impl SmartList {
    /// Whether the unversioned paths know it.
    pub const fn in_legacy(self) -> bool {
        !matches!(self, Self::Muted | Self::Creators)
    }

    /// The name shown.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Subscribers => "Subscribers",
            Self::AutoRenewing => "Auto-renewing",
            Self::NonRenewing => "Non-renewing",
            Self::Followers => "Followers",
            Self::FreeTrialSubscribers => "Free trial",
            Self::ExpiredSubscribers => "Expired subscribers",
            Self::SpentMoreThan50 => "Spent more than $50",
            Self::Muted => "Muted",
            Self::Creators => "Creators",
        }
    }
}

/// A list that the creator keeps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CustomList {
    /// Its uuid.
    pub uuid: Uuid,
    /// Unique among the creator's lists.
    pub name: String,
    /// When it was made.
    pub created_at: Moment,
    /// The fans in it.
    pub members: BTreeSet<Uuid>,
}

/// The body of `POST /chats/mass-messages`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NewMassMessage {
    /// What is sent.
    pub message: NewMessage,
    /// To the fans in these...
    pub smart_lists: Vec<SmartList>,
    /// ...and in these...
    pub custom_lists: Vec<Uuid>,
    /// ...except those in these.
    pub excluded_custom_lists: Vec<Uuid>,
    /// When; at once if `None`.
    pub scheduled_at: Option<Moment>,
}

/// A mass message, sent or scheduled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MassMessage {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub creator: Uuid,
    /// What is sent.
    pub message: NewMessage,
    /// To whom.
    pub recipients: BTreeSet<Uuid>,
    /// When the call was made.
    pub created_at: Moment,
    /// When it is to be sent.
    pub scheduled_at: Option<Moment>,
    /// When it was.
    pub sent_at: Option<Moment>,
}

impl World {
    /// Whether the fan is in a smart list of the creator.
    pub fn is_in_smart_list(&self, creator: Uuid, fan: Uuid, list: SmartList) -> bool {
        let relation = self.relation(creator, fan);
        let subscription = relation.and_then(|r| r.subscription.as_ref());
        let active = subscription.filter(|s| s.active);
        match list {
            SmartList::Subscribers => active.is_some(),
            SmartList::AutoRenewing => active.is_some_and(|s| s.auto_renewal),
            SmartList::NonRenewing => active.is_some_and(|s| !s.auto_renewal),
            SmartList::Followers => {
                active.is_none() && relation.is_some_and(|r| r.follower_since.is_some())
            }
            SmartList::FreeTrialSubscribers => active.is_some_and(|s| s.price == 0),
            SmartList::ExpiredSubscribers => subscription.is_some_and(|s| !s.active),
            SmartList::SpentMoreThan50 => {
                let cents: u64 = self
                    .payments_of(creator)
                    .filter(|p| p.fan == fan)
                    .map(|p| p.gross)
                    .sum();
                cents > 5000
            }
            SmartList::Muted => self.chat(creator, fan).is_some_and(|chat| chat.is_muted),
            SmartList::Creators => self.fan(fan).is_some_and(|f| f.is_creator),
        }
    }

    /// The members of a smart list, by uuid.
    pub fn smart_list(&self, creator: Uuid, list: SmartList) -> Vec<Uuid> {
        self.relations_of(creator)
            .map(|(fan, _)| fan)
            .filter(|fan| self.is_in_smart_list(creator, *fan, list))
            .collect()
    }

    /// `POST /chats/lists/custom`.
    ///
    /// # Errors
    ///
    /// `Conflict` if the name is taken, `Validation` if it is empty.
    pub fn create_list(
        &mut self,
        creator: Uuid,
        name: &str,
        now: Moment,
    ) -> Result<Uuid, ApiError> {
        let uuid = self.rng.uuid();
        let account = self
            .creators
            .get_mut(&creator)
            .ok_or_else(|| ApiError::not_found("Creator"))?;
        check_name(name)?;
        if account.custom_lists.values().any(|list| list.name == name) {
            return Err(ApiError::Conflict(
                "A list with this name exists".to_owned(),
            ));
        }
        let list = CustomList {
            uuid,
            name: name.to_owned(),
            created_at: now,
            members: BTreeSet::new(),
        };
        account.custom_lists.insert(uuid, list);
        Ok(uuid)
    }

    /// `PATCH /chats/lists/custom/{uuid}`.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Conflict` if another list has the name, `Validation` if it is empty.
    pub fn rename_list(&mut self, creator: Uuid, list: Uuid, name: &str) -> Result<(), ApiError> {
        check_name(name)?;
        let account = self
            .creators
            .get_mut(&creator)
            .ok_or_else(|| ApiError::not_found("Creator"))?;
        if account
            .custom_lists
            .values()
            .any(|other| other.uuid != list && other.name == name)
        {
            return Err(ApiError::Conflict(
                "A list with this name exists".to_owned(),
            ));
        }
        let list = account
            .custom_lists
            .get_mut(&list)
            .ok_or_else(|| ApiError::not_found("List"))?;
        name.clone_into(&mut list.name);
        Ok(())
    }

    /// `DELETE /chats/lists/custom/{uuid}`.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn delete_list(&mut self, creator: Uuid, list: Uuid) -> Result<(), ApiError> {
        self.creators
            .get_mut(&creator)
            .and_then(|account| account.custom_lists.remove(&list))
            .map(|_| ())
            .ok_or_else(|| ApiError::not_found("List"))
    }

    /// `POST /chats/lists/custom/{uuid}/members`: how many were added and how many skipped, for
    /// being in it already or unknown.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn add_list_members(
        &mut self,
        creator: Uuid,
        list: Uuid,
        fans: &[Uuid],
    ) -> Result<(u64, u64), ApiError> {
        let (mut added, mut skipped) = (0, 0);
        let list = self
            .creators
            .get_mut(&creator)
            .and_then(|account| account.custom_lists.get_mut(&list))
            .ok_or_else(|| ApiError::not_found("List"))?;
        for fan in fans {
            if self.fans.contains_key(fan) && list.members.insert(*fan) {
                added += 1;
            } else {
                skipped += 1;
            }
        }
        Ok((added, skipped))
    }

    /// `DELETE /chats/lists/custom/{uuid}/members/{fan}`.
    ///
    /// # Errors
    ///
    /// `NotFound` for the list or the member.
    pub fn remove_list_member(
        &mut self,
        creator: Uuid,
        list: Uuid,
        fan: Uuid,
    ) -> Result<(), ApiError> {
        let removed = self
            .creators
            .get_mut(&creator)
            .and_then(|account| account.custom_lists.get_mut(&list))
            .is_some_and(|list| list.members.remove(&fan));
        if removed {
            Ok(())
        } else {
            Err(ApiError::not_found("List member"))
        }
    }

    /// `POST /chats/mass-messages`. Fans who cannot be contacted are left out. A scheduled one is
    /// sent by [`tick`](Self::tick).
    ///
    /// # Errors
    ///
    /// As for [`send_message`](Self::send_message), and `NotFound` for an unknown list.
    pub fn send_mass_message(
        &mut self,
        creator: Uuid,
        mass: NewMassMessage,
        now: Moment,
    ) -> Result<&MassMessage, ApiError> {
        let message = self.checked(creator, mass.message)?;
        let account = self
            .creator(creator)
            .ok_or_else(|| ApiError::not_found("Creator"))?;
        let members = |uuid: &Uuid| {
            let list = account.custom_lists.get(uuid);
            list.map(|list| &list.members)
                .ok_or_else(|| ApiError::not_found("List"))
        };
        let mut recipients = BTreeSet::new();
        for list in &mass.smart_lists {
            recipients.extend(self.smart_list(creator, *list));
        }
        for list in &mass.custom_lists {
            recipients.extend(members(list)?);
        }
        for list in &mass.excluded_custom_lists {
            for fan in members(list)? {
                recipients.remove(fan);
            }
        }
        recipients.retain(|fan| self.is_contactable(creator, *fan));
        let id = self.rng.uuid();
        self.mass_messages.push(MassMessage {
            id,
            creator,
            message,
            recipients,
            created_at: now,
            scheduled_at: mass.scheduled_at,
            sent_at: None,
        });
        self.tick(now);
        self.mass_messages
            .iter()
            .rev()
            .find(|mass| mass.id == id)
            .ok_or_else(|| ApiError::not_found("Mass message"))
    }

    /// The mass messages of a creator, oldest first.
    pub fn mass_messages(&self, creator: Uuid) -> impl DoubleEndedIterator<Item = &MassMessage> {
        self.mass_messages
            .iter()
            .filter(move |mass| mass.creator == creator)
    }

    /// Takes back a scheduled mass message.
    ///
    /// # Errors
    ///
    /// `NotFound`, or `Refused` if it was sent already.
    pub fn cancel_mass_message(&mut self, creator: Uuid, id: Uuid) -> Result<(), ApiError> {
        let at = self
            .mass_messages
            .iter()
            .position(|mass| mass.creator == creator && mass.id == id)
            .ok_or_else(|| ApiError::not_found("Mass message"))?;
        if self.mass_messages[at].sent_at.is_some() {
            return Err(ApiError::Refused(
                "The mass message was sent already".to_owned(),
            ));
        }
        self.mass_messages.remove(at);
        Ok(())
    }

    /// Does what is due by `now`: sends scheduled mass messages, and tells how many. Call it as
    /// often as you like.
    pub fn tick(&mut self, now: Moment) -> usize {
        let mut sent = 0;
        for at in 0..self.mass_messages.len() {
            let mass = &mut self.mass_messages[at];
            if mass.sent_at.is_some() || mass.scheduled_at.is_some_and(|due| due > now) {
                continue;
            }
            sent += 1;
            mass.sent_at = Some(now);
            let (creator, message) = (mass.creator, mass.message.clone());
            for fan in mass.recipients.clone() {
                self.write_as_creator(creator, fan, message.clone(), Origin::Broadcast, None, now);
            }
        }
        sent
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    if name.trim().is_empty() {
        return Err(ApiError::invalid("name must not be empty"));
    }
    Ok(())
}

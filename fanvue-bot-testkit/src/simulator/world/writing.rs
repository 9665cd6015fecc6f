//! Every way of writing in a chat, and what becomes of a message then.

use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::event::EventKind;
use super::message::{AutomatedTrigger, FanMessage, Message, MessageKind, NewMessage, Origin};
use super::time::Moment;

/// The largest text of a message, in characters.
pub const MAX_TEXT: usize = 5000;
/// The lowest price of a message, in cents.
pub const MIN_PRICE: u64 = 300;

impl World {
    /// The fan writes. Opens the chat if there is none, and marks what the creator wrote as read.
    ///
    /// # Errors
    ///
    /// `NotFound` if either is unknown, `Validation` if there is neither text nor media.
    pub fn fan_writes(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        message: impl Into<FanMessage>,
        now: Moment,
    ) -> Result<Uuid, ApiError> {
        let message = message.into();
        self.check_pair(creator, fan)?;
        if message.text.as_deref().is_none_or(str::is_empty) && message.media.is_empty() {
            return Err(ApiError::invalid(
                "text must not be empty when there is no media",
            ));
        }
        let first = self
            .chat(creator, fan)
            .is_none_or(|chat| !chat.messages.iter().any(Message::from_fan));
        let mut draft = self.draft(
            Origin::Fan,
            message.kind.unwrap_or(MessageKind::SingleRecipient),
            now,
        );
        draft.text = message.text.filter(|text| !text.is_empty());
        draft.media = message.media;
        let uuid = self.store_from_fan(creator, fan, draft, now);
        if first {
            self.automate(creator, fan, AutomatedTrigger::FirstMessageReply, now);
        }
        Ok(uuid)
    }

    /// The fan tips `cents`, with an optional text: a message of type `TIP` and a payment.
    ///
    /// # Errors
    ///
    /// `NotFound` if either is unknown.
    pub fn fan_tips(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        cents: u64,
        text: Option<&str>,
        now: Moment,
    ) -> Result<Uuid, ApiError> {
        self.check_pair(creator, fan)?;
        let mut draft = self.draft(Origin::Fan, MessageKind::Tip, now);
        draft.text = text.map(str::to_owned);
        draft.price = Some(cents);
        draft.purchased_at = Some(now);
        let uuid = self.store_from_fan(creator, fan, draft, now);
        self.pay(creator, fan, "tip", cents, Some(uuid), now);
        Ok(uuid)
    }

    /// `POST /chats/{fan}/message`: sends through the API.
    ///
    /// There is no idempotency key on Fanvue: every accepted call stores a message.
    ///
    /// # Errors
    ///
    /// `Validation` for a bad body, `Refused` if the fan cannot be contacted or the chat was
    /// never opened, `NotFound` for an unknown creator.
    pub fn send_message(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        message: impl Into<NewMessage>,
        now: Moment,
    ) -> Result<Uuid, ApiError> {
        let message = self.checked(creator, message.into())?;
        if !self.is_contactable(creator, fan) {
            return Err(ApiError::Refused(
                "Invalid user: cannot be contacted".to_owned(),
            ));
        }
        if self.chat(creator, fan).is_none() {
            return Err(ApiError::Refused(
                "Invalid user: there is no chat".to_owned(),
            ));
        }
        Ok(self.write_as_creator(creator, fan, message, Origin::Api, None, now))
    }

    /// The creator, or a team member if `typed_by` names one, writes by hand in Fanvue's own
    /// pages. `sentByUserId` is set: to the team member, or else to the creator.
    ///
    /// # Errors
    ///
    /// As for [`send_message`](Self::send_message), but the chat is opened if there is none.
    pub fn human_writes(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        message: impl Into<NewMessage>,
        typed_by: Option<Uuid>,
        now: Moment,
    ) -> Result<Uuid, ApiError> {
        self.check_pair(creator, fan)?;
        let message = self.checked(creator, message.into())?;
        let by = typed_by.unwrap_or(creator);
        self.chat_entry(creator, fan, now);
        let uuid = self.write_as_creator(creator, fan, message, Origin::Human, Some(by), now);
        self.read_chat(creator, fan, now);
        Ok(uuid)
    }

    /// Fanvue's automation writes in the creator's name.
    ///
    /// # Errors
    ///
    /// `NotFound` if either is unknown.
    pub fn automated_message(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        trigger: AutomatedTrigger,
        text: &str,
        now: Moment,
    ) -> Result<Uuid, ApiError> {
        self.check_pair(creator, fan)?;
        let mut draft = self.draft(Origin::Automated, MessageKind::Automated(trigger), now);
        draft.text = Some(text.to_owned());
        Ok(self.store_from_creator(creator, fan, draft, now))
    }

    /// Sends the automated message of this trigger, if the creator switched it on.
    pub(crate) fn automate(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        trigger: AutomatedTrigger,
        now: Moment,
    ) {
        let text = self
            .creator(creator)
            .and_then(|c| c.automated.get(&trigger))
            .cloned();
        if let Some(text) = text {
            // Both were checked by the caller.
            let _ = self.automated_message(creator, fan, trigger, &text, now);
        }
    }

    /// `DELETE /chats/{fan}/messages/{message}`.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such message, `Refused` if it is not the creator's own, was sent
    /// as a mass message, or was bought.
    pub fn delete_message(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        message: Uuid,
        now: Moment,
    ) -> Result<(), ApiError> {
        let found = self
            .chats
            .get_mut(&(creator, fan))
            .and_then(|chat| {
                chat.messages
                    .iter_mut()
                    .find(|m| m.uuid == message && m.deleted_at.is_none())
            })
            .ok_or_else(|| ApiError::not_found("Message"))?;
        if found.from_fan() || found.origin == Origin::Broadcast {
            return Err(ApiError::Refused(
                "Only own single messages can be deleted".to_owned(),
            ));
        }
        if found.purchased_at.is_some() {
            return Err(ApiError::Refused(
                "A purchased message cannot be deleted".to_owned(),
            ));
        }
        found.deleted_at = Some(now);
        self.emit(creator, fan, &EventKind::MessageDeleted { message }, now);
        Ok(())
    }

    /// Someone reacts to a message with an emoji.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such message.
    pub fn react(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        message: Uuid,
        emoji: &str,
        now: Moment,
    ) -> Result<(), ApiError> {
        self.chat(creator, fan)
            .and_then(|chat| chat.message(message))
            .ok_or_else(|| ApiError::not_found("Message"))?;
        let kind = EventKind::Reaction {
            message,
            emoji: emoji.to_owned(),
            actor: fan,
        };
        self.emit(creator, fan, &kind, now);
        Ok(())
    }

    /// Fills in the template and checks what Fanvue checks.
    pub(crate) fn checked(
        &self,
        creator: Uuid,
        mut message: NewMessage,
    ) -> Result<NewMessage, ApiError> {
        let account = self
            .creator(creator)
            .ok_or_else(|| ApiError::not_found("Creator"))?;
        if let Some(uuid) = message.template {
            let template = account
                .templates
                .iter()
                .find(|template| template.uuid == uuid)
                .ok_or_else(|| ApiError::invalid("templateUuid must name a template"))?;
            message.text = message.text.or_else(|| template.text.clone());
            message.price = message.price.or(template.price);
            if message.media.is_empty() {
                message.media.clone_from(&template.media);
            }
        }
        let mut errors = Vec::new();
        match &message.text {
            Some(text) if text.is_empty() => {
                errors.push("text must be at least 1 character, leave it out instead".to_owned());
            }
            Some(text) if text.len() > MAX_TEXT && text.chars().count() > MAX_TEXT => {
                errors.push("text must be at most 5000 characters".to_owned());
            }
            None if message.media.is_empty() => {
                errors.push("text must be given when there is no media".to_owned());
            }
            _ => {}
        }
        if let Some(price) = message.price {
            if price < MIN_PRICE {
                errors.push("price must be at least 300".to_owned());
            }
            if message.media.is_empty() {
                errors.push("price must not be given without mediaUuids".to_owned());
            }
        }
        for uuid in message.media.iter().chain(&message.preview) {
            let usable = self
                .media
                .get(uuid)
                .is_some_and(|m| m.creator == creator && m.is_ready());
            if !usable {
                errors.push(format!(
                    "mediaUuids must name own media that is ready: {uuid}"
                ));
            }
        }
        if errors.is_empty() {
            Ok(message)
        } else {
            Err(ApiError::Validation(errors))
        }
    }

    pub(crate) fn write_as_creator(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        message: NewMessage,
        origin: Origin,
        typed_by: Option<Uuid>,
        now: Moment,
    ) -> Uuid {
        let kind = if origin == Origin::Broadcast {
            MessageKind::Broadcast
        } else {
            MessageKind::SingleRecipient
        };
        let mut draft = self.draft(origin, kind, now);
        draft.text = message.text;
        draft.media = message.media;
        draft.price = message.price;
        draft.preview = message.preview;
        draft.sent_by_user = typed_by;
        self.store_from_creator(creator, fan, draft, now)
    }

    fn draft(&mut self, origin: Origin, kind: MessageKind, now: Moment) -> Message {
        Message {
            uuid: self.rng.uuid(),
            text: None,
            kind,
            origin,
            sent_at: now,
            media: Vec::new(),
            preview: None,
            price: None,
            purchased_at: None,
            sent_by_user: None,
            is_read: false,
            deleted_at: None,
        }
    }

    fn store_from_fan(&mut self, creator: Uuid, fan: Uuid, draft: Message, now: Moment) -> Uuid {
        let chat = self.chat_entry(creator, fan, now);
        let written = chat.messages.iter_mut().rev().filter(|m| !m.from_fan());
        for message in written.take_while(|m| !m.is_read) {
            message.is_read = true;
        }
        let uuid = self.append(creator, fan, draft, now);
        self.emit(
            creator,
            fan,
            &EventKind::MessageReceived { message: uuid },
            now,
        );
        uuid
    }

    fn store_from_creator(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        draft: Message,
        now: Moment,
    ) -> Uuid {
        let uuid = self.append(creator, fan, draft, now);
        self.emit(creator, fan, &EventKind::MessageSent { message: uuid }, now);
        uuid
    }

    fn append(&mut self, creator: Uuid, fan: Uuid, mut draft: Message, now: Moment) -> Uuid {
        let uuid = draft.uuid;
        let chat = self.chat_entry(creator, fan, now);
        // Pages are cut by time, so no two messages of a chat may share a moment.
        if let Some(last) = chat.messages.last() {
            draft.sent_at = draft.sent_at.max(last.sent_at.plus(1));
        }
        chat.unread += u64::from(draft.from_fan());
        chat.messages.push(draft);
        self.stored += 1;
        uuid
    }
}

//! Chats: opening, reading, muting, naming.

use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::event::EventKind;
use super::message::Message;
use super::time::Moment;

/// A conversation of a creator with a fan. It has no id of its own: the pair is the id.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Chat {
    /// When it was opened.
    pub created_at: Moment,
    /// Whether the creator muted it.
    pub is_muted: bool,
    /// The creator's own name for the fan, up to 30 characters.
    pub nickname: Option<String>,
    /// Every message, oldest first, deleted ones included.
    pub messages: Vec<Message>,
    /// How often `POST .../typing` was called with `true`.
    pub typing_signals: u64,
    /// How many of the fan's messages the creator has not read.
    pub unread: u64,
}

impl Chat {
    /// The messages that are listed, oldest first.
    pub fn visible(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages
            .iter()
            .filter(|message| message.deleted_at.is_none())
    }

    /// The newest message that is listed.
    pub fn last(&self) -> Option<&Message> {
        self.visible().next_back()
    }

    /// A listed message.
    pub fn message(&self, uuid: Uuid) -> Option<&Message> {
        self.visible().find(|message| message.uuid == uuid)
    }
}

/// Changes to a chat: the body of `PATCH /chats/{fan}`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ChatPatch {
    /// Marks all of the fan's messages as read, or the newest as unread.
    pub is_read: Option<bool>,
    /// Mutes or unmutes.
    pub is_muted: Option<bool>,
    /// Sets the nickname; an inner `None` removes it.
    pub nickname: Option<Option<String>>,
}

impl ChatPatch {
    /// Marks the chat as read.
    pub fn read() -> Self {
        Self {
            is_read: Some(true),
            ..Self::default()
        }
    }
}

/// Whether a creator is shown as typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "shown or not")]
pub enum Typing {
    /// From here on.
    Started,
    /// No longer.
    Stopped,
}

/// The longest nickname, in characters.
pub const MAX_NICKNAME: usize = 30;

impl World {
    /// The chat of a creator with a fan.
    pub fn chat(&self, creator: Uuid, fan: Uuid) -> Option<&Chat> {
        self.chats.get(&(creator, fan))
    }

    /// Every chat, by creator and fan.
    pub fn chats(&self) -> impl Iterator<Item = (Uuid, Uuid, &Chat)> {
        self.chats
            .iter()
            .map(|((creator, fan), chat)| (*creator, *fan, chat))
    }

    /// The chats of one creator, by fan.
    pub fn chats_of(&self, creator: Uuid) -> impl Iterator<Item = (Uuid, &Chat)> {
        self.chats
            .range((creator, Uuid::nil())..=(creator, Uuid::max()))
            .map(|((_, fan), chat)| (*fan, chat))
    }

    /// `POST /chats`: opens a chat. Opening one that exists changes nothing.
    ///
    /// # Errors
    ///
    /// `Refused` if the fan cannot be contacted.
    pub fn open_chat(&mut self, creator: Uuid, fan: Uuid, now: Moment) -> Result<(), ApiError> {
        if !self.creators.contains_key(&creator) {
            return Err(ApiError::not_found("Creator"));
        }
        if !self.is_contactable(creator, fan) {
            return Err(ApiError::Refused("User cannot be contacted".to_owned()));
        }
        self.chat_entry(creator, fan, now);
        Ok(())
    }

    /// The fan reads the chat: the creator's messages become read.
    pub fn fan_reads(&mut self, creator: Uuid, fan: Uuid, now: Moment) {
        if let Some(chat) = self.chats.get_mut(&(creator, fan)) {
            let mut changed = false;
            // Reading marks everything before it, so the first read message ends the walk.
            let written = chat.messages.iter_mut().rev().filter(|m| !m.from_fan());
            for message in written.take_while(|m| !m.is_read) {
                message.is_read = true;
                changed = true;
            }
            if changed {
                self.emit(
                    creator,
                    fan,
                    &EventKind::MessagesRead {
                        by_creator: false,
                        count: 0,
                    },
                    now,
                );
            }
        }
    }

    /// The creator's side reads the chat, as listing with `markAsRead` does.
    pub fn read_chat(&mut self, creator: Uuid, fan: Uuid, now: Moment) {
        let Some(chat) = self.chats.get_mut(&(creator, fan)) else {
            return;
        };
        let count = chat.unread;
        if count == 0 {
            return;
        }
        chat.unread = 0;
        let written = chat.messages.iter_mut().rev().filter(|m| m.from_fan());
        for message in written.take_while(|m| !m.is_read) {
            message.is_read = true;
        }
        self.emit(
            creator,
            fan,
            &EventKind::MessagesRead {
                by_creator: true,
                count,
            },
            now,
        );
    }

    /// `PATCH /chats/{fan}`.
    ///
    /// # Errors
    ///
    /// `NotFound` without a chat, `Validation` for a nickname that is too long.
    pub fn patch_chat(
        &mut self,
        creator: Uuid,
        fan: Uuid,
        patch: ChatPatch,
        now: Moment,
    ) -> Result<(), ApiError> {
        if let Some(Some(nickname)) = &patch.nickname
            && nickname.chars().count() > MAX_NICKNAME
        {
            return Err(ApiError::invalid("nickname must be at most 30 characters"));
        }
        let chat = self
            .chats
            .get_mut(&(creator, fan))
            .ok_or_else(|| ApiError::not_found("Chat"))?;
        if let Some(nickname) = patch.nickname {
            chat.nickname = nickname.filter(|name| !name.is_empty());
        }
        let mute_changed = patch.is_muted.filter(|muted| *muted != chat.is_muted);
        if let Some(muted) = patch.is_muted {
            chat.is_muted = muted;
        }
        if patch.is_read == Some(false)
            && chat.unread == 0
            && let Some(message) = chat.messages.iter_mut().rev().find(|m| m.from_fan())
        {
            message.is_read = false;
            chat.unread = 1;
        }
        if patch.is_read == Some(true) {
            self.read_chat(creator, fan, now);
        }
        if let Some(muted) = mute_changed {
            self.emit(creator, fan, &EventKind::MuteChanged { muted }, now);
        }
        Ok(())
    }

    /// `POST /chats/{fan}/typing`.
    ///
    /// # Errors
    ///
    /// `NotFound` without a chat.
    pub fn typing(&mut self, creator: Uuid, fan: Uuid, typing: Typing) -> Result<(), ApiError> {
        let chat = self
            .chats
            .get_mut(&(creator, fan))
            .ok_or_else(|| ApiError::not_found("Chat"))?;
        chat.typing_signals += u64::from(typing == Typing::Started);
        Ok(())
    }

    pub(crate) fn chat_entry(&mut self, creator: Uuid, fan: Uuid, now: Moment) -> &mut Chat {
        self.relations.entry((creator, fan)).or_default();
        self.chats.entry((creator, fan)).or_insert_with(|| Chat {
            created_at: now,
            is_muted: false,
            nickname: None,
            messages: Vec::new(),
            typing_signals: 0,
            unread: 0,
        })
    }
}

//! The rows of the store, without a lock: the contract of [`Store`](crate::store::Store) as plain code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use uuid::Uuid;

use crate::conversation::Conversation;
use crate::creator::Creator;
use crate::fan::FanProfile;
use crate::id::{AccountId, ConversationId, CreatorId, FanId, MessageId, TransactionId};
use crate::ledger::Transaction;
use crate::message::Message;
use crate::page::{Cursor, Page, PageRequest};
use crate::revision::{Revision, Versioned};
use crate::store::{
    Change, ConversationChange, Due, Erased, HolderId, Lease, LeaseName, RegisterName, StoreError,
};
use crate::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Records {
    creators: BTreeMap<CreatorId, Versioned<Creator>>,
    accounts: BTreeMap<AccountId, CreatorId>,
    /// Creators who are not to come back.
    erased: BTreeSet<CreatorId>,
    chats: BTreeMap<ConversationId, Chat>,
    /// When each chat that is to be woken is, the earliest first.
    wakes: BTreeSet<Wake>,
    leases: BTreeMap<String, Grant>,
    /// The last fence given out. One counter for all names, so that a fence still grows after the row
    /// of a released lease is gone.
    fence: u64,
    registers: BTreeMap<RegisterName, Versioned<String>>,
}

#[derive(Debug)]
struct Chat {
    state: Versioned<Conversation>,
    fan: Option<FanProfile>,
    messages: BTreeMap<Place, Message>,
    sent_at: BTreeMap<MessageId, Timestamp>,
    transactions: BTreeMap<Entry, Transaction>,
}

/// Where a conversation stands in the list of those that are due.
type Wake = (Timestamp, ConversationId);

/// Where a message stands in its list; the last sent has the greatest.
type Place = (Timestamp, MessageId);

/// Where a transaction stands in its list; the latest has the greatest.
type Entry = (Timestamp, TransactionId);

#[derive(Debug)]
struct Grant {
    holder: HolderId,
    fence: u64,
    until: Timestamp,
}

impl Chat {
    fn message(&self, id: MessageId) -> Option<&Message> {
        self.messages.get(&(*self.sent_at.get(&id)?, id))
    }

    fn message_mut(&mut self, id: MessageId) -> Option<&mut Message> {
        self.messages.get_mut(&(*self.sent_at.get(&id)?, id))
    }

    fn transaction(&self, id: TransactionId) -> Option<&Transaction> {
        self.transactions.values().find(|known| known.id == id)
    }
}

impl Records {
    pub(super) fn creator(&self, id: CreatorId) -> Option<Versioned<Creator>> {
        self.creators.get(&id).cloned()
    }

    pub(super) fn creator_ids(&self, after: Option<CreatorId>, limit: usize) -> Vec<CreatorId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.creators
            .range((from, Bound::Unbounded))
            .map(|(id, _)| *id)
            .take(limit)
            .collect()
    }

    pub(super) fn creator_by_account(&self, account: AccountId) -> Option<Versioned<Creator>> {
        self.creator(*self.accounts.get(&account)?)
    }

    pub(super) fn conversation(&self, id: ConversationId) -> Option<Versioned<Conversation>> {
        self.chats.get(&id).map(|chat| chat.state.clone())
    }

    pub(super) fn creators(&self) -> Vec<Versioned<Creator>> {
        self.creators.values().cloned().collect()
    }

    pub(super) fn conversations(&self) -> Vec<Versioned<Conversation>> {
        self.chats.values().map(|chat| chat.state.clone()).collect()
    }

    pub(super) fn fan(&self, id: ConversationId) -> Option<FanProfile> {
        self.chats.get(&id)?.fan.clone()
    }

    pub(super) fn message(&self, id: ConversationId, message: MessageId) -> Option<Message> {
        self.chats.get(&id)?.message(message).cloned()
    }

    /// All messages of a creator, in no order that matters.
    pub(super) fn messages_of(&self, creator: CreatorId) -> impl Iterator<Item = &Message> {
        self.chats
            .iter()
            .filter(move |(id, _)| id.creator == creator)
            .flat_map(|(_, chat)| chat.messages.values())
    }

    pub(super) fn messages(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let before = match &page.after {
            Some(cursor) => Some(read_cursor(id, cursor)?),
            None => None,
        };
        let Some(chat) = self.chats.get(&id) else {
            return Ok(Page::last(Vec::new()));
        };
        let mut rest = match before {
            Some(place) => chat.messages.range(..place),
            None => chat.messages.range::<Place, _>(..),
        };
        let items: Vec<Message> = rest
            .by_ref()
            .rev()
            .take(page.limit)
            .map(|(_, message)| message.clone())
            .collect();
        let next = match items.last() {
            Some(last) if rest.next().is_some() => Some(write_cursor(id, last)),
            Some(_) => None,
            None => page.after.clone(),
        };
        Ok(Page { items, next })
    }

    pub(super) fn transaction(
        &self,
        id: ConversationId,
        transaction: TransactionId,
    ) -> Option<Transaction> {
        self.chats.get(&id)?.transaction(transaction).cloned()
    }

    pub(super) fn transactions(
        &self,
        id: ConversationId,
        page: &PageRequest,
    ) -> Result<Page<Transaction>, StoreError> {
        let before = match &page.after {
            Some(cursor) => Some(read_entry_cursor(id, cursor)?),
            None => None,
        };
        let Some(chat) = self.chats.get(&id) else {
            return Ok(Page::last(Vec::new()));
        };
        let mut rest = match before {
            Some(entry) => chat.transactions.range(..entry),
            None => chat.transactions.range::<Entry, _>(..),
        };
        let items: Vec<Transaction> = rest
            .by_ref()
            .rev()
            .take(page.limit)
            .map(|(_, transaction)| transaction.clone())
            .collect();
        let next = match items.last() {
            Some(last) if rest.next().is_some() => Some(write_entry_cursor(id, last)),
            Some(_) => None,
            None => page.after.clone(),
        };
        Ok(Page { items, next })
    }

    pub(super) fn due(
        &self,
        of: Option<CreatorId>,
        until: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<Due>, StoreError> {
        let from = match &page.after {
            Some(cursor) => Bound::Excluded(read_due_cursor(of, cursor)?),
            None => Bound::Unbounded,
        };
        let mut rest = self
            .wakes
            .range((from, Bound::Unbounded))
            .take_while(|(wake_at, _)| *wake_at <= until)
            .filter(|(_, id)| of.is_none_or(|creator| id.creator == creator))
            .map(|(wake_at, conversation)| Due {
                conversation: *conversation,
                wake_at: *wake_at,
            });
        let items: Vec<Due> = rest.by_ref().take(page.limit).collect();
        let next = match items.last() {
            Some(last) if rest.next().is_some() => Some(write_due_cursor(of, last)),
            Some(_) => None,
            None => page.after.clone().filter(|_| rest.next().is_some()),
        };
        Ok(Page { items, next })
    }

    pub(super) fn commit(
        &mut self,
        change: &Change,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        change.validate()?;
        match change {
            Change::Creator(creator) => self.commit_creator(creator, expected),
            Change::Conversation(change) => self.commit_conversation(change, expected),
        }
    }

    fn commit_creator(
        &mut self,
        creator: &Creator,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let stored = self.creators.get(&creator.id);
        let revision = successor(stored.map(|stored| stored.revision), expected)?;
        if self.erased.contains(&creator.id) {
            return Err(StoreError::Conflict);
        }
        if let Some(account) = creator.account
            && self
                .accounts
                .get(&account)
                .is_some_and(|owner| *owner != creator.id)
        {
            return Err(StoreError::Conflict);
        }
        if let Some(account) = stored.and_then(|stored| stored.value.account) {
            self.accounts.remove(&account);
        }
        if let Some(account) = creator.account {
            self.accounts.insert(account, creator.id);
        }
        self.creators
            .insert(creator.id, Versioned::new(creator.clone(), revision));
        Ok(revision)
    }

    fn commit_conversation(
        &mut self,
        change: &ConversationChange,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let id = change.conversation.id;
        let stored = self.chats.get(&id);
        let revision = successor(stored.map(|chat| chat.state.revision), expected)?;
        if self.erased.contains(&id.creator) && stored.is_none() {
            return Err(StoreError::Conflict);
        }
        check_rows(stored, change)?;

        // Nothing fails from here on.
        if let Some(at) = stored.and_then(|chat| chat.state.value.wake_at()) {
            self.wakes.remove(&(at, id));
        }
        if let Some(at) = change.conversation.wake_at() {
            self.wakes.insert((at, id));
        }
        let state = Versioned::new(change.conversation.clone(), revision);
        let chat = match self.chats.entry(id) {
            std::collections::btree_map::Entry::Vacant(vacant) => vacant.insert(Chat {
                state,
                fan: None,
                messages: BTreeMap::new(),
                sent_at: BTreeMap::new(),
                transactions: BTreeMap::new(),
            }),
            std::collections::btree_map::Entry::Occupied(occupied) => {
                let chat = occupied.into_mut();
                chat.state = state;
                chat
            }
        };
        if let Some(fan) = &change.fan {
            chat.fan
                .get_or_insert_with(|| FanProfile::new(id.fan))
                .merge(fan);
        }
        for message in &change.messages {
            let mut message = message.clone();
            if let Some(at) = message.deleted_at {
                message.delete(at);
            }
            chat.sent_at.insert(message.id, message.sent_at);
            chat.messages.insert((message.sent_at, message.id), message);
        }
        for update in &change.contents {
            if let Some(message) = chat.message_mut(update.message)
                && message.deleted_at.is_none()
            {
                message.content = update.content.clone();
                message.tokens = update.tokens;
            }
        }
        for (message, decision) in &change.decisions {
            if let Some(message) = chat.message_mut(*message) {
                message.decision = Some(decision.clone());
            }
        }
        for (message, at) in &change.deletions {
            if let Some(message) = chat.message_mut(*message) {
                message.delete(*at);
            }
        }
        for transaction in &change.transactions {
            chat.transactions
                .insert((transaction.at, transaction.id), transaction.clone());
        }
        Ok(revision)
    }

    pub(super) fn erase(&mut self, id: ConversationId, through: Timestamp, limit: usize) -> Erased {
        let Some(chat) = self.chats.get_mut(&id) else {
            return Erased::All;
        };
        chat.fan = None;
        let (mut messages, mut transactions) = (0, 0);
        while messages < limit
            && let Some(first) = chat.messages.first_entry()
            && first.key().0 <= through
        {
            chat.sent_at.remove(&first.remove().id);
            messages += 1;
        }
        while transactions < limit
            && let Some(first) = chat.transactions.first_entry()
            && first.key().0 <= through
        {
            first.remove();
            transactions += 1;
        }
        if messages < limit && transactions < limit {
            Erased::All
        } else {
            Erased::Some
        }
    }

    pub(super) fn mark_erased(&mut self, id: CreatorId) {
        self.erased.insert(id);
        if let Some(creator) = self.creators.remove(&id)
            && let Some(account) = creator.value.account
        {
            self.accounts.remove(&account);
        }
    }

    pub(super) fn erase_creator(
        &mut self,
        id: CreatorId,
        limit: usize,
    ) -> Result<Erased, StoreError> {
        if !self.erased.contains(&id) {
            return Err(StoreError::not_marked());
        }
        let ends =
            [Uuid::nil(), Uuid::max()].map(|fan| ConversationId::new(id, FanId::from_uuid(fan)));
        let (mut conversations, mut rows) = (0, 0);
        while let Some((first, chat)) = self.chats.range_mut(ends[0]..=ends[1]).next() {
            let first = *first;
            while rows < limit
                && let Some((_, message)) = chat.messages.pop_first()
            {
                chat.sent_at.remove(&message.id);
                rows += 1;
            }
            while rows < limit && chat.transactions.pop_first().is_some() {
                rows += 1;
            }
            if rows >= limit || conversations >= limit {
                return Ok(Erased::Some);
            }
            if let Some(chat) = self.chats.remove(&first)
                && let Some(at) = chat.state.value.wake_at()
            {
                self.wakes.remove(&(at, first));
            }
            conversations += 1;
        }
        Ok(Erased::All)
    }

    pub(super) fn acquire_lease(
        &mut self,
        name: &LeaseName,
        holder: &HolderId,
        now: Timestamp,
        ttl: Duration,
    ) -> Option<Lease> {
        let until = now + ttl;
        let fence = match self.leases.get(name.as_str()) {
            Some(grant) if grant.holder == *holder => grant.fence,
            Some(grant) if now < grant.until => return None,
            _ => {
                self.fence += 1;
                self.fence
            }
        };
        self.leases.insert(
            name.as_str().to_owned(),
            Grant {
                holder: holder.clone(),
                fence,
                until,
            },
        );
        Some(Lease {
            name: name.clone(),
            holder: holder.clone(),
            fence,
            until,
        })
    }

    pub(super) fn release_lease(&mut self, lease: &Lease) {
        if self
            .leases
            .get(lease.name.as_str())
            .is_some_and(|grant| grant.holder == lease.holder && grant.fence == lease.fence)
        {
            self.leases.remove(lease.name.as_str());
        }
    }

    pub(super) fn register(&self, name: &RegisterName) -> Option<Versioned<String>> {
        self.registers.get(name).cloned()
    }

    pub(super) fn set_register(
        &mut self,
        name: &RegisterName,
        value: &str,
        expected: Option<Revision>,
    ) -> Result<Revision, StoreError> {
        let stored = self.registers.get(name).map(|register| register.revision);
        let revision = successor(stored, expected)?;
        let register = Versioned::new(value.to_owned(), revision);
        self.registers.insert(name.clone(), register);
        Ok(revision)
    }
}

/// The revision after `stored`, if `expected` names it.
fn successor(stored: Option<Revision>, expected: Option<Revision>) -> Result<Revision, StoreError> {
    if stored != expected {
        return Err(StoreError::Conflict);
    }
    Ok(stored.map_or(Revision::FIRST, Revision::next))
}

/// Whether every row of the change belongs to it and fits what is stored.
fn check_rows(stored: Option<&Chat>, change: &ConversationChange) -> Result<(), StoreError> {
    let id = change.conversation.id;
    if let Some(fan) = &change.fan
        && fan.id != id.fan
    {
        return Err(rejected(format!(
            "fan is {}, who is not the fan of conversation {id}",
            fan.id
        )));
    }
    let mut new = BTreeSet::new();
    for message in &change.messages {
        if message.conversation != id {
            return Err(rejected(format!(
                "message {} belongs to conversation {}, not to {id}",
                message.id, message.conversation
            )));
        }
        if !new.insert(message.id) {
            return Err(rejected(format!("message {} is new twice", message.id)));
        }
    }
    let mut paid = BTreeSet::new();
    for transaction in &change.transactions {
        if transaction.conversation != id {
            return Err(rejected(format!(
                "transaction {} belongs to conversation {}, not to {id}",
                transaction.id, transaction.conversation
            )));
        }
        if !paid.insert(transaction.id) {
            let id = transaction.id;
            return Err(rejected(format!("transaction {id} is new twice")));
        }
    }
    let known = |message: &MessageId| {
        new.contains(message) || stored.is_some_and(|chat| chat.sent_at.contains_key(message))
    };
    for update in &change.contents {
        if !known(&update.message) {
            return Err(rejected(format!(
                "contents names message {}, which conversation {id} does not have",
                update.message
            )));
        }
    }
    for (message, _) in &change.decisions {
        if !known(message) {
            return Err(rejected(format!(
                "decisions names message {message}, which conversation {id} does not have"
            )));
        }
    }
    for (message, _) in &change.deletions {
        if !known(message) {
            return Err(rejected(format!(
                "deletions names message {message}, which conversation {id} does not have"
            )));
        }
    }
    if stored.is_some_and(|chat| new.iter().any(|id| chat.sent_at.contains_key(id))) {
        return Err(StoreError::Conflict);
    }
    if stored.is_some_and(|chat| paid.iter().any(|id| chat.transaction(*id).is_some())) {
        return Err(StoreError::Conflict);
    }
    Ok(())
}

const fn rejected(reason: String) -> StoreError {
    StoreError::Rejected { reason }
}

/// `creator/fan/micros/message`: a keyset, so that messages added meanwhile shift nothing.
fn write_cursor(id: ConversationId, last: &Message) -> Cursor {
    Cursor::new(format!(
        "{}/{}/{}/{}",
        id.creator,
        id.fan,
        last.sent_at.as_micros(),
        last.id
    ))
}

fn read_cursor(id: ConversationId, cursor: &Cursor) -> Result<Place, StoreError> {
    let parse = || {
        let mut parts = cursor.as_str().split('/');
        let creator = Uuid::try_parse(parts.next()?).ok()?;
        let fan = Uuid::try_parse(parts.next()?).ok()?;
        let micros = parts.next()?.parse().ok()?;
        let message = parts.next()?.parse().ok()?;
        let this_list = creator == id.creator.as_uuid() && fan == id.fan.as_uuid();
        (this_list && parts.next().is_none()).then_some((Timestamp::from_micros(micros), message))
    };
    parse().ok_or(StoreError::InvalidCursor)
}

/// `paid/creator/fan/micros/transaction`: a keyset too.
fn write_entry_cursor(id: ConversationId, last: &Transaction) -> Cursor {
    Cursor::new(format!(
        "paid/{}/{}/{}/{}",
        id.creator,
        id.fan,
        last.at.as_micros(),
        last.id
    ))
}

fn read_entry_cursor(id: ConversationId, cursor: &Cursor) -> Result<Entry, StoreError> {
    let parse = || {
        let list = format!("paid/{}/{}/", id.creator, id.fan);
        let (micros, transaction) = cursor.as_str().strip_prefix(&list)?.split_once('/')?;
        let at = Timestamp::from_micros(micros.parse().ok()?);
        Some((at, transaction.parse().ok()?))
    };
    parse().ok_or(StoreError::InvalidCursor)
}

/// `due/creator or all/micros/creator/fan`: a keyset too.
fn write_due_cursor(of: Option<CreatorId>, last: &Due) -> Cursor {
    let Due {
        conversation,
        wake_at,
    } = last;
    Cursor::new(format!(
        "due/{}/{}/{}/{}",
        list_of(of),
        wake_at.as_micros(),
        conversation.creator,
        conversation.fan
    ))
}

fn read_due_cursor(of: Option<CreatorId>, cursor: &Cursor) -> Result<Wake, StoreError> {
    let parse = || {
        let mut parts = cursor.as_str().strip_prefix("due/")?.split('/');
        let this_list = parts.next()? == list_of(of);
        let micros = parts.next()?.parse().ok()?;
        let creator = CreatorId::from_uuid(Uuid::try_parse(parts.next()?).ok()?);
        let fan = FanId::from_uuid(Uuid::try_parse(parts.next()?).ok()?);
        (this_list && parts.next().is_none()).then_some((
            Timestamp::from_micros(micros),
            ConversationId::new(creator, fan),
        ))
    };
    parse().ok_or(StoreError::InvalidCursor)
}

fn list_of(of: Option<CreatorId>) -> String {
    of.map_or_else(|| "all".to_owned(), |creator| creator.to_string())
}

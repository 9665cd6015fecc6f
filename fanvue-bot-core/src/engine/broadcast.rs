//! What broadcasts need of conversations and of Fanvue.

use std::time::Duration;

use super::{Engine, EngineError, Performed, with_auth};
use crate::broadcast::{BroadcastError, BroadcastState};
use crate::client::{CustomList, FanList};
use crate::conversation::{Conversation, DeliveryState, Skip};
use crate::creator::Creator;
use crate::entropy::Seed;
use crate::fan::FanProfile;
use crate::flow::{self, Input, Parcel};
use crate::id::{BroadcastId, ConversationId};
use crate::message::Author;
use crate::money::Cents;
use crate::page::{Page, PageRequest};
use crate::policy::DraftCheck;
use crate::queue::Priority;
use crate::rate::Class;
use crate::store::{ConversationChange, StoreError};
use crate::time::Timestamp;

/// A fan's last message is looked for among so many.
const LOOK: usize = 50;

impl Engine {
    /// What may go out in a creator's name.
    pub(crate) fn draft_check(&self) -> &dyn DraftCheck {
        &*self.shared.draft_check
    }

    /// A number that nobody else draws.
    pub(crate) fn draw(&self) -> Result<Seed, EngineError> {
        Ok(Seed::draw(&*self.shared.entropy)?)
    }

    /// One page of the lists that a creator keeps.
    pub(crate) async fn custom_lists_of(
        &self,
        creator: &Creator,
        page: &PageRequest,
    ) -> Result<Page<CustomList>, BroadcastError> {
        let listed = with_auth!(self, creator, Class::Broadcast, |auth| self
            .shared
            .fanvue
            .custom_lists(&auth, page));
        Ok(listed?)
    }

    /// One page of those who are in a list.
    pub(crate) async fn members_of(
        &self,
        creator: &Creator,
        list: FanList,
        page: &PageRequest,
    ) -> Result<Page<FanProfile>, BroadcastError> {
        let listed = with_auth!(self, creator, Class::Broadcast, |auth| self
            .shared
            .fanvue
            .list_members(&auth, list, page));
        Ok(listed?)
    }

    /// Why the fan would not get a broadcast now, by what is stored.
    pub(crate) async fn would_skip(
        &self,
        creator: &Creator,
        id: ConversationId,
        (rest, price): (Duration, Option<Cents>),
    ) -> Result<Option<Skip>, EngineError> {
        let stored = self.backend().store().conversation(id).await?;
        let conversation = stored.map_or_else(
            || Conversation::new(id, Seed::new(0)),
            |stored| stored.value,
        );
        let mut context = self.shared.intake.context(creator)?;
        context.ceiling = self.ceiling().await?;
        Ok(flow::skipped(&conversation, &context, rest, price))
    }

    /// When the fan wrote last, as far as it is stored; a fan who is silent for very many messages of others never
    /// did.
    pub(crate) async fn fan_last_wrote(
        &self,
        id: ConversationId,
    ) -> Result<Option<Timestamp>, EngineError> {
        let newest = self
            .backend()
            .store()
            .messages(id, &PageRequest::first(LOOK))
            .await?;
        let mut theirs = newest.items.iter().filter(|m| m.author == Author::Fan);
        Ok(theirs.next().map(|message| message.sent_at))
    }

    /// Places a parcel in a conversation, which is begun for it if there is none, with the wake-up that it needs.
    /// Answers what the conversation knows of the broadcast then. Idempotent.
    pub(crate) async fn deliver(
        &self,
        creator: &Creator,
        id: ConversationId,
        parcel: Parcel,
    ) -> Result<Option<DeliveryState>, EngineError> {
        let broadcast = parcel.broadcast;
        let store = self.backend().store();
        if store.conversation(id).await?.is_none() {
            let seed = self.shared.intake.context(creator)?.seed;
            let new = ConversationChange::new(Conversation::new(id, seed));
            match store.commit(&new.into(), None).await {
                // Whoever was faster began the same.
                Ok(_) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.shared.intake.take_in_all_of(id).await?;
        let performed = Performed::from(Input::Deliver(Box::new(parcel)));
        let stepped = self
            .commit(id, &performed, Some(Priority::Broadcast))
            .await?;
        Ok(stepped.and_then(|stepped| known(&stepped.conversation, broadcast)))
    }

    /// Takes a parcel back that has not begun to go out.
    pub(crate) async fn withdraw(
        &self,
        id: ConversationId,
        broadcast: BroadcastId,
    ) -> Result<(), EngineError> {
        let performed = Performed::from(Input::Withdraw { broadcast });
        self.commit(id, &performed, Some(Priority::Broadcast))
            .await?;
        Ok(())
    }

    /// The broadcast that is about to go out in a conversation and may not, since it was paused or cancelled.
    pub(super) async fn held_broadcast(
        &self,
        conversation: &Conversation,
    ) -> Result<Option<BroadcastId>, StoreError> {
        let is_open = |state: &DeliveryState| matches!(state, DeliveryState::Open { .. });
        let mut deliveries = conversation.deliveries.iter();
        let (Some(open), Some(broadcasts)) = (
            deliveries.find(|delivery| is_open(&delivery.state)),
            self.backend().broadcasts_in(),
        ) else {
            return Ok(None);
        };
        let stored = broadcasts
            .broadcast(conversation.id.creator, open.broadcast)
            .await?;
        let runs = stored.is_some_and(|stored| stored.value.state == BroadcastState::Running);
        Ok((!runs).then_some(open.broadcast))
    }

    /// What a conversation knows of a broadcast.
    pub(crate) async fn delivery(
        &self,
        id: ConversationId,
        broadcast: BroadcastId,
    ) -> Result<Option<DeliveryState>, EngineError> {
        let stored = self.backend().store().conversation(id).await?;
        Ok(stored.and_then(|stored| known(&stored.value, broadcast)))
    }
}

fn known(conversation: &Conversation, broadcast: BroadcastId) -> Option<DeliveryState> {
    let mut deliveries = conversation.deliveries.iter();
    deliveries
        .find(|delivery| delivery.broadcast == broadcast)
        .map(|delivery| delivery.state.clone())
}

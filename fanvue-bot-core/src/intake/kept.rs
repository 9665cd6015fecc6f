//! The two halves of an intake with an [`Inbox`](crate::inbox::Inbox): keeping an event, and taking it in.

use super::{Accepted, Intake, IntakeError};
use crate::id::{ConversationId, FanId};
use crate::inbox::{KeptEvent, WaitingEvent};
use crate::ledger;
use crate::pulse::{Part, Whose};
use crate::self_test;
use crate::webhook::{Event, EventKind, Hints, VerifiedBody};

/// How many events of a conversation one look brings.
const AT_ONCE: usize = 100;

impl Intake {
    /// Receives a proved event. Where the [backend](crate::backend::Backend::inbox) has an inbox it is kept there,
    /// in one round trip, and taken in by a worker; otherwise it is taken in now, as by [`Intake::accept`].
    /// When this returns `Ok`, nothing of it can be lost.
    ///
    /// `event` must be what `proved` [says](VerifiedBody::parse) with these hints. Idempotent as [`Intake::accept`]
    /// is.
    ///
    /// # Errors
    /// [`IntakeError`]; the event must then not be acknowledged, and may be received again.
    pub async fn receive(
        &self,
        event: &Event,
        proved: VerifiedBody<'_>,
        hints: &Hints<'_>,
    ) -> Result<Accepted, IntakeError> {
        let Some(inbox) = self.backend.kept_in() else {
            return self.accept(event).await;
        };
        let Some(fan) = fan(event) else {
            return Ok(Accepted::Ignored);
        };
        let (store, now) = (&**self.backend.store(), self.clock.now());
        let creator = self.accounts.creator(store, event.account, now).await?;
        let Some(creator) = creator else {
            return Ok(Accepted::UnknownCreator);
        };
        let conversation = ConversationId::new(creator, fan);
        let kept = KeptEvent {
            conversation,
            received_at: now,
            topic: hints.topic.map(Into::into),
            event_id: hints.event_id.map(Into::into),
            body: proved.bytes().into(),
        };
        inbox.keep(kept).await?;
        if creator != self_test::CREATOR {
            self.pulse
                .works(Whose::Creator(creator), Part::Webhook, now);
        }
        Ok(Accepted::Kept(conversation))
    }

    /// Takes in an event that was kept. Idempotent; to be [settled](crate::inbox::Inbox::settle) when this returns
    /// `Ok`.
    ///
    /// # Errors
    /// [`IntakeError`]; the event is to be kept then.
    pub async fn take_in(&self, waiting: &WaitingEvent) -> Result<(), IntakeError> {
        let kept = &waiting.event;
        let hints = Hints::default()
            .topic(kept.topic.as_deref())
            .event_id(kept.event_id.as_deref());
        match VerifiedBody::kept(&kept.body).parse(&hints) {
            Ok(event) => {
                let accepted = self.accept(&event).await?;
                tracing::debug!(
                    kind = event.kind.label(),
                    ?accepted,
                    "a kept event was taken in"
                );
            }
            // It was readable when it came: by a newer version of this library, or it has been tampered with.
            Err(error) => {
                tracing::warn!(%error, "a kept event cannot be read and is dropped");
            }
        }
        Ok(())
    }

    /// Takes in what waits of one conversation, so that what is decided next is decided on all that was
    /// acknowledged. Without an inbox there is nothing to do.
    ///
    /// # Errors
    /// [`IntakeError`].
    pub async fn take_in_all_of(&self, id: ConversationId) -> Result<(), IntakeError> {
        let Some(inbox) = self.backend.kept_in() else {
            return Ok(());
        };
        loop {
            let waiting = inbox.waiting_of(id, AT_ONCE).await?;
            for event in &waiting {
                self.take_in(event).await?;
            }
            let ids: Vec<_> = waiting.iter().map(|event| event.id).collect();
            if !ids.is_empty() {
                inbox.settle(&ids).await?;
            }
            if waiting.len() < AT_ONCE {
                return Ok(());
            }
        }
    }
}

/// Whom an event is about that changes a conversation.
fn fan(event: &Event) -> Option<FanId> {
    match &event.kind {
        EventKind::MessageReceived(message) | EventKind::MessageSent(message) => {
            Some(message.fan.id)
        }
        EventKind::MessageDeleted(message) => Some(message.fan.id),
        _ => ledger::fan_of(event).map(|fan| fan.id),
    }
}

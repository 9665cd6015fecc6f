//! One broadcast and one fan: a turn that answers nobody, whose words were written before.
//!
//! It goes the way of a reply from `Pacing` on, and so do its guarantees: the last look at the chat, the intent
//! before the send, the search for an outcome that is not known. Whatever would hold a reply back holds it back,
//! and whatever takes the chat on takes its place: a fan who writes is answered instead.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, Step};
use crate::conversation::{
    Clearance, Conversation, Delivery, DeliveryState, MOST_DELIVERIES, Phase, Purpose, Reply, Skip,
    Turn,
};
use crate::creator::CreatorStatus;
use crate::decision::{Outcome, Rule};
use crate::id::{BroadcastId, MediaId, TurnId};
use crate::money::Cents;
use crate::settings::Mode;
use crate::time::Timestamp;

/// What a fan is to get of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain input of a step")]
pub struct Parcel {
    /// Which broadcast.
    pub broadcast: BroadcastId,
    /// The words, as this fan is to read them.
    pub text: Reply,
    /// The creator's media that go with them.
    pub media: Arc<[MediaId]>,
    /// What the media cost.
    pub price: Option<Cents>,
    /// Nothing goes out if anything was said in the chat so short a time ago.
    pub rest: Duration,
}

/// Why a fan would not get a broadcast now that costs `price`, by what is known without a look at the chat.
#[must_use]
pub fn skipped(
    conversation: &Conversation,
    context: &Context<'_>,
    rest: Duration,
    price: Option<Cents>,
) -> Option<Skip> {
    let settings = context.settings(&conversation.overrides);
    let now = context.now;
    if conversation.erasure.is_some() {
        Some(Skip::Erased)
    } else if conversation.opted_out {
        Some(Skip::OptedOut)
    } else if conversation.stopped.is_some() {
        Some(Skip::Stopped)
    } else if context.creator.status != CreatorStatus::Active {
        Some(Skip::CreatorInactive)
    } else if settings.mode == Mode::Off {
        Some(Skip::ModeOff)
    } else if settings.dry_run {
        Some(Skip::DryRun)
    } else if conversation.paused_until.is_some_and(|until| until > now) {
        Some(Skip::Human)
    } else if conversation.turn.is_some() || !conversation.pending.is_empty() {
        Some(Skip::InConversation)
    } else if price.is_some() && conversation.sells_nothing(now).is_some() {
        Some(Skip::NoSell)
    } else if spoken_to(conversation.last_reply_at, now, rest)
        || spoken_to(conversation.last_human_at, now, rest)
    {
        Some(Skip::SpokenTo)
    } else {
        None
    }
}

fn spoken_to(at: Option<Timestamp>, now: Timestamp, rest: Duration) -> bool {
    at.is_some_and(|at| now.since(at) < rest)
}

impl Step<'_> {
    /// Begins a turn for the parcel, or notes why not. One that was begun or noted before changes nothing.
    pub(super) fn deliver(&mut self, parcel: Parcel) {
        let withdrawn = DeliveryState::Skipped {
            why: Skip::Cancelled,
        };
        let known = |delivery: &Delivery| delivery.broadcast == parcel.broadcast;
        self.next
            .deliveries
            .retain(|delivery| !known(delivery) || delivery.state != withdrawn);
        if self.next.deliveries.iter().any(known) {
            return;
        }
        let state = match skipped(&self.next, &self.context, parcel.rest, parcel.price) {
            Some(why) => DeliveryState::Skipped { why },
            None => {
                self.next.last_turn = self.next.last_turn.next();
                let turn = self.next.last_turn;
                self.next.turn = Some(Turn {
                    id: turn,
                    seed: self.context.seed.derive("turn"),
                    draft: 1,
                    clearance: Clearance::Broadcast,
                    purpose: Purpose::Answer,
                    phase: Phase::Pacing {
                        reply: parcel.text,
                        until: self.now(),
                    },
                });
                DeliveryState::Open {
                    turn,
                    media: parcel.media.to_vec(),
                    price: parcel.price,
                    rest: parcel.rest,
                }
            }
        };
        if self.next.deliveries.len() >= MOST_DELIVERIES {
            // One at most is open.
            let oldest = self
                .next
                .deliveries
                .iter()
                .position(|delivery| !matches!(delivery.state, DeliveryState::Open { .. }));
            self.next.deliveries.remove(oldest.unwrap_or(0));
        }
        self.next.deliveries.push(Delivery {
            broadcast: parcel.broadcast,
            state,
            at: self.now(),
        });
    }

    /// Takes a parcel back that has not gone out; it may come again. One that may have gone out is left alone.
    pub(super) fn withdraw(&mut self, broadcast: BroadcastId) {
        let Some((at, turn)) = self.open_delivery() else {
            return;
        };
        if self.next.deliveries[at].broadcast != broadcast || self.in_flight() {
            return;
        }
        if self.delivers(turn) {
            self.next.turn = None;
            self.undelivered = Some(DeliveryState::Skipped {
                why: Skip::Cancelled,
            });
        }
    }

    /// Why the parcel that is about to go out does not, by what the last look at the chat told: something was said in
    /// it too short a time ago, or it costs something and nothing is sold to the fan since it was begun.
    pub(super) fn out_of_place(&self, newest: Option<Timestamp>) -> Option<Skip> {
        let (at, _) = self.open_delivery()?;
        let DeliveryState::Open { rest, price, .. } = self.next.deliveries[at].state else {
            return None;
        };
        if price.is_some() && self.next.sells_nothing(self.now()).is_some() {
            return Some(Skip::NoSell);
        }
        spoken_to(newest, self.now(), rest).then_some(Skip::SpokenTo)
    }

    /// Notes what became of the parcel whose turn has ended or was taken over.
    pub(super) fn close_delivery(&mut self) {
        let Some((at, turn)) = self.open_delivery() else {
            return;
        };
        if self.delivers(turn) {
            return;
        }
        let sent = self.sent.as_ref().filter(|sent| sent.turn == turn);
        let state = match (sent, self.undelivered.take()) {
            (Some(sent), _) => DeliveryState::Sent {
                message: sent.message,
            },
            (None, Some(state)) => state,
            (None, None) => {
                // Whatever was said long ago did not end it.
                let why = skipped(&self.next, &self.context, Duration::ZERO, None);
                DeliveryState::Skipped {
                    why: why.unwrap_or(Skip::InConversation),
                }
            }
        };
        let now = self.now();
        let delivery = &mut self.next.deliveries[at];
        delivery.state = state;
        delivery.at = now;
    }

    /// The parcel is not to go out for this reason, whatever else holds.
    pub(super) fn will_not_deliver(&mut self, outcome: &Outcome) {
        self.concluded = Some(outcome.clone());
        self.undelivered = Some(match outcome {
            Outcome::Blocked {
                rule: Rule::NotContactable,
            } => DeliveryState::Skipped {
                why: Skip::NotContactable,
            },
            Outcome::Failed { cause } => DeliveryState::Failed {
                cause: cause.clone(),
            },
            _ => return,
        });
    }

    /// The place of the parcel that is on its way, and its turn.
    fn open_delivery(&self) -> Option<(usize, TurnId)> {
        let mut deliveries = self.next.deliveries.iter().enumerate();
        deliveries.find_map(|(at, delivery)| match delivery.state {
            DeliveryState::Open { turn, .. } => Some((at, turn)),
            _ => None,
        })
    }

    /// Whether the turn is still that of the parcel: a fan who writes takes it over.
    fn delivers(&self, turn: TurnId) -> bool {
        let running = self.next.turn.as_ref();
        running
            .is_some_and(|running| running.id == turn && running.clearance == Clearance::Broadcast)
    }
}

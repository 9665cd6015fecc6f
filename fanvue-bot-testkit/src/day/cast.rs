//! Who is in the day, and what they do when.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanvue_bot_core::time::Timestamp;
use uuid::Uuid;

use super::{Character, Day};
use crate::entropy::SeededEntropy;
use crate::simulator::world::{FanMessage, NewMessage, Origin, World};
use crate::world_client::moment;

/// What somebody does by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    FanWrites,
    /// These words.
    FanSays(&'static str),
    FanSendsMedia,
    HumanWrites,
    HumanDeletes,
}

/// One thing in the script of the day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) at: Timestamp,
    pub(super) creator: Uuid,
    pub(super) fan: Uuid,
    pub(super) action: Action,
}

/// Draws, and numbers the messages so that they can be told apart.
#[derive(Debug)]
pub(super) struct Dice {
    entropy: SeededEntropy,
    written: Mutex<u64>,
}

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            entropy: SeededEntropy::new(seed),
            written: Mutex::new(0),
        }
    }

    /// A number below `end`.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.entropy.next() % end.max(1)
    }

    /// True in `thousandths` of 1000 cases.
    pub(super) fn chance(&self, thousandths: u64) -> bool {
        self.below(1_000) < thousandths
    }

    /// A text that no other message has.
    pub(super) fn text(&self) -> String {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written += 1;
        format!("m{written}x")
    }
}

/// The numbers of the messages that `text` mentions.
pub(super) fn mentioned(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| word.strip_prefix('m')?.strip_suffix('x')?.parse().ok())
        .collect()
}

/// A fan of a creator, and how they write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) creator: Uuid,
    pub(super) fan: Uuid,
    pub(super) character: Character,
}

/// The script of the day, in order of time.
pub(super) fn script(day: &Day, dice: &Dice, pairs: &[Pair], start: Timestamp) -> VecDeque<Scene> {
    let length = day.length.max(Duration::from_secs(1));
    let mut scenes: Vec<Scene> = pairs
        .iter()
        .flat_map(|pair| {
            let acts = pair.character.script(dice, day.bursts, start, length);
            acts.into_iter().map(|(at, action)| Scene {
                at,
                creator: pair.creator,
                fan: pair.fan,
                action,
            })
        })
        .collect();
    scenes.sort_by_key(|scene| scene.at);
    scenes.into()
}

/// Lets it happen.
pub(super) fn play(world: &Mutex<World>, dice: &Dice, scene: Scene, now: Timestamp) {
    let text = dice.text();
    let now = moment(now);
    let mut world = lock(world);
    // Everyone is known and every text is valid; a refusal would show as a missing message.
    match scene.action {
        Action::FanWrites => {
            let _written = world.fan_writes(scene.creator, scene.fan, text.as_str(), now);
        }
        Action::FanSays(phrase) => {
            let words = format!("{phrase} {text}");
            let _written = world.fan_writes(scene.creator, scene.fan, words.as_str(), now);
        }
        Action::FanSendsMedia => {
            let media = Uuid::from_u128(u128::from(dice.below(u64::MAX)));
            let message = FanMessage::media(vec![media]);
            let _written = world.fan_writes(scene.creator, scene.fan, message, now);
        }
        Action::HumanWrites => {
            let message = NewMessage::text(text);
            let _written = world.human_writes(scene.creator, scene.fan, message, None, now);
        }
        Action::HumanDeletes => {
            let newest = world.chat(scene.creator, scene.fan).and_then(|chat| {
                let mut messages = chat.messages.iter().rev();
                messages
                    .find(|message| message.origin == Origin::Human && message.deleted_at.is_none())
                    .map(|message| message.uuid)
            });
            if let Some(message) = newest {
                let _deleted = world.delete_message(scene.creator, scene.fan, message, now);
            }
        }
    }
}

pub(super) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Creators, fans and what the fans write: everything follows from a number, so that whoever checks the
//! store afterwards knows what must be in it.

use fanvue_bot::creator::Creator;
use fanvue_bot::id::{AccountId, ConversationId, CreatorId, FanId, MessageId};
use fanvue_bot::persona::Persona;
use fanvue_bot::secret::Secret;
use fanvue_bot::settings::Settings;
use fanvue_bot::store::Store;
use fanvue_bot::time::Timestamp;
use uuid::Uuid;

pub(crate) const TEXT: &str =
    "hey you, how was your weekend? I was out by the lake and thought of you";

/// The secret that the generator signs with. Not a real one: it opens this program only.
pub(crate) fn webhook_secret() -> Secret {
    Secret::new("whsec_load_0123456789abcdef")
}

/// How many creators there are, and how many fans each of them has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct People {
    pub(crate) creators: u64,
    pub(crate) fans: u64,
}

/// A number as large and as random as the ids of Fanvue, so that indexes are touched as they would be.
fn scattered(kind: u64, number: u64) -> Uuid {
    let high = mix(number ^ mix(kind));
    let low = mix(high ^ number.rotate_left(32));
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
        .into_uuid()
}

/// The finalizer of SplitMix64: each input has another output, and they look random.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl People {
    pub(crate) fn creator(index: u64) -> CreatorId {
        CreatorId::from_uuid(scattered(1, index))
    }

    pub(crate) fn account(index: u64) -> AccountId {
        AccountId::from_uuid(scattered(2, index))
    }

    pub(crate) fn fan(creator: u64, index: u64) -> FanId {
        FanId::from_uuid(scattered(3, creator << 32 | index))
    }

    pub(crate) fn message(number: u64) -> MessageId {
        MessageId::from_uuid(scattered(4, number))
    }

    /// Who writes the message of this number: the index of the creator, and of the fan.
    pub(crate) const fn writer(self, number: u64) -> (u64, u64) {
        let drawn = mix(number);
        (drawn % self.creators, (drawn >> 32) % self.fans)
    }

    /// Every conversation that there may be.
    pub(crate) fn conversations(self) -> impl Iterator<Item = ConversationId> {
        (0..self.creators).flat_map(move |creator| {
            (0..self.fans).map(move |fan| {
                ConversationId::new(Self::creator(creator), Self::fan(creator, fan))
            })
        })
    }

    /// Stores the creators, each connected to an account.
    pub(crate) async fn settle(self, store: &dyn Store, settings: &Settings) -> anyhow::Result<()> {
        for index in 0..self.creators {
            let persona = Persona::named("Luna")
                .biography("Paints, travels, and lives in Lisbon with a cat called Nico.")
                .voice("Warm and playful, short sentences, lower case, at most one emoji.");
            let creator = Creator::new(Self::creator(index), persona)
                .account(Self::account(index))
                .settings(settings.clone());
            store.commit(&creator.into(), None).await?;
        }
        Ok(())
    }

    /// The webhook that Fanvue sends for the message of this number.
    pub(crate) fn webhook(self, number: u64, at: Timestamp) -> Vec<u8> {
        let (creator, fan) = self.writer(number);
        format!(
            concat!(
                r#"{{"id":"evt_{number:026}","type":"creator.message.received","#,
                r#""timestamp":"{at}","data":{{"object":"message","#,
                r#""uuid":"{message}","sender":"fan","#,
                r#""created_at":"{at}","deleted_at":null,"text":"{text}","#,
                r#""message_type":"SINGLE_RECIPIENT","is_automated":false,"is_muted":false,"#,
                r#""unread_messages_count":1,"#,
                r#""creator":{{"uuid":"{account}"}},"#,
                r#""fan":{{"uuid":"{fan}","handle":"fan-one","#,
                r#""display_name":"Fan One","#,
                r#""avatar_url":"https://media.example.com/avatars/fan.jpg"}}}}}}"#,
            ),
            number = number,
            at = at,
            message = Self::message(number),
            text = TEXT,
            account = Self::account(creator),
            fan = Self::fan(creator, fan),
        )
        .into_bytes()
    }
}

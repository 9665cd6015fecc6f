//! What creators and fans do.

use serde_json::json;
use uuid::Uuid;

use super::input::{Input, Problem};
use super::{Answered, Context, Endpoint};
use crate::simulator::world::{
    AutomatedTrigger, Contact, FanMessage, MediaType, MessageKind, NewMessage, OnlineStatus,
    SubscriptionEnd,
};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/_sim/populate",
        fields: &[],
        about: "adds a small world in which every nullable field is null at least once",
        run: populate,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/creators",
        fields: &["handle", "displayName?", "manages?"],
        about: "opens a creator's account, or an agency's that manages these creators",
        run: add_creator,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/fans",
        fields: &["handle", "displayName?"],
        about: "opens a fan's account",
        run: add_fan,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/media",
        fields: &["creator", "mediaType?"],
        about: "puts a medium that is ready into a creator's vault",
        run: add_media,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/fan-message",
        fields: &["creator", "fan", "text?", "mediaUuids?", "type?"],
        about: "the fan writes",
        run: fan_message,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/human-message",
        fields: &[
            "creator",
            "fan",
            "text?",
            "mediaUuids?",
            "price?",
            "typedBy?",
        ],
        about: "the creator or a team member writes by hand",
        run: human_message,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/automated-message",
        fields: &["creator", "fan", "trigger", "text"],
        about: "Fanvue's own automation writes in the creator's name",
        run: automated_message,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/tip",
        fields: &["creator", "fan", "cents", "text?"],
        about: "the fan tips",
        run: tip,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/purchase",
        fields: &["creator", "fan", "message"],
        about: "the fan unlocks a priced message",
        run: purchase,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/refund",
        fields: &["payment"],
        about: "a payment is paid back",
        run: refund,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/follow",
        fields: &["creator", "fan"],
        about: "the fan follows",
        run: follow,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/subscribe",
        fields: &["creator", "fan", "cents?"],
        about: "the fan subscribes, or renews; 999 cents by default",
        run: subscribe,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/unsubscribe",
        fields: &["creator", "fan", "atPeriodEnd?"],
        about: "the fan ends the subscription",
        run: unsubscribe,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/fan-reads",
        fields: &["creator", "fan"],
        about: "the fan reads the chat",
        run: fan_reads,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/contactable",
        fields: &["creator", "fan", "contactable"],
        about: "lets the creator write to the fan, or not; the chat stays listed",
        run: contactable,
    },
    Endpoint {
        method: "POST",
        path: "/_sim/online",
        fields: &["fan", "online"],
        about: "the fan signs in or out",
        run: online,
    },
];

impl Context<'_> {
    fn pair(&self, input: &Input) -> Result<(Uuid, Uuid), Problem> {
        let world = &self.platform.world;
        Ok((input.creator("creator", world)?, input.fan("fan", world)?))
    }
}

fn uuids(input: &Input, name: &str) -> Result<Vec<Uuid>, Problem> {
    input
        .texts(name)?
        .unwrap_or_default()
        .iter()
        .map(|text| {
            let wrong = |_| Problem::field(name, format!("holds {text}, no uuid"), "mend it");
            Uuid::parse_str(text).map_err(wrong)
        })
        .collect()
}

fn needed_boolean(input: &Input, name: &str) -> Result<bool, Problem> {
    input
        .maybe_boolean(name)?
        .ok_or_else(|| Problem::field(name, "is missing", "add it"))
}

fn populate(context: &mut Context<'_>, _: &Input) -> Answered {
    let fixture = context.platform.world.populate(context.now)?;
    context.platform.signed_in.get_or_insert(fixture.luna);
    Ok(json!({
        "luna": fixture.luna,
        "nova": fixture.nova,
        "agency": fixture.agency,
        "fans": fixture.fans,
        "unreachable": fixture.unreachable,
        "stranger": fixture.stranger,
        "image": fixture.image,
    }))
}

fn add_creator(context: &mut Context<'_>, input: &Input) -> Answered {
    let handle = input.text("handle")?;
    let name = input.maybe_text("displayName")?.unwrap_or(handle);
    let manages = uuids(input, "manages")?;
    let world = &mut context.platform.world;
    let uuid = world.add_creator(handle, name, context.now);
    if let Some(account) = world.creator_mut(uuid) {
        account.manages = manages.into_iter().collect();
    }
    context.platform.signed_in.get_or_insert(uuid);
    Ok(json!({"uuid": uuid}))
}

fn add_fan(context: &mut Context<'_>, input: &Input) -> Answered {
    let handle = input.text("handle")?;
    let name = input.maybe_text("displayName")?.unwrap_or(handle);
    Ok(json!({"uuid": context.platform.world.add_fan(handle, name, context.now)}))
}

fn add_media(context: &mut Context<'_>, input: &Input) -> Answered {
    let creator = input.creator("creator", &context.platform.world)?;
    let kind = input.maybe_text("mediaType")?.unwrap_or("image");
    let kind = MediaType::parse(kind).ok_or_else(|| {
        Problem::field(
            "mediaType",
            "is not known",
            "use image, video, audio or document",
        )
    })?;
    Ok(json!({"uuid": context.platform.world.add_media(creator, kind, context.now)}))
}

fn fan_message(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    let message = FanMessage {
        text: input.maybe_text("text")?.map(str::to_owned),
        media: uuids(input, "mediaUuids")?,
        kind: input.maybe_text("type")?.map(|kind| match kind {
            "SINGLE_RECIPIENT" => MessageKind::SingleRecipient,
            other => MessageKind::Other(other.to_owned().into()),
        }),
    };
    let uuid = context
        .platform
        .world
        .fan_writes(creator, fan, message, context.now)?;
    Ok(json!({"messageUuid": uuid}))
}

fn human_message(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    let message = NewMessage {
        text: input.maybe_text("text")?.map(str::to_owned),
        media: uuids(input, "mediaUuids")?,
        price: input.maybe_number("price")?,
        ..NewMessage::default()
    };
    let by = input.maybe_uuid("typedBy")?;
    let uuid = context
        .platform
        .world
        .human_writes(creator, fan, message, by, context.now)?;
    Ok(json!({"messageUuid": uuid}))
}

fn automated_message(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    let trigger = AutomatedTrigger::parse(input.text("trigger")?).ok_or_else(|| {
        let words: Vec<&str> = AutomatedTrigger::ALL
            .into_iter()
            .map(|t| t.as_str())
            .collect();
        Problem::field(
            "trigger",
            "is not known",
            format!("use one of {}", words.join(", ")),
        )
    })?;
    let text = input.text("text")?;
    let world = &mut context.platform.world;
    let uuid = world.automated_message(creator, fan, trigger, text, context.now)?;
    Ok(json!({"messageUuid": uuid}))
}

fn tip(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    let (cents, text) = (input.number("cents")?, input.maybe_text("text")?);
    let uuid = context
        .platform
        .world
        .fan_tips(creator, fan, cents, text, context.now)?;
    Ok(json!({"messageUuid": uuid}))
}

fn purchase(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    let message = input.uuid("message")?;
    context
        .platform
        .world
        .fan_purchases(creator, fan, message, context.now)?;
    Ok(json!({}))
}

fn refund(context: &mut Context<'_>, input: &Input) -> Answered {
    context
        .platform
        .world
        .refund(input.uuid("payment")?, context.now)?;
    Ok(json!({}))
}

fn follow(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    context.platform.world.follow(creator, fan, context.now)?;
    Ok(json!({}))
}

fn subscribe(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    let cents = input.maybe_number("cents")?.unwrap_or(999);
    context
        .platform
        .world
        .subscribe(creator, fan, cents, context.now)?;
    Ok(json!({}))
}

fn unsubscribe(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    let end = match input.maybe_boolean("atPeriodEnd")? {
        Some(true) => SubscriptionEnd::AtPeriodEnd,
        _ => SubscriptionEnd::AtOnce,
    };
    context
        .platform
        .world
        .unsubscribe(creator, fan, end, context.now)?;
    Ok(json!({}))
}

fn fan_reads(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    context.platform.world.fan_reads(creator, fan, context.now);
    Ok(json!({}))
}

fn contactable(context: &mut Context<'_>, input: &Input) -> Answered {
    let (creator, fan) = context.pair(input)?;
    let contact = if needed_boolean(input, "contactable")? {
        Contact::Possible
    } else {
        Contact::Refused
    };
    context.platform.world.set_contact(creator, fan, contact);
    Ok(json!({}))
}

fn online(context: &mut Context<'_>, input: &Input) -> Answered {
    let fan = input.fan("fan", &context.platform.world)?;
    let status = if needed_boolean(input, "online")? {
        OnlineStatus::Online
    } else {
        OnlineStatus::Offline
    };
    context
        .platform
        .world
        .set_online_status(fan, status, context.now);
    Ok(json!({}))
}

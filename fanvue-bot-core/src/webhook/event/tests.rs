use proptest::prelude::*;

use super::*;
use crate::fan::FanProfile;
use crate::id::MessageId;
use crate::message::{Content, MessageType};
use crate::money::Cents;
use crate::webhook::claimed_account;

const ACCOUNT: &str = "c0de0000-0000-4000-8000-000000000001";
const FAN: &str = "fa000000-0000-4000-8000-000000000001";
const MESSAGE: &str = "3e550000-0000-4000-8000-000000000009";
const RECEIVED: &str = include_str!("fixtures/creator.message.received.json");
const FLAT_RECEIVED: &str = include_str!("fixtures/message.received.json");

fn fan() -> FanProfile {
    FanProfile::new(FAN.parse().unwrap())
}

fn named_fan() -> FanProfile {
    FanProfile {
        handle: Some("fan-one".into()),
        display_name: Some("Fan One".into()),
        ..fan()
    }
}

fn message() -> MessageId {
    MESSAGE.parse().unwrap()
}

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// Writes `F`, `C` and `M` out as the ids of fan, creator and message.
fn write_out(body: &str) -> String {
    body.replace("\"F\"", &format!("\"{FAN}\""))
        .replace("\"C\"", &format!("\"{ACCOUNT}\""))
        .replace("\"M\"", &format!("\"{MESSAGE}\""))
}

fn read(body: &str, topic: Option<&str>) -> Result<Event, ParseEventError> {
    let event = parse(body.as_bytes(), &Hints::default().topic(topic));
    if let Ok(event) = &event {
        assert_eq!(claimed_account(body.as_bytes()), Some(event.account));
    }
    event
}

/// An envelope of `name` around `data` reads as `expected`.
#[track_caller]
fn check(name: &str, data: &str, expected: &EventKind) {
    let body = write_out(&format!(
        r#"{{"id":"evt_1","type":"{name}","timestamp":"2026-10-05T09:30:00Z","data":{data}}}"#
    ));
    let event = read(&body, None).unwrap();
    assert_eq!(&event.kind, expected);
    assert_eq!(event.account, ACCOUNT.parse().unwrap());
    assert_eq!(event.at, time("2026-10-05T09:30:00Z"));
}

/// A flat body reads as `expected`, with each of these topics.
#[track_caller]
fn check_flat(body: &str, topics: &[Option<&str>], expected: &EventKind) {
    let body = write_out(body);
    for topic in topics {
        let event = read(&body, *topic).unwrap();
        assert_eq!(&event.kind, expected, "{topic:?}");
        assert_eq!(event.account, ACCOUNT.parse().unwrap());
    }
}

fn received(content: Content) -> MessageEvent {
    MessageEvent {
        fan: named_fan(),
        message: message(),
        content,
        message_type: MessageType::SingleRecipient,
        is_automated: false,
        is_muted: Some(false),
        sent_at: time("2026-10-05T09:30:00Z"),
    }
}

#[test]
fn a_fans_message_is_read_in_both_families() {
    let event = read(RECEIVED, None).unwrap();
    assert_eq!(event.key.as_str(), "id:creator.message.received/evt_0001");
    assert_eq!(event.at, time("2026-10-05T09:30:00.500Z"));
    assert_eq!(
        event.kind,
        EventKind::MessageReceived(received(Content::text("hi Luna")))
    );

    let event = read(FLAT_RECEIVED, None).unwrap();
    assert_eq!(event.key.as_str(), format!("message:{ACCOUNT}/{MESSAGE}"));
    let expected = MessageEvent {
        sent_at: time("2026-01-05T09:30:00Z"),
        ..received(Content::text("hi Luna"))
    };
    assert_eq!(event.kind, EventKind::MessageReceived(expected));
}

#[test]
fn absent_words_are_to_be_fetched_and_null_words_are_not() {
    for (text, expected) in [
        ("", Content::default()),
        (r#","text":7"#, Content::default()),
        (r#","text":"hey""#, Content::text("hey")),
        (
            r#","text":null"#,
            Content {
                has_media: true,
                fetched: true,
                ..Content::default()
            },
        ),
        (
            r#","text":"","has_media":true,"price":500.0"#,
            Content {
                has_media: true,
                fetched: true,
                price: Some(Cents::new(500)),
                ..Content::default()
            },
        ),
    ] {
        let data = format!(r#"{{"uuid":"M","creator":{{"uuid":"C"}},"fan":{{"uuid":"F"}}{text}}}"#);
        let expected = MessageEvent {
            fan: fan(),
            is_muted: None,
            ..received(expected)
        };
        check(
            "creator.message.received",
            &data,
            &EventKind::MessageReceived(expected),
        );
    }
}

#[test]
fn a_flat_message_with_few_keys_is_read() {
    let media: crate::id::MediaId = MESSAGE.parse().unwrap();
    for (body, content) in [
        (
            r#""message":{"text":"hi","hasMedia":false},"messageUuid":"M""#,
            Content::text("hi"),
        ),
        (r#""message":{"text":"hi","uuid":"M"}"#, Content::text("hi")),
        (r#""messageUuid":"M""#, Content::default()),
        (
            r#""messageUuid":"M","message":{"text":null,"hasMedia":true,"mediaUuids":["M","no id",1],"price":999}"#,
            Content {
                media: vec![media],
                has_media: true,
                price: Some(Cents::new(999)),
                fetched: true,
                ..Content::default()
            },
        ),
    ] {
        let body = format!(r#"{{"recipientUuid":"C","sender":{{"uuid":"F"}},{body}}}"#);
        let expected = MessageEvent {
            fan: fan(),
            is_muted: None,
            sent_at: None,
            ..received(content)
        };
        let expected = EventKind::MessageReceived(expected);
        // Without `message` only the topic or the message's id tells it from a follow.
        check_flat(
            &body,
            &[None, Some("message.received"), Some("nonsense")],
            &expected,
        );
    }
}

#[test]
fn who_sent_a_message_is_what_sender_says() {
    let data = |sender: &str| {
        format!(
            r#"{{"uuid":"M","sender":{sender},"text":"x","creator":{{"uuid":"C"}},"fan":{{"uuid":"F"}},"message_type":"AUTOMATED_RENEWED","is_automated":true}}"#
        )
    };
    for (name, sender, by_fan) in [
        ("creator.message.sent", r#""creator""#, false),
        ("creator.message.sent", "null", false),
        ("creator.message.sent", r#""somebody""#, false),
        ("creator.message.received", r#""creator""#, false),
        ("creator.message.received", "{}", true),
        ("creator.message.received", r#""fan""#, true),
    ] {
        let message = MessageEvent {
            fan: fan(),
            message_type: MessageType::Automated("AUTOMATED_RENEWED".into()),
            is_automated: true,
            is_muted: None,
            ..received(Content::text("x"))
        };
        assert!(message.is_unattended());
        let expected = if by_fan {
            EventKind::MessageReceived(message)
        } else {
            EventKind::MessageSent(message)
        };
        check(name, &data(sender), &expected);
    }
}

#[test]
fn other_chat_events_are_read() {
    let at = time("2026-10-05T09:30:00Z");
    check(
        "creator.message.deleted",
        r#"{"uuid":"M","sender":"creator","deleted_at":"2026-10-05T10:00:00.000Z","creator":{"uuid":"C"},"fan":{"uuid":"F"}}"#,
        &EventKind::MessageDeleted(MessageDeleted {
            fan: fan(),
            message: message(),
            sender: Some(Sender::Creator),
            deleted_at: time("2026-10-05T10:00:00Z"),
        }),
    );
    check(
        "creator.message.read",
        r#"{"object":"fan_message_read","unread_messages_count":0,"fan":{"uuid":"F"},"creator":{"uuid":"C"}}"#,
        &EventKind::MessageRead(MessageRead {
            fan: Some(fan()),
            unread: Some(0),
            read: None,
        }),
    );
    for (actor, by) in [("F", Some(fan())), ("C", None), ("no id", None)] {
        check(
            "creator.message.reaction",
            &format!(
                r#"{{"emoji":"heart","message_uuid":"M","actor":{{"uuid":"{actor}"}},"creator":{{"uuid":"C"}}}}"#
            ),
            &EventKind::Reaction(Reaction {
                message: Some(message()),
                fan: by,
                emoji: Some("heart".into()),
            }),
        );
    }
    for (state, expected) in [
        ("online", FanState::Online),
        ("offline", FanState::Offline),
        ("muted", FanState::Muted),
        ("unmuted", FanState::Unmuted),
        ("asleep", FanState::Other("asleep".into())),
    ] {
        check(
            "creator.fan.presence_changed",
            &format!(
                r#"{{"change_type":"presence","state":"{state}","changed_at":null,"fan":{{"uuid":"F"}},"creator":{{"uuid":"C"}}}}"#
            ),
            &EventKind::FanStatus(FanStatus {
                fan: Some(fan()),
                state: expected,
                changed_at: at,
            }),
        );
    }
    check(
        "creator.follow.created",
        r#"{"follower":{"uuid":"F","handle":"fan-one"},"created_at":"2026-10-05T09:29:00Z","creator":{"uuid":"C"}}"#,
        &EventKind::Follow(Follow {
            fan: Some(FanProfile {
                handle: Some("fan-one".into()),
                ..fan()
            }),
            followed_at: time("2026-10-05T09:29:00Z"),
        }),
    );
}

#[test]
fn events_about_money_are_read() {
    for (name, change) in [
        ("activated", SubscriptionChange::Activated),
        ("renewed", SubscriptionChange::Renewed),
        ("deactivated", SubscriptionChange::Deactivated),
        (
            "cancel_at_period_end_changed",
            SubscriptionChange::CancelAtPeriodEndChanged,
        ),
    ] {
        check(
            &format!("creator.subscription.{name}"),
            r#"{"id":"sub_1","status":"active","cancel_at_period_end":false,"current_period_start":"2026-10-01T00:00:00Z",
                "created_at":"2026-09-01T00:00:00Z","expires_at":"2026-11-01T00:00:00Z","purchaser":{"uuid":"F"},"creator":{"uuid":"C"}}"#,
            &EventKind::Subscription(Subscription {
                change,
                fan: Some(fan()),
                id: Some("sub_1".into()),
                status: Some("active".into()),
                cancel_at_period_end: Some(false),
                price: None,
                period_started_at: time("2026-10-01T00:00:00Z"),
                expires_at: time("2026-11-01T00:00:00Z"),
            }),
        );
    }
    for (who, fan) in [
        (r#","purchaser":{"uuid":"F"}"#, Some(fan())),
        (r#","fan":{"uuid":"F"}"#, Some(fan())),
        (r#","purchaser":null,"fan":{"uuid":"F"}"#, Some(fan())),
        ("", None),
    ] {
        check(
            "creator.payment.succeeded",
            &format!(
                r#"{{"id":"pay_1","source":"tip","gross":1000,"net":800.0,"currency":"USD","paid_at":"2026-10-05T09:29:00Z",
                    "created_at":"2026-10-05T09:28:00Z","message_uuid":"M","post_uuid":null{who},"creator":{{"uuid":"C"}}}}"#
            ),
            &EventKind::Payment(Payment {
                source: PaymentSource::Tip,
                fan,
                id: Some("pay_1".into()),
                gross: Some(Cents::new(1_000)),
                net: Some(Cents::new(800)),
                currency: Some("USD".into()),
                message: Some(message()),
                post: None,
                paid_at: time("2026-10-05T09:29:00Z"),
            }),
        );
    }
    let reversal = Reversal {
        fan: Some(fan()),
        id: Some("re_1".into()),
        payment: Some("pay_1".into()),
        amount: Some(Cents::new(1_000)),
        currency: Some("USD".into()),
        at: time("2026-10-05T09:30:00Z"),
    };
    for data in [
        r#"{"id":"re_1","payment_id":"pay_1","amount":1000,"currency":"USD","purchaser":{"uuid":"F"},"creator":{"uuid":"C"}}"#,
        r#"{"id":"re_1","amount":-1000.0,"currency":"USD","payment":{"id":"pay_1","purchaser":{"uuid":"F"}},"creator":{"uuid":"C"}}"#,
    ] {
        check(
            "creator.refund.created",
            data,
            &EventKind::Refund(reversal.clone()),
        );
        check(
            "creator.dispute.created",
            data,
            &EventKind::Dispute(reversal.clone()),
        );
    }
}

#[test]
fn events_without_a_use_are_named_and_nothing_more() {
    for name in [
        "creator.post.liked",
        "creator.post.commented",
        "creator.new.thing",
    ] {
        let expected = EventKind::Other { name: name.into() };
        check(name, r#"{"text":5,"creator":{"uuid":"C"}}"#, &expected);
    }
    check(
        "creator.logout",
        r#"{"creator":{"uuid":"C"}}"#,
        &EventKind::Logout,
    );
}

#[test]
fn flat_events_are_told_apart_by_topic_or_keys() {
    let payment = |source, message, post| {
        EventKind::Payment(Payment {
            source,
            fan: Some(fan()),
            id: None,
            gross: Some(Cents::new(500)),
            net: None,
            currency: None,
            message,
            post,
            paid_at: None,
        })
    };
    let id = message();
    let post = Some(id.as_uuid());
    let read_event = EventKind::MessageRead(MessageRead {
        fan: Some(fan()),
        unread: None,
        read: Some(2),
    });
    let subscription = EventKind::Subscription(Subscription {
        change: SubscriptionChange::Activated,
        fan: Some(fan()),
        id: None,
        status: None,
        cancel_at_period_end: None,
        price: Some(Cents::new(500)),
        period_started_at: None,
        expires_at: None,
    });
    let follow = EventKind::Follow(Follow {
        fan: Some(fan()),
        followed_at: None,
    });
    let sender = r#""recipientUuid":"C","sender":{"uuid":"F"}"#;
    for (body, topic, expected) in [
        (
            r#""recipientUuid":"C","counterpartUuid":"F","readMessagesCount":2"#.to_owned(),
            "message.read",
            read_event,
        ),
        (
            format!(
                r#"{sender},"price":500,"context":"message","messageUuid":"M","senderUuid":"F""#
            ),
            "tip.new",
            payment(PaymentSource::Tip, Some(id), None),
        ),
        (
            format!(r#"{sender},"price":500.0,"context":"post","postUuid":"M""#),
            "tip.new",
            payment(PaymentSource::Tip, None, post),
        ),
        (
            r#""recipientUuid":"C","senderUuid":"F","price":500,"context":"post""#.to_owned(),
            "tip.new",
            payment(PaymentSource::Tip, None, None),
        ),
        (
            format!(r#"{sender},"price":500,"postUuid":"M""#),
            "purchase.new",
            payment(PaymentSource::Post, None, post),
        ),
        (
            format!(r#"{sender},"price":500,"routeUuid":"M""#),
            "purchase.new",
            payment(PaymentSource::Message, Some(id), None),
        ),
        (
            format!(r#"{sender},"price":500"#),
            "subscription.new",
            subscription,
        ),
        (sender.to_owned(), "follow.new", follow),
    ] {
        // A topic that the body contradicts changes nothing.
        let topics = [
            None,
            Some(topic),
            Some("creator.logout"),
            Some("message.received"),
            Some(""),
        ];
        check_flat(&format!("{{{body}}}"), &topics, &expected);
    }
    check_flat(
        r#"{"recipientUuid":"C"}"#,
        &[Some("creator.logout")],
        &EventKind::Logout,
    );
    let unrecognized = EventKind::Other {
        name: "unrecognized".into(),
    };
    check_flat(
        r#"{"recipientUuid":"C"}"#,
        &[None, Some("x"), Some("tip.new")],
        &unrecognized,
    );
}

#[test]
fn what_cannot_be_placed_is_refused_by_the_fields_name() {
    use ParseEventError::{Foreign, Json, Missing, NotAnId, NotAnObject};
    for (body, error) in [
        ("", Json),
        ("{", Json),
        ("{} x", Json),
        ("[]", NotAnObject),
        ("null", NotAnObject),
        (
            "{}",
            Missing {
                field: "recipientUuid",
            },
        ),
        (
            r#"{"recipientUuid":null}"#,
            Missing {
                field: "recipientUuid",
            },
        ),
        (
            r#"{"recipientUuid":"you"}"#,
            NotAnId {
                field: "recipientUuid",
            },
        ),
        (
            r#"{"recipientUuid":"C","message":{},"sender":{}}"#,
            Missing {
                field: "sender.uuid",
            },
        ),
        (
            r#"{"recipientUuid":"C","message":{},"sender":{"uuid":"F"}}"#,
            Missing {
                field: "messageUuid",
            },
        ),
        (
            r#"{"type":"creator.message.received","data":{}}"#,
            Missing {
                field: "data.creator.uuid",
            },
        ),
        (
            r#"{"type":"creator.message.received","data":{"creator":{"uuid":"C"}}}"#,
            Missing {
                field: "data.fan.uuid",
            },
        ),
        (
            r#"{"type":"creator.message.received","data":{"creator":{"uuid":"C"},"fan":{"uuid":"x"}}}"#,
            NotAnId {
                field: "data.fan.uuid",
            },
        ),
        (
            r#"{"type":"creator.message.sent","data":{"creator":{"uuid":"C"},"fan":{"uuid":"F"}}}"#,
            Missing { field: "data.uuid" },
        ),
        (
            r#"{"type":"app.payment.succeeded","data":{"id":"x"}}"#,
            Foreign,
        ),
        (
            r#"{"type":"checkout_link.payment.failed","id":"evt"}"#,
            Foreign,
        ),
    ] {
        assert_eq!(read(&write_out(body), None).unwrap_err(), error, "{body}");
    }
}

#[test]
fn keys_name_one_event_each() {
    let body = |kind: &str, id: &str, extra: u8| {
        write_out(&format!(
            r#"{{"id":"{id}","type":"creator.{kind}","data":{{"uuid":"M","n":{extra},"creator":{{"uuid":"C"}},"fan":{{"uuid":"F"}}}}}}"#
        ))
    };
    let key = |body: &str| read(body, None).unwrap().key;
    assert_eq!(
        key(&body("message.sent", "a", 1)),
        key(&body("message.sent", "a", 2))
    );
    assert_ne!(
        key(&body("message.sent", "a", 1)),
        key(&body("message.sent", "b", 1))
    );
    assert_ne!(
        key(&body("message.sent", "a", 1)),
        key(&body("message.deleted", "a", 1))
    );
    // Ids of this event were seen to repeat.
    assert_ne!(
        key(&body("message.read", "a", 1)),
        key(&body("message.read", "a", 2))
    );
    assert_eq!(
        key(&body("message.read", "a", 1)),
        key(&body("message.read", "a", 1))
    );

    let hinted = |id| {
        let hints = Hints::default().event_id(Some(id));
        parse(FLAT_RECEIVED.as_bytes(), &hints).unwrap().key
    };
    assert_eq!(hinted("e1").as_str(), "header:message_received/e1");
    assert_ne!(hinted("e1"), hinted("e2"));
    assert_eq!(hinted(""), read(FLAT_RECEIVED, None).unwrap().key);
    let follow = write_out(r#"{"recipientUuid":"C","sender":{"uuid":"F"}}"#);
    assert!(key(&follow).as_str().starts_with("body:"));
    // An envelope's own id is signed; a header's is not.
    let hints = Hints::default().event_id(Some("e1"));
    let event = parse(RECEIVED.as_bytes(), &hints).unwrap();
    assert_eq!(event.key.as_str(), "id:creator.message.received/evt_0001");
}

#[test]
fn odd_json_is_read_as_a_parser_would() {
    let with = |from: &str, to: &str| RECEIVED.replace(from, to);
    let expected = read(RECEIVED, None).unwrap();
    for body in [
        with("\"data\"", "\"d\\u0061ta\""),
        with("\"3e55", "\"\\u0033e55"),
        with(
            "\"creator.message.received\"",
            "\"creator.message.\\u0072eceived\"",
        ),
        with(
            "\"sender\":\"fan\"",
            "\"sender\":\"creator\",\"sender\":\"f\\u0061n\"",
        ),
        with(
            "{\"id\"",
            "{\"data\":{\"text\":\"old\"},\"type\":7,\"id\":[{}],\"id\"",
        ),
        with(
            "\"object\":\"message\"",
            "\"object\":{\"a\":[1e999,{\"b\":null}]}",
        ),
        with(
            "\"unread_messages_count\":1",
            "\"unread_messages_count\":\"many\"",
        ),
        with(
            "\"is_muted\":false",
            "\"is_muted\":false,\"text\":null,\"text\":\"hi Luna\"",
        ),
    ] {
        assert_eq!(read(&body, None).unwrap(), expected, "{body}");
    }
    let deep = format!("\"object\":{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let error = read(&with("\"object\":\"message\"", &deep), None).unwrap_err();
    assert_eq!(error, ParseEventError::Json);
}

#[test]
fn words_of_any_script_arrive_and_broken_ones_lose_only_what_is_broken() {
    for (json, text) in [
        ("hey 😘 wie geht’s", "hey 😘 wie geht’s"),
        (r"hey \ud83d\ude18\nzeile", "hey 😘\nzeile"),
        (r"cut \ud83d", "cut \u{fffd}"),
        (r"nul\u0000", "nul\u{fffd}"),
    ] {
        let event = read(&RECEIVED.replace("hi Luna", json), None).unwrap();
        let EventKind::MessageReceived(message) = event.kind else {
            panic!("not a message");
        };
        assert_eq!(message.content.text.as_deref(), Some(text));
    }
    let mut bytes = RECEIVED.as_bytes().to_vec();
    let at = RECEIVED.find("Luna").unwrap();
    bytes[at] = 0xff;
    assert!(parse(&bytes, &Hints::default()).is_ok());
}

#[test]
fn debug_and_errors_show_no_personal_data() {
    let text = format!("{:?}", read(RECEIVED, None).unwrap());
    for word in ["Luna", "fan-one", "Fan One", "example.com"] {
        assert!(!text.contains(word), "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, &Hints::default());
        let _ = claimed_account(&bytes);
    }

    #[test]
    fn any_value_of_an_optional_field_is_survived(
        key in prop::sample::select(vec![
            "object", "sender", "created_at", "deleted_at", "text", "message_type", "is_automated",
            "is_muted", "unread_messages_count", "handle", "display_name", "timestamp", "id",
        ]),
        value in prop::sample::select(vec![
            "null", "true", "0", "-1.5e3", "\"\"", "\"x\"", "[]", "{}", "[{\"uuid\":1}]", "{\"uuid\":[]}",
            "\"\\ud800\"", "1e999",
        ]),
    ) {
        let json: serde_json::Value = serde_json::from_str(RECEIVED).unwrap();
        let mut found = false;
        let body = RECEIVED.to_owned();
        // Replaces the value where it stands, since serde_json does not hold every value above.
        let at = body.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
        let old = [&json, &json["data"], &json["data"]["fan"]]
            .into_iter()
            .find_map(|object| object.get(key))
            .unwrap()
            .to_string();
        let body = if body[at..].starts_with(&old) {
            found = true;
            format!("{}{value}{}", &body[..at], &body[at + old.len()..])
        } else {
            body
        };
        prop_assert!(found);
        prop_assert!(read(&body, None).is_ok(), "{}", body);
    }

    #[test]
    fn the_claimed_account_is_the_parsed_one(body in near_events()) {
        if let Ok(event) = parse(body.as_bytes(), &Hints::default()) {
            prop_assert_eq!(claimed_account(body.as_bytes()), Some(event.account));
        }
    }
}

/// Bodies that name accounts in contradicting places.
fn near_events() -> impl Strategy<Value = String> {
    let member = prop::sample::select(vec![
        r#""recipientUuid":"C""#,
        r#""recipientUuid":"F""#,
        r#""recipientUu\u0069d":"M""#,
        r#""data":{"creator":{"uuid":"C"},"fan":{"uuid":"F"},"uuid":"M"}"#,
        r#""data":{"creator":{"uuid":"F"},"creator":{"uuid":"M"}}"#,
        r#""data":{"creator":null}"#,
        r#""data":null"#,
        r#""type":"creator.message.received""#,
        r#""type":"x""#,
        r#""type":null"#,
        r#""sender":{"uuid":"F"}"#,
        r#""message":{"uuid":"M"}"#,
        r#""price":5"#,
    ]);
    prop::collection::vec(member, 0..7)
        .prop_map(|members| write_out(&format!("{{{}}}", members.join(","))))
}

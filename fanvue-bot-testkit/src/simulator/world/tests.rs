use serde_json::Value;

use super::*;

const APP: &str = "app";
const ALL: &[&str] = SCOPES;

fn start() -> Moment {
    Moment::from_secs(1_790_000_000)
}

/// A world with a creator, a fan and an app whose webhook takes both families.
fn world() -> (World, Uuid, Uuid) {
    let mut world = World::new(42);
    let creator = world.add_creator("luna", "Luna", start());
    let fan = world.add_fan("fan-one", "Fan One", start());
    let both = [WebhookFamily::Legacy, WebhookFamily::Current];
    world.add_app(
        App::new(APP, "secret")
            .redirect_uri("https://bot.test/cb")
            .webhook(PortalWebhook::new("https://bot.test/hook").families(both)),
    );
    world.grant(APP, creator, ALL, start());
    (world, creator, fan)
}

fn bodies(world: &mut World, now: Moment) -> Vec<(&'static str, Value)> {
    let due = world.take_due(now);
    let bodies = due
        .iter()
        .map(|d| {
            (
                d.topic,
                serde_json::from_slice(&d.body).expect("bodies are JSON"),
            )
        })
        .collect();
    for delivery in due {
        world.finish_delivery(delivery, Outcome::Answered(204), now);
    }
    bodies
}

#[test]
fn a_fan_who_writes_is_told_of_in_both_families() {
    let (mut world, creator, fan) = world();
    let uuid = world
        .fan_writes(creator, fan, "hi Luna", start())
        .expect("known people");
    let events = bodies(&mut world, start());
    let (legacy, current) = (&events[0], &events[1]);
    assert_eq!(legacy.0, "message.received");
    assert_eq!(legacy.1["message"]["text"], "hi Luna");
    assert_eq!(legacy.1["messageUuid"], uuid.to_string());
    assert_eq!(legacy.1["recipientUuid"], creator.to_string());
    assert_eq!(legacy.1["sender"]["uuid"], fan.to_string());
    assert_eq!(current.0, "creator.message.received");
    assert_eq!(current.1["type"], "creator.message.received");
    assert_eq!(current.1["data"]["uuid"], uuid.to_string());
    assert_eq!(current.1["data"]["sender"], "fan");
    assert_eq!(current.1["data"]["text"], "hi Luna");
    assert_eq!(current.1["data"]["creator"]["uuid"], creator.to_string());
    assert_eq!(current.1["data"]["fan"]["uuid"], fan.to_string());
    assert_eq!(current.1["data"]["unread_messages_count"], 1);
}

#[test]
fn api_sends_and_human_messages_are_echoed_and_only_humans_are_named() {
    let (mut world, creator, fan) = world();
    world.open_chat(creator, fan, start()).expect("contactable");
    let sent = world
        .send_message(creator, fan, "by the bot", start())
        .expect("sends");
    let typed = world
        .human_writes(creator, fan, "by hand", None, start())
        .expect("writes");
    let echoes: Vec<_> = bodies(&mut world, start())
        .into_iter()
        .filter(|e| e.0 == "creator.message.sent")
        .collect();
    assert_eq!(echoes[0].1["data"]["uuid"], sent.to_string());
    assert_eq!(echoes[1].1["data"]["uuid"], typed.to_string());
    let chat = world.chat(creator, fan).expect("opened");
    assert_eq!(chat.message(sent).expect("stored").sent_by_user, None);
    assert_eq!(
        chat.message(typed).expect("stored").sent_by_user,
        Some(creator)
    );
}

#[test]
fn events_come_only_with_the_scope_of_the_event() {
    let (mut world, creator, fan) = world();
    world.grant(APP, creator, ["read:self", "read:fan"], start());
    world
        .fan_writes(creator, fan, "hi", start())
        .expect("known people");
    assert_eq!(bodies(&mut world, start()).len(), 0);
    world.follow(creator, fan, start()).expect("known people");
    let topics: Vec<_> = bodies(&mut world, start())
        .into_iter()
        .map(|e| e.0)
        .collect();
    assert_eq!(
        topics,
        ["creator.follow.created"],
        "the legacy event needs read:creator"
    );
}

#[test]
fn a_delivery_is_tried_again_with_the_same_id_until_it_is_given_up() {
    let (mut world, creator, fan) = world();
    world.settings_mut().webhook_retries = vec![1_000, 5_000];
    let app = world.app_mut(APP).expect("added");
    app.webhook = Some(PortalWebhook::new("https://bot.test/hook"));
    world
        .fan_writes(creator, fan, "hi", start())
        .expect("known people");
    let mut ids = Vec::new();
    let mut now = start();
    while let Some(due) = world.next_due() {
        now = due;
        for delivery in world.take_due(now) {
            ids.push(delivery.event_id.clone());
            world.finish_delivery(delivery, Outcome::Answered(500), now);
        }
    }
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(now, start().plus(6_000));
    assert_eq!(world.deliveries()[0].state, DeliveryState::GivenUp);
}

#[test]
fn webhook_faults_duplicate_drop_delay_and_reorder() {
    let (mut world, creator, fan) = world();
    world.app_mut(APP).expect("added").webhook = Some(PortalWebhook::new("https://bot.test/hook"));
    let write = |world: &mut World, fault: Option<WebhookFault>, text: &str| {
        if let Some(fault) = fault {
            world.add_webhook_fault(WebhookRule::new(fault, Trigger::Next(1)));
        }
        world
            .fan_writes(creator, fan, text, start())
            .expect("known people");
    };
    let texts = |world: &mut World, now| {
        bodies(world, now)
            .into_iter()
            .map(|(_, body)| body["data"]["text"].as_str().unwrap_or("none").to_owned())
            .collect::<Vec<_>>()
    };
    write(&mut world, Some(WebhookFault::Duplicate), "twice");
    assert_eq!(texts(&mut world, start()), ["twice", "twice"]);
    write(&mut world, Some(WebhookFault::Drop), "never");
    assert_eq!(texts(&mut world, start()), [""; 0]);
    write(&mut world, Some(WebhookFault::Delay(5_000)), "late");
    assert_eq!(texts(&mut world, start()), [""; 0]);
    assert_eq!(texts(&mut world, start().plus(5_000)), ["late"]);
    write(&mut world, Some(WebhookFault::Reorder), "first");
    write(&mut world, None, "second");
    assert_eq!(texts(&mut world, start()), ["second", "first"]);
    write(&mut world, Some(WebhookFault::WithoutText), "hidden");
    assert_eq!(texts(&mut world, start()), ["none"]);
}

#[test]
fn flawed_deliveries_are_signed_wrongly_or_with_an_old_time() {
    let (mut world, creator, fan) = world();
    world.app_mut(APP).expect("added").webhook = Some(PortalWebhook::new("https://bot.test/hook"));
    let secret = world
        .app(APP)
        .expect("added")
        .webhook_secret
        .expose()
        .to_owned();
    let now = start();
    let mut signed = |fault: Option<WebhookFault>| {
        if let Some(fault) = fault {
            world.add_webhook_fault(WebhookRule::new(fault, Trigger::Next(1)));
        }
        world
            .fan_writes(creator, fan, "hi", now)
            .expect("known people");
        let delivery = world.take_due(now).remove(0);
        (delivery.signature(now), delivery.body)
    };
    let (good, body) = signed(None);
    assert_eq!(good, signature::sign(&secret, now.secs(), &body));
    let (wrong, body) = signed(Some(WebhookFault::WrongSignature));
    assert_ne!(wrong, signature::sign(&secret, now.secs(), &body));
    let (old, body) = signed(Some(WebhookFault::OldTimestamp));
    assert_eq!(old, signature::sign(&secret, now.secs() - 3600, &body));
}

#[test]
fn a_message_is_checked_as_fanvue_checks_it() {
    let (mut world, creator, fan) = world();
    let image = world.add_media(creator, MediaType::Image, start());
    let foreign = world.add_creator("nova", "Nova", start());
    let foreign = world.add_media(foreign, MediaType::Image, start());
    world.open_chat(creator, fan, start()).expect("contactable");
    let mut refused = |message: NewMessage| {
        matches!(
            world.send_message(creator, fan, message, start()),
            Err(ApiError::Validation(_))
        )
    };
    assert!(refused(NewMessage::default()));
    assert!(refused(NewMessage::text("")));
    assert!(refused(NewMessage::text("x".repeat(5001))));
    assert!(!refused(NewMessage::text("ü".repeat(5000))));
    assert!(refused(NewMessage::text("x").priced(500)));
    assert!(refused(
        NewMessage::text("x").with_media(vec![image]).priced(299)
    ));
    assert!(!refused(
        NewMessage::text("x").with_media(vec![image]).priced(300)
    ));
    assert!(refused(NewMessage::text("x").with_media(vec![foreign])));
    assert!(!refused(NewMessage::default().with_media(vec![image])));
}

#[test]
fn a_fan_who_cannot_be_contacted_stays_listed() {
    let (mut world, creator, fan) = world();
    world
        .fan_writes(creator, fan, "hi", start())
        .expect("known people");
    world.set_contact(creator, fan, Contact::Refused);
    let sent = world.send_message(creator, fan, "hello", start());
    assert!(matches!(sent, Err(ApiError::Refused(_))));
    let listed = world
        .list_chats(creator, &ChatQuery::unread(), start())
        .expect("no list asked");
    assert_eq!(listed.len(), 1);
}

#[test]
fn a_send_needs_a_chat_and_listing_messages_of_none_is_not_found() {
    let (mut world, creator, fan) = world();
    let sent = world.send_message(creator, fan, "hello", start());
    assert!(matches!(sent, Err(ApiError::Refused(_))));
    let listed = world.list_messages(creator, fan, &MessageQuery::default());
    assert!(matches!(listed, Err(ApiError::NotFound(_))));
}

#[test]
fn messages_of_one_moment_are_listed_newest_first_and_paged_without_loss() {
    let (mut world, creator, fan) = world();
    for number in 0..25 {
        world
            .fan_writes(creator, fan, number.to_string(), start())
            .expect("known people");
    }
    let mut seen = Vec::new();
    let mut query = MessageQuery::newest(10);
    loop {
        let (page, more) = world
            .list_messages(creator, fan, &query)
            .expect("there is a chat");
        seen.extend(page.iter().filter_map(|m| m.text.clone()));
        let Some(oldest) = page.last().map(|m| m.sent_at).filter(|_| more) else {
            break;
        };
        query = query.before(oldest);
    }
    assert_eq!(
        seen,
        (0..25).rev().map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn reading_a_chat_clears_it_and_patching_marks_it_unread_again() {
    let (mut world, creator, fan) = world();
    world
        .fan_writes(creator, fan, "one", start())
        .expect("known people");
    world
        .fan_writes(creator, fan, "two", start())
        .expect("known people");
    world
        .list_messages(creator, fan, &MessageQuery::default())
        .expect("there is a chat");
    assert_eq!(
        world.chat(creator, fan).expect("written").unread,
        2,
        "listing does not read"
    );
    world
        .patch_chat(creator, fan, ChatPatch::read(), start())
        .expect("there is a chat");
    let chat = world.chat(creator, fan).expect("written");
    assert_eq!(chat.unread, 0);
    assert!(chat.messages.iter().all(|m| m.is_read));
    let unread = ChatPatch {
        is_read: Some(false),
        ..ChatPatch::default()
    };
    world
        .patch_chat(creator, fan, unread, start())
        .expect("there is a chat");
    assert_eq!(world.chat(creator, fan).expect("written").unread, 1);
}

#[test]
fn sends_are_counted_for_each_message_that_they_answer() {
    let (mut world, creator, fan) = world();
    let first = world
        .fan_writes(creator, fan, "one", start())
        .expect("known people");
    world
        .send_message(creator, fan, "same", start())
        .expect("sends");
    world
        .send_message(creator, fan, "same", start())
        .expect("sends");
    let second = world
        .fan_writes(creator, fan, "two", start())
        .expect("known people");
    assert_eq!(world.unanswered(), [(creator, fan, second)]);
    world
        .send_message(creator, fan, "same", start())
        .expect("sends");
    let mut counts: Vec<_> = world
        .sent_answers()
        .into_iter()
        .map(|c| (c.inbound, c.count))
        .collect();
    counts.sort_by_key(|(_, count)| *count);
    assert_eq!(counts, [(Some(second), 1), (Some(first), 2)]);
    assert!(world.unanswered().is_empty());
}

#[test]
fn refresh_tokens_rotate_with_a_grace_and_late_reuse_ends_the_chain() {
    let (mut world, creator, _) = world();
    let first = world
        .issue_tokens(APP, creator, ALL, start())
        .expect("known");
    let old = first.refresh.expect("offline");
    let second = world
        .refresh(APP, old.expose(), start())
        .expect("first use");
    let third = world
        .refresh(APP, old.expose(), start().plus(30_000))
        .expect("within the grace");
    assert!(world.authorize(second.access, start()).is_ok());
    let late = world.refresh(APP, old.expose(), start().plus(30_001));
    assert_eq!(late.expect_err("too late").error, "invalid_grant");
    for tokens in [second, third] {
        assert!(world.authorize(tokens.access, start()).is_err());
        let refresh = tokens.refresh.expect("offline");
        assert!(world.refresh(APP, refresh.expose(), start()).is_err());
    }
}

#[test]
fn access_tokens_expire_by_the_given_time() {
    let (mut world, creator, _) = world();
    world.settings_mut().access_token_seconds = 10;
    let tokens = world
        .issue_tokens(APP, creator, ALL, start())
        .expect("known");
    assert!(world.authorize(tokens.access, start().plus(9_999)).is_ok());
    assert!(
        world
            .authorize(tokens.access, start().plus(10_000))
            .is_err()
    );
}

#[test]
fn a_code_works_once_with_its_verifier_and_its_redirect() {
    let (mut world, creator, _) = world();
    let verifier = "v".repeat(43);
    let consent = |to: &str| Consent::new(APP, creator, ALL.to_vec(), to, challenge(&verifier));
    let uri = "https://bot.test/cb";
    let code = world.issue_code(consent(uri), start());
    assert!(
        world
            .exchange_code(APP, &code, "https://bot.test/", &verifier, start())
            .is_err()
    );
    assert!(
        world
            .exchange_code(APP, &code, uri, &"w".repeat(43), start())
            .is_err()
    );
    assert!(
        world
            .exchange_code("other", &code, uri, &verifier, start())
            .is_err()
    );
    let tokens = world
        .exchange_code(APP, &code, uri, &verifier, start())
        .expect("all fits");
    assert!(
        world
            .exchange_code(APP, &code, uri, &verifier, start())
            .is_err()
    );
    assert!(
        world.authorize(tokens.access, start()).is_err(),
        "reuse revokes what was issued"
    );
    let code = world.issue_code(consent(uri), start());
    let late = start().plus(60_000);
    assert!(
        world
            .exchange_code(APP, &code, uri, &verifier, late)
            .is_err()
    );
}

#[test]
fn a_mass_message_reaches_the_lists_and_spares_the_excluded() {
    let (mut world, creator, fan) = world();
    let other = world.add_fan("fan-two", "Fan Two", start());
    world
        .subscribe(creator, fan, 999, start())
        .expect("known people");
    world
        .subscribe(creator, other, 999, start())
        .expect("known people");
    let spared = world
        .create_list(creator, "no bot", start())
        .expect("new name");
    world
        .add_list_members(creator, spared, &[other])
        .expect("exists");
    let mass = NewMassMessage {
        message: NewMessage::text("news"),
        smart_lists: vec![SmartList::Subscribers],
        excluded_custom_lists: vec![spared],
        scheduled_at: Some(start().plus(1_000)),
        ..NewMassMessage::default()
    };
    let recipients = world
        .send_mass_message(creator, mass, start())
        .expect("valid")
        .recipients
        .clone();
    assert_eq!(recipients.into_iter().collect::<Vec<_>>(), [fan]);
    assert!(world.chat(creator, fan).is_none(), "scheduled");
    world.tick(start().plus(1_000));
    let chat = world.chat(creator, fan).expect("sent");
    assert_eq!(chat.last().expect("sent").kind, MessageKind::Broadcast);
}

#[test]
fn automated_messages_follow_their_triggers() {
    let (mut world, creator, fan) = world();
    let automated = &mut world.creator_mut(creator).expect("added").automated;
    automated.insert(AutomatedTrigger::FirstMessageReply, "welcome".to_owned());
    world
        .fan_writes(creator, fan, "hi", start())
        .expect("known people");
    world
        .fan_writes(creator, fan, "again", start())
        .expect("known people");
    let kinds: Vec<_> = world
        .messages()
        .map(|(_, _, m)| m.kind.as_str().to_owned())
        .collect();
    assert_eq!(
        kinds,
        [
            "SINGLE_RECIPIENT",
            "AUTOMATED_FIRST_MESSAGE_REPLY",
            "SINGLE_RECIPIENT"
        ]
    );
    assert_eq!(world.unanswered().len(), 1, "automation is no answer");
}

#[test]
fn tips_and_purchases_are_paid_and_told() {
    let (mut world, creator, fan) = world();
    let image = world.add_media(creator, MediaType::Image, start());
    world
        .fan_tips(creator, fan, 1000, Some("for you"), start())
        .expect("known people");
    let priced = NewMessage::text("look").with_media(vec![image]).priced(500);
    let priced = world
        .send_message(creator, fan, priced, start())
        .expect("sends");
    world
        .fan_purchases(creator, fan, priced, start())
        .expect("priced");
    let topics: Vec<_> = bodies(&mut world, start())
        .into_iter()
        .map(|e| e.0)
        .collect();
    for topic in ["tip.new", "purchase.new", "creator.payment.succeeded"] {
        assert!(topics.contains(&topic), "{topic} in {topics:?}");
    }
    let spending = world.spending(creator, fan);
    assert_eq!((spending.gross, spending.largest), (1500, 1000));
    let payment = world.payments_of(creator).next().expect("paid").id;
    world.refund(payment, start()).expect("paid");
    assert_eq!(world.spending(creator, fan).total, 500);
}

#[test]
fn equal_seeds_give_equal_worlds() {
    let run = |seed| {
        let mut world = World::new(seed);
        world.populate(start()).expect("a new world");
        format!("{world:?}")
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn the_populated_world_has_every_edge_that_a_client_must_meet() {
    let mut world = World::new(1);
    let fixture = world.populate(start()).expect("a new world");
    assert!(world.chat(fixture.luna, fixture.stranger).is_none());
    assert!(world.chat(fixture.luna, fixture.unreachable).is_some());
    assert!(
        world
            .messages()
            .any(|(_, _, m)| matches!(m.kind, MessageKind::Other(_)))
    );
    assert!(world.messages().any(|(_, _, m)| m.text.is_none()));
}

#[test]
fn secrets_do_not_show_in_debug() {
    let (mut world, creator, _) = world();
    let tokens = world
        .issue_tokens(APP, creator, ALL, start())
        .expect("known");
    let refresh = tokens.refresh.clone().expect("offline");
    let shown = format!("{world:?} {tokens:?}");
    assert!(!shown.contains(refresh.expose()));
    assert!(!shown.contains("whsec_"));
}

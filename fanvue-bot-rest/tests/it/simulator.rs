//! The client against the simulated platform, in both path families: what Fanvue does, not only what it
//! says.

use std::time::Duration;

use fanvue_bot_core::client::{
    AccessToken, AppCredentials, Auth, AuthorizationGrant, ChatFilter, ClientError, ClientSecret,
    CodeVerifier, FanvueClient, MessageQuery, OutgoingMessage, Reach, RefreshToken, SubscriptionId,
    Typing,
};
use fanvue_bot_core::id::{AccountId, FanId, MediaId, MessageId};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::secret::Secret;
use fanvue_bot_rest::{PathFamily, RestClient};
use fanvue_bot_testkit::simulator::world::{
    App, Consent, Fixture, RequestFault, RequestRule, Trigger, challenge,
};
use fanvue_bot_testkit::simulator::{Simulator, Tokens};

use crate::support::{self, builder, variant};

const CLIENT_ID: &str = "reply-bot";
const CLIENT_SECRET: &str = "reply-bot-secret";
const CALLBACK: &str = "https://bot.example.test/oauth/callback";
const SCOPES: [&str; 8] = [
    "openid",
    "offline_access",
    "offline",
    "read:self",
    "read:chat",
    "write:chat",
    "read:fan",
    "read:creator",
];
const FAMILIES: [PathFamily; 2] = [PathFamily::V1, PathFamily::Legacy];

struct Stage {
    simulator: Simulator,
    people: Fixture,
    client: RestClient,
    auth: Auth,
}

impl Stage {
    async fn set(family: PathFamily) -> Self {
        Self::set_with(family, 200).await
    }

    async fn set_with(family: PathFamily, requests_per_minute: u64) -> Self {
        let app = App::new(CLIENT_ID, CLIENT_SECRET).redirect_uri(CALLBACK);
        let simulator = Simulator::builder()
            .app(app)
            .rate_limits(requests_per_minute, 80)
            .start()
            .await
            .unwrap();
        let people = simulator.populate().unwrap();
        let tokens = simulator
            .issue_tokens(CLIENT_ID, people.luna, SCOPES)
            .unwrap();
        let client = builder(simulator.base_url())
            .path_family(family)
            .build()
            .unwrap();
        Self {
            auth: own(&tokens),
            simulator,
            people,
            client,
        }
    }

    /// The credential of the agency for `luna`.
    fn agency(&self) -> Auth {
        let people = &self.people;
        let tokens = self
            .simulator
            .issue_tokens(CLIENT_ID, people.agency, SCOPES)
            .unwrap();
        Auth {
            reach: Reach::Agency(AccountId::from_uuid(people.luna)),
            ..own(&tokens)
        }
    }

    fn fan(&self) -> FanId {
        FanId::from_uuid(self.people.fans[1])
    }

    /// The texts of the API's own sends in the chat with the second fan.
    fn sent(&self, text: &str) -> usize {
        self.simulator
            .transcript(self.people.luna, self.people.fans[1])
            .iter()
            .filter(|message| message.text.as_deref() == Some(text))
            .count()
    }

    fn fault(&self, fault: RequestFault, method: &str, path: &str) {
        let rule = RequestRule::new(fault, Trigger::Next(1)).on(method, path);
        self.simulator.add_request_fault(rule);
    }

    async fn send(&self, text: &str) -> Result<MessageId, ClientError> {
        let message = OutgoingMessage::text(text);
        self.client
            .send_message(&self.auth, self.fan(), &message)
            .await
    }
}

fn own(tokens: &Tokens) -> Auth {
    Auth {
        token: AccessToken::new(tokens.access_token.expose()),
        ..support::own()
    }
}

fn app() -> AppCredentials {
    AppCredentials {
        client_id: CLIENT_ID.into(),
        client_secret: ClientSecret::new(CLIENT_SECRET),
    }
}

#[tokio::test]
async fn an_unread_chat_is_found_read_answered_and_marked() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let Stage { client, auth, .. } = &stage;
        let me = client.current_user(auth).await.unwrap();
        assert_eq!(me.id, AccountId::from_uuid(stage.people.luna));

        let page = PageRequest::first(50);
        let chats = client.chats(auth, ChatFilter::Unread, &page).await.unwrap();
        let chat = chats.items.iter().find(|chat| chat.fan.id == stage.fan());
        let chat = chat.unwrap();
        assert_eq!((chat.is_read, chat.unread_messages), (false, 1));

        let query = MessageQuery::newest(50);
        let messages = client.messages(auth, stage.fan(), &query).await.unwrap();
        let question = messages
            .items
            .iter()
            .find(|message| Some(message.id) == chat.last_message)
            .unwrap();
        assert_eq!(question.content.text.as_deref(), Some("are you there?"));
        assert_ne!(question.sender, Some(me.id));

        // Reading has not marked the chat, in either family.
        let before = client.unread_counts(auth).await.unwrap();
        let typing = client.set_typing(auth, stage.fan(), Typing::Started).await;
        typing.unwrap();
        let sent = stage.send("yes, always").await.unwrap();
        client.mark_read(auth, stage.fan()).await.unwrap();
        let after = client.unread_counts(auth).await.unwrap();
        assert_eq!(after.chats + 1, before.chats);

        let message = client.message(auth, stage.fan(), sent).await.unwrap();
        assert_eq!(message.sender, Some(me.id));
        assert_eq!(message.content.text.as_deref(), Some("yes, always"));
        assert_eq!(stage.sent("yes, always"), 1);
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn everything_that_the_populated_world_holds_is_read() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let fan = FanId::from_uuid(stage.people.fans[0]);
        let query = MessageQuery::newest(50);
        let page = stage
            .client
            .messages(&stage.auth, fan, &query)
            .await
            .unwrap();
        let stored = stage
            .simulator
            .transcript(stage.people.luna, stage.people.fans[0]);
        let ids: Vec<_> = page
            .items
            .iter()
            .map(|message| message.id.as_uuid())
            .collect();
        let newest_first: Vec<_> = stored.iter().rev().map(|message| message.uuid).collect();
        assert_eq!(ids, newest_first);
        let kinds: Vec<_> = page
            .items
            .iter()
            .map(|message| message.kind.as_wire())
            .collect();
        assert!(
            kinds.contains(&"HOLOGRAM_CALL") && kinds.contains(&"TIP"),
            "{kinds:?}"
        );
        // A tip states its amount in the same place.
        let mut paid = page.items.iter();
        let paid =
            paid.find(|message| message.content.price.is_some() && message.content.has_media);
        let paid = paid.unwrap();
        assert_eq!(paid.content.price, Some(Cents::new(500)));
        assert_eq!(paid.content.media, [MediaId::from_uuid(stage.people.image)]);
        assert!(paid.purchased_at.is_some());
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn walking_a_list_sees_every_item_once() {
    for family in FAMILIES {
        let stage = Stage::set_with(family, 1_000).await;
        let Stage { client, auth, .. } = &stage;
        let luna = stage.people.luna;
        for n in 0..40 {
            let fan = stage.simulator.add_fan(&format!("fan-{n}"), "Fan");
            stage.simulator.fan_writes(luna, fan, "hi").unwrap();
        }
        for n in 0..40 {
            let text = format!("message {n}");
            stage
                .simulator
                .fan_writes(luna, stage.people.fans[1], text)
                .unwrap();
            // Messages of one instant cannot be told apart by date.
            stage.simulator.advance(Duration::from_millis(1));
        }

        let mut seen = Vec::new();
        let mut query = MessageQuery::newest(7);
        loop {
            let page = client.messages(auth, stage.fan(), &query).await.unwrap();
            assert!(page.items.len() <= 7);
            seen.extend(page.items.iter().map(|message| message.id.as_uuid()));
            match page.next {
                Some(cursor) => query.page = PageRequest::after(7, cursor),
                None => break,
            }
        }
        let stored = stage.simulator.transcript(luna, stage.people.fans[1]);
        let newest_first: Vec<_> = stored.iter().rev().map(|message| message.uuid).collect();
        assert_eq!(seen, newest_first, "{family:?}");

        let mut fans = Vec::new();
        let mut request = PageRequest::first(9);
        loop {
            let page = client.chats(auth, ChatFilter::All, &request).await.unwrap();
            fans.extend(page.items.iter().map(|chat| chat.fan.id));
            match page.next {
                Some(cursor) => request = PageRequest::after(9, cursor),
                None => break,
            }
        }
        let walked = fans.len();
        fans.sort_unstable();
        fans.dedup();
        assert_eq!(walked, fans.len());
        assert_eq!(walked, 43, "{family:?}");

        let oldest = MessageId::from_uuid(stored[0].uuid);
        let found = client.message(auth, stage.fan(), oldest).await.unwrap();
        assert_eq!(found.id, oldest);
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn fans_who_cannot_be_reached_are_told_from_fans_without_a_chat() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let Stage { client, auth, .. } = &stage;
        let gone = FanId::from_uuid(stage.people.unreachable);
        let hello = OutgoingMessage::text("hello");
        let sent = client.send_message(auth, gone, &hello).await;
        assert_eq!(variant(sent), "NotContactable");
        assert_eq!(
            variant(client.create_chat(auth, gone).await),
            "NotContactable"
        );

        let stranger = FanId::from_uuid(stage.people.stranger);
        let query = MessageQuery::newest(5);
        let listed = client.messages(auth, stranger, &query).await;
        assert_eq!(variant(listed), "NotFound");
        let message = MessageId::from_uuid(stage.people.stranger);
        let found = client.message(auth, stranger, message).await;
        assert_eq!(variant(found), "NotFound");
        client.create_chat(auth, stranger).await.unwrap();
        client.create_chat(auth, stranger).await.unwrap();
        client.send_message(auth, stranger, &hello).await.unwrap();
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn paid_media_is_sent() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let mut message = OutgoingMessage::text("look");
        message.media = vec![MediaId::from_uuid(stage.people.image)];
        message.price = Some(Cents::new(500));
        let client = &stage.client;
        let sent = client
            .send_message(&stage.auth, stage.fan(), &message)
            .await;
        let sent = client
            .message(&stage.auth, stage.fan(), sent.unwrap())
            .await;
        let content = sent.unwrap().content;
        assert_eq!(
            (content.media, content.price),
            (message.media, message.price)
        );
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_by_reading_the_chat() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let cases = [
            (RequestFault::CutAfter, "cut after", 1),
            (RequestFault::ErrorAfter(502), "error after", 1),
            (RequestFault::CutBefore, "cut before", 0),
            (RequestFault::ErrorBefore(503), "error before", 0),
        ];
        for (fault, text, stored) in cases {
            stage.fault(fault, "POST", "*/message");
            assert_eq!(variant(stage.send(text).await), "OutcomeUnknown");
            assert_eq!(stage.sent(text), stored, "{text}");
            let query = MessageQuery::newest(10);
            let page = stage
                .client
                .messages(&stage.auth, stage.fan(), &query)
                .await
                .unwrap();
            let found = page
                .items
                .iter()
                .filter(|message| message.content.text.as_deref() == Some(text));
            assert_eq!(found.count(), stored, "{text}");
        }
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn faults_before_a_definite_answer_are_told_apart() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let Stage { client, auth, .. } = &stage;
        stage.fault(RequestFault::ErrorBefore(502), "GET", "*/users/me");
        assert_eq!(variant(client.current_user(auth).await), "Unavailable");
        stage.fault(RequestFault::CutAfter, "PATCH", "*");
        assert_eq!(
            variant(client.mark_read(auth, stage.fan()).await),
            "Unavailable"
        );
        stage.fault(RequestFault::Unauthorized, "POST", "*/message");
        assert_eq!(variant(stage.send("a").await), "Unauthorized");
        stage.fault(RequestFault::RateLimited(17), "POST", "*/message");
        let Err(ClientError::RateLimited { retry_after }) = stage.send("b").await else {
            panic!("not rate limited");
        };
        assert_eq!(retry_after, Duration::from_secs(17));
        // From here the account is held back without a request.
        let requests = stage.simulator.requests().len();
        assert_eq!(variant(stage.send("c").await), "RateLimited");
        assert_eq!(stage.simulator.requests().len(), requests);
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn a_slow_answer_to_a_send_leaves_it_unknown() {
    let mut stage = Stage::set(PathFamily::V1).await;
    stage.client = builder(stage.simulator.base_url())
        .connect_timeout(Duration::from_millis(900))
        .request_timeout(Duration::from_millis(1_000))
        .build()
        .unwrap();
    stage.fault(RequestFault::SlowAfter(60_000), "POST", "*/message");
    assert_eq!(variant(stage.send("slow").await), "OutcomeUnknown");
    assert_eq!(stage.sent("slow"), 1);
}

#[tokio::test]
async fn the_servers_bucket_is_learned_and_never_overdrawn() {
    for family in FAMILIES {
        let stage = Stage::set_with(family, 5).await;
        let Stage { client, auth, .. } = &stage;
        let mut answered = 0;
        let mut held = 0;
        for _ in 0..20 {
            match client.current_user(auth).await {
                Ok(_) => answered += 1,
                Err(ClientError::RateLimited { retry_after }) => {
                    // Each is told a time of its own.
                    assert!(retry_after <= Duration::from_secs(72));
                    held += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((answered, held), (5, 15));
        let requests = stage.simulator.requests();
        assert_eq!(requests.len(), 5);
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn an_agency_reaches_its_creators_and_no_others() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let client = &stage.client;
        let auth = stage.agency();
        let me = client.current_user(&auth).await.unwrap();
        assert_eq!(me.id, AccountId::from_uuid(stage.people.agency));
        let page = PageRequest::first(50);
        let chats = client
            .chats(&auth, ChatFilter::Unread, &page)
            .await
            .unwrap();
        assert!(chats.items.iter().any(|chat| chat.fan.id == stage.fan()));
        assert!(chats.items.iter().all(|chat| !chat.is_read));

        let hello = OutgoingMessage::text("hello from the team");
        let sent = client
            .send_message(&auth, stage.fan(), &hello)
            .await
            .unwrap();
        let message = client.message(&auth, stage.fan(), sent).await.unwrap();
        assert_eq!(
            message.sender,
            Some(AccountId::from_uuid(stage.people.luna))
        );
        client.create_chat(&auth, stage.fan()).await.unwrap();
        client.mark_read(&auth, stage.fan()).await.unwrap();

        let foreign = Auth {
            reach: Reach::Agency(AccountId::from_uuid(stage.people.stranger)),
            ..auth
        };
        let chats = client.chats(&foreign, ChatFilter::All, &page).await;
        assert_eq!(variant(chats), "NotFound");
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn tokens_end_scopes_are_missing_and_versions_retire() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let narrow = stage
            .simulator
            .issue_tokens(CLIENT_ID, stage.people.luna, ["read:self"])
            .unwrap();
        let narrow = own(&narrow);
        stage.client.current_user(&narrow).await.unwrap();
        let error = stage.client.unread_counts(&narrow).await.unwrap_err();
        let ClientError::Forbidden { message } = &error else {
            panic!("{error:?}");
        };
        assert!(message.contains("scope"), "{message}");

        let versions = [("2024-12-01", "VersionRetired"), ("1999-01-01", "Rejected")];
        for (version, wanted) in versions {
            let client = builder(stage.simulator.base_url())
                .path_family(family)
                .api_version(version)
                .build()
                .unwrap();
            assert_eq!(variant(client.current_user(&stage.auth).await), wanted);
        }

        stage.simulator.advance(Duration::from_secs(3_700));
        let user = stage.client.current_user(&stage.auth).await;
        assert_eq!(variant(user), "Unauthorized");
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn presence_is_asked_for_many() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let fans: Vec<FanId> = stage
            .people
            .fans
            .iter()
            .map(|fan| FanId::from_uuid(*fan))
            .collect();
        let known = stage.client.presence(&stage.auth, &fans).await.unwrap();
        let known: Vec<_> = known
            .iter()
            .map(|presence| (presence.fan, presence.online))
            .collect();
        assert_eq!(known, [(fans[0], true), (fans[1], false)]);
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn a_grant_lives_from_its_code_to_its_revocation() {
    let stage = Stage::set(PathFamily::V1).await;
    let Stage {
        simulator, client, ..
    } = &stage;
    let verifier = "verifier-".repeat(6);
    let luna = stage.people.luna;
    let code = simulator.with_world(|world, now| {
        let consent = Consent::new(CLIENT_ID, luna, SCOPES, CALLBACK, challenge(&verifier));
        world.issue_code(consent, now)
    });
    let grant = AuthorizationGrant {
        app: app(),
        code: Secret::new(code),
        redirect_uri: CALLBACK.to_owned(),
        code_verifier: CodeVerifier::new(verifier),
    };

    let mut wrong_app = grant.clone();
    wrong_app.app.client_secret = ClientSecret::new("wrong");
    assert_eq!(
        variant(client.exchange_code(&wrong_app).await),
        "InvalidClient"
    );
    let mut wrong_verifier = grant.clone();
    wrong_verifier.code_verifier = CodeVerifier::new("another--".repeat(6));
    let refused = client.exchange_code(&wrong_verifier).await;
    assert_eq!(variant(refused), "InvalidGrant");

    let first = client.exchange_code(&grant).await.unwrap();
    let auth = Auth {
        token: first.access_token.clone(),
        ..support::own()
    };
    let me = client.current_user(&auth).await.unwrap();
    assert_eq!(me.id, AccountId::from_uuid(luna));
    assert_eq!(first.expires_in, Duration::from_secs(3_599));

    // An answer that is lost: the same token works again within the grace.
    let old = first.refresh_token.unwrap();
    stage.fault(RequestFault::CutAfter, "POST", "/oauth2/token");
    let lost = client.refresh_tokens(&app(), &old).await;
    assert_eq!(variant(lost), "OutcomeUnknown");
    let second = client.refresh_tokens(&app(), &old).await.unwrap();
    let newest = second.refresh_token.unwrap();
    assert_ne!(newest, old);

    client.revoke_token(&app(), &newest).await.unwrap();
    client
        .revoke_token(&app(), &RefreshToken::new("unknown"))
        .await
        .unwrap();
    let revoked = client.refresh_tokens(&app(), &newest).await;
    assert_eq!(variant(revoked), "InvalidGrant");
}

#[tokio::test]
async fn a_refresh_token_that_is_used_again_late_ends_the_grant() {
    let stage = Stage::set(PathFamily::V1).await;
    let tokens = stage
        .simulator
        .issue_tokens(CLIENT_ID, stage.people.luna, SCOPES)
        .unwrap();
    let old = RefreshToken::new(tokens.refresh_token.unwrap().expose());
    let client = &stage.client;
    let new = client.refresh_tokens(&app(), &old).await.unwrap();
    stage.simulator.advance(Duration::from_secs(31));
    assert_eq!(
        variant(client.refresh_tokens(&app(), &old).await),
        "InvalidGrant"
    );
    let new = new.refresh_token.unwrap();
    assert_eq!(
        variant(client.refresh_tokens(&app(), &new).await),
        "InvalidGrant"
    );
}

#[tokio::test]
async fn an_agency_lists_its_creators_page_by_page_and_a_creator_has_none() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let agency = stage.agency();
        let mut seen = Vec::new();
        let mut page = PageRequest::first(1);
        for _ in 0..5 {
            let listed = stage.client.managed_creators(&agency, &page).await.unwrap();
            seen.extend(listed.items.into_iter().map(|user| user.id.as_uuid()));
            match listed.next {
                Some(next) => page = PageRequest::after(1, next),
                None => break,
            }
        }
        seen.sort_unstable();
        let mut managed = [stage.people.luna, stage.people.nova];
        managed.sort_unstable();
        assert_eq!(seen, managed);
        let page = PageRequest::first(50);
        let none = stage.client.managed_creators(&stage.auth, &page).await;
        assert_eq!(none.unwrap().items, []);
        stage.simulator.stop().await;
    }
}

#[tokio::test]
async fn webhooks_are_subscribed_listed_and_ended_where_fanvue_lets_it() {
    for family in FAMILIES {
        let stage = Stage::set(family).await;
        let Stage { client, auth, .. } = &stage;
        let url = "https://bot.example.test/webhooks/fanvue";
        let events = ["creator.message.received".to_owned()];
        let made = client.subscribe_webhook(auth, url, &events).await.unwrap();
        assert!(made.secret.expose_text().unwrap().starts_with("whsec_"));
        assert!(!format!("{made:?}").contains("whsec_"));
        let listed = client.webhook_subscriptions(auth).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((&listed[0].id, &*listed[0].url), (&made.id, url));
        assert_eq!(listed[0].events, events);
        for _ in 0..2 {
            client.unsubscribe_webhook(auth, &made.id).await.unwrap();
        }
        assert_eq!(client.webhook_subscriptions(auth).await.unwrap(), []);
        let odd = SubscriptionId::new("../users/me");
        let refused = client.unsubscribe_webhook(auth, &odd).await;
        assert_eq!(variant(refused), "Rejected");

        stage.simulator.with_world(|world, _| {
            world.app_mut(CLIENT_ID).unwrap().refuses_subscriptions = true;
        });
        let refused = client.subscribe_webhook(auth, url, &events).await;
        assert_eq!(variant(refused), "Rejected");
        stage.fault(RequestFault::CutAfter, "POST", "*/webhooks/subscriptions");
        let lost = client.subscribe_webhook(auth, url, &events).await;
        assert_eq!(variant(lost), "OutcomeUnknown");
        stage.simulator.stop().await;
    }
}

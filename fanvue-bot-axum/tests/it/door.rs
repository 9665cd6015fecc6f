//! Who gets in at the webhook door, what becomes of it, and what those hear who do not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use fanvue_bot_axum::{Limits, Webhooks, WebhooksBuilder, serve};
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::id::{AgencyId, CreatorId};
use fanvue_bot_core::intake::Intake;
use fanvue_bot_core::memory::{MemoryQueue, MemoryStore, MemoryVault};
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::secret::{Secret, SecretId, SecretKind, SecretVault as _};
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::time::Timestamp;
use fanvue_bot_core::webhook::{Signer, Verifier};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::client::{Answer, Client};

/// Our ids of two creators, and their accounts at Fanvue.
pub(crate) const MIA: &str = "c0de0000-0000-4000-8000-000000000001";
pub(crate) const ZOE: &str = "c0de0000-0000-4000-8000-000000000002";
pub(crate) const MIAS_ACCOUNT: &str = "acc00000-0000-4000-8000-000000000001";
const ZOES_ACCOUNT: &str = "acc00000-0000-4000-8000-000000000002";
/// Reached by an agency's grant.
const KIM: &str = "c0de0000-0000-4000-8000-000000000003";
const KIMS_ACCOUNT: &str = "acc00000-0000-4000-8000-000000000003";
const AGENCY: &str = "a9e00000-0000-4000-8000-000000000001";
const NOBODYS_ACCOUNT: &str = "acc00000-0000-4000-8000-00000000000f";

pub(crate) const APP: &str = "app-secret";
const ZOES: &str = "zoes-own-secret";
const ZOES_OLD: &str = "zoes-previous-secret";
/// The app's, but from the vault.
const STORED: &str = "stored-app-secret";
const AGENCYS: &str = "agencys-secret";
const NOW: i64 = 1_790_000_000;

/// A running door over memory.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) webhooks: Webhooks,
    pub(crate) store: Arc<MemoryStore>,
    plan: FaultPlan,
    vault_plan: FaultPlan,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(configure: impl FnOnce(WebhooksBuilder) -> WebhooksBuilder) -> Self {
        Self::build(false, configure).await
    }

    async fn with_own_secrets() -> Self {
        Self::build(true, |builder| builder).await
    }

    async fn build(
        own_secrets: bool,
        configure: impl FnOnce(WebhooksBuilder) -> WebhooksBuilder,
    ) -> Self {
        let verifier = Verifier::new(&Secret::new(APP)).unwrap();
        Self::build_for(verifier, own_secrets, configure).await
    }

    async fn build_for(
        verifier: Verifier,
        own_secrets: bool,
        configure: impl FnOnce(WebhooksBuilder) -> WebhooksBuilder,
    ) -> Self {
        let store = Arc::new(MemoryStore::new());
        for (id, account) in [
            (MIA, MIAS_ACCOUNT),
            (ZOE, ZOES_ACCOUNT),
            (KIM, KIMS_ACCOUNT),
        ] {
            let creator = Creator::new(id.parse().unwrap(), Persona::named("x"));
            let mut creator = creator.account(account.parse().unwrap());
            if id == KIM {
                creator.agency = Some(AGENCY.parse().unwrap());
            }
            store.commit(&creator.into(), None).await.unwrap();
        }
        let vault = MemoryVault::new();
        let zoe: CreatorId = ZOE.parse().unwrap();
        let agency: AgencyId = AGENCY.parse().unwrap();
        let (current, previous) = (SecretKind::WebhookSecret, SecretKind::PreviousWebhookSecret);
        for (id, secret) in [
            (SecretId::of_creator(zoe, current), ZOES),
            (SecretId::of_creator(zoe, previous), ZOES_OLD),
            (SecretId::of_agency(agency, current), AGENCYS),
            (SecretId::of_deployment(current), STORED),
        ] {
            vault.put(&id, &Secret::new(secret), None).await.unwrap();
        }
        let (plan, vault_plan) = (FaultPlan::none(), FaultPlan::none());
        let faulty = Faulty::new(Arc::clone(&store), plan.clone());
        let backend = Backend::separate(Arc::new(faulty), Arc::new(MemoryQueue::new()));
        let clock = Arc::new(VirtualClock::at(Timestamp::from_seconds(NOW)));
        let intake = Intake::new(backend).clock(clock);
        let mut builder = Webhooks::builder(verifier, intake);
        if own_secrets {
            let vault = Faulty::new(vault, vault_plan.clone());
            builder = builder
                .stored_secrets(Arc::new(vault))
                .secret_cache(Duration::ZERO);
        }
        let webhooks = configure(builder).build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = webhooks.router();
        tokio::spawn(serve(
            listener,
            router,
            Limits::default(),
            std::future::pending(),
        ));
        Self {
            address,
            webhooks,
            store,
            plan,
            vault_plan,
        }
    }

    pub(crate) async fn post(&self, path: &str, signature: Option<&str>, body: &[u8]) -> Answer {
        post(self.address, path, signature, body).await
    }

    async fn post_signed(&self, path: &str, secret: &str, body: &Value) -> u16 {
        let body = body.to_string();
        let signature = sign(secret, NOW, &body);
        self.post(path, Some(&signature), body.as_bytes())
            .await
            .status
    }

    pub(crate) fn conversations(&self) -> usize {
        self.store.conversations().len()
    }
}

async fn post(address: SocketAddr, path: &str, signature: Option<&str>, body: &[u8]) -> Answer {
    let mut client = Client::connect(address).await;
    let signature = signature.map_or_else(String::new, |value| {
        format!("x-fanvue-signature: {value}\r\n")
    });
    let length = body.len();
    client
        .send(format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\n{signature}content-length: {length}\r\n\r\n"
        ))
        .await;
    client.send(body).await;
    client.answer().await
}

pub(crate) fn sign(secret: &str, at: i64, body: &str) -> String {
    let signer = Signer::new(&Secret::new(secret)).unwrap();
    signer.header(Timestamp::from_seconds(at), body.as_bytes())
}

pub(crate) fn message(account: &str, number: u8) -> Value {
    json!({
        "recipientUuid": account,
        "sender": { "uuid": "fa000000-0000-4000-8000-000000000001" },
        "messageUuid": format!("3e550000-0000-4000-8000-0000000000{number:02x}"),
        "message": { "text": "hi" }
    })
}

const DOOR: &str = "/webhooks/fanvue";

#[tokio::test]
async fn a_proved_message_is_stored_before_it_is_acknowledged_and_once() {
    let world = World::start().await;
    for (stored, duplicate) in [(1, 0), (1, 1), (1, 2)] {
        let status = world
            .post_signed(DOOR, APP, &message(MIAS_ACCOUNT, 1))
            .await;
        assert_eq!(status, 200);
        assert_eq!(world.conversations(), 1);
        let counters = world.webhooks.counters();
        assert_eq!([counters.stored, counters.duplicate], [stored, duplicate]);
        assert_eq!(counters.last_proved, Some(Timestamp::from_seconds(NOW)));
    }
    let stored = &world.store.conversations()[0].value;
    assert_eq!(stored.id.creator.to_string(), MIA);
}

#[tokio::test]
async fn the_url_must_name_the_creator_of_the_body_or_none() {
    let world = World::start().await;
    for (url, account, status) in [
        (DOOR.to_owned(), MIAS_ACCOUNT, 200),
        (format!("{DOOR}/"), MIAS_ACCOUNT, 200),
        (format!("{DOOR}/{MIA}"), MIAS_ACCOUNT, 200),
        (format!("{DOOR}?creatorId={MIA}"), MIAS_ACCOUNT, 200),
        (format!("{DOOR}?x=y&creatorId={MIA}"), MIAS_ACCOUNT, 200),
        (format!("{DOOR}/{MIA}?creatorId={MIA}"), MIAS_ACCOUNT, 200),
        (format!("{DOOR}/{}", MIA.to_uppercase()), MIAS_ACCOUNT, 200),
        (format!("{DOOR}/{ZOE}"), MIAS_ACCOUNT, 401),
        (format!("{DOOR}?creatorId={ZOE}"), MIAS_ACCOUNT, 401),
        (format!("{DOOR}/{MIA}?creatorId={ZOE}"), MIAS_ACCOUNT, 401),
        (format!("{DOOR}/{MIAS_ACCOUNT}"), MIAS_ACCOUNT, 401),
        (format!("{DOOR}/nobody"), MIAS_ACCOUNT, 401),
        (format!("{DOOR}/%ff"), MIAS_ACCOUNT, 401),
        (format!("{DOOR}?creatorId="), MIAS_ACCOUNT, 401),
        // Fanvue's test deliveries name nobody we know, whatever the URL.
        (DOOR.to_owned(), NOBODYS_ACCOUNT, 200),
        (format!("{DOOR}/{MIA}"), NOBODYS_ACCOUNT, 200),
    ] {
        let answered = world.post_signed(&url, APP, &message(account, 1)).await;
        assert_eq!(answered, status, "{url} {account}");
    }
    let counters = world.webhooks.counters();
    assert_eq!(counters.stored + counters.duplicate, 7);
    assert_eq!([counters.wrong_creator, counters.unknown_creator], [7, 2]);
    assert_eq!(world.conversations(), 1);
}

#[tokio::test]
async fn only_what_the_apps_secret_signed_just_now_gets_in() {
    let world = World::start().await;
    let body = message(MIAS_ACCOUNT, 1).to_string();
    let good = sign(APP, NOW, &body);
    let tampered = body.replace("hi", "ho");
    let cases: Vec<(Option<String>, &str)> = vec![
        (None, &body),
        (Some(String::new()), &body),
        (Some("garbage".to_owned()), &body),
        (Some(good.to_uppercase()), &body),
        (Some(good.replace("v0=", "v1=")), &body),
        (Some(format!("sha256={}", &good[good.len() - 64..])), &body),
        (Some(good.clone()), &tampered),
        (Some(sign("another-secret", NOW, &body)), &body),
        (Some(sign(APP, NOW - 301, &body)), &body),
        (Some(sign(APP, NOW + 301, &body)), &body),
        (Some(sign(ZOES, NOW, &body)), &body),
    ];
    let number = cases.len();
    for (signature, body) in cases {
        let answer = world
            .post(DOOR, signature.as_deref(), body.as_bytes())
            .await;
        assert_eq!(answer.status, 401, "{signature:?}");
        assert_eq!(answer.body, "");
    }
    assert_eq!(world.conversations(), 0);
    let counters = world.webhooks.counters();
    let refused = counters.unsigned
        + counters.malformed_signature
        + counters.outside_tolerance
        + counters.bad_signature;
    assert_eq!(refused, u64::try_from(number).unwrap());
    assert_eq!(counters.last_proved, None);
    assert_eq!(world.plan.calls(), 0, "a refusal asks the store nothing");
    // The edges of the tolerance, and the signature in the second of two headers.
    for at in [NOW - 300, NOW + 300] {
        let signature = sign(APP, at, &body);
        assert_eq!(
            world
                .post(DOOR, Some(&signature), body.as_bytes())
                .await
                .status,
            200
        );
    }
    let twice = format!(
        "t={NOW}\r\nx-fanvue-signature: {}",
        good.split_once(',').unwrap().1
    );
    assert_eq!(
        world.post(DOOR, Some(&twice), body.as_bytes()).await.status,
        200
    );
}

#[tokio::test]
async fn a_creators_own_secret_is_held_to_the_rules_of_the_apps() {
    let body = message(ZOES_ACCOUNT, 1).to_string();
    let signed = |at| sign(ZOES, at, &body);
    let signer = Signer::new(&Secret::new(ZOES)).unwrap();
    let without_time = signer.replayable_header(body.as_bytes());
    let strict = Verifier::new(&Secret::new(APP)).unwrap();
    let lenient = strict
        .clone()
        .tolerance(Duration::from_secs(3_600))
        .accept_replayable_sha256();
    let short = strict.clone().tolerance(Duration::from_secs(10));
    for (verifier, signature, status) in [
        (&strict, &signed(NOW - 3_000), 401),
        (&strict, &without_time, 401),
        (&lenient, &signed(NOW - 3_000), 200),
        (&lenient, &signed(NOW - 3_601), 401),
        (&lenient, &without_time, 200),
        (&short, &signed(NOW - 11), 401),
        (&short, &signed(NOW - 10), 200),
    ] {
        let world = World::build_for(verifier.clone(), true, |builder| builder).await;
        let answer = world.post(DOOR, Some(signature), body.as_bytes()).await;
        assert_eq!(answer.status, status, "{verifier:?} {signature}");
    }
}

#[tokio::test]
async fn debug_shows_no_secret_and_no_words() {
    let shown = |secret: &str| {
        let verifier = Verifier::new(&Secret::new(secret)).unwrap();
        let backend = Backend::separate(Arc::new(MemoryStore::new()), Arc::new(MemoryQueue::new()));
        let builder = Webhooks::builder(verifier, Intake::new(backend))
            .stored_secrets(Arc::new(MemoryVault::new()));
        let before = format!("{builder:?}{builder:#?}");
        let webhooks = builder.build();
        format!("{before}{webhooks:?}{webhooks:#?}")
    };
    assert!(!shown("canary-secret").contains("canary"));
    assert_eq!(shown("canary-secret"), shown("another-secret"));
}

#[tokio::test]
async fn a_secret_speaks_for_its_owners_creators_only() {
    let world = World::with_own_secrets().await;
    for (secret, url, account, status) in [
        (ZOES, DOOR.to_owned(), ZOES_ACCOUNT, 200),
        (ZOES_OLD, DOOR.to_owned(), ZOES_ACCOUNT, 200),
        (APP, DOOR.to_owned(), ZOES_ACCOUNT, 200),
        (ZOES, format!("{DOOR}/{ZOE}"), ZOES_ACCOUNT, 200),
        (APP, DOOR.to_owned(), MIAS_ACCOUNT, 200),
        (STORED, DOOR.to_owned(), MIAS_ACCOUNT, 200),
        (STORED, DOOR.to_owned(), ZOES_ACCOUNT, 200),
        (STORED, DOOR.to_owned(), NOBODYS_ACCOUNT, 200),
        (AGENCYS, DOOR.to_owned(), KIMS_ACCOUNT, 200),
        (
            AGENCYS,
            format!("{DOOR}?creatorId={KIM}"),
            KIMS_ACCOUNT,
            200,
        ),
        (AGENCYS, DOOR.to_owned(), MIAS_ACCOUNT, 401),
        (AGENCYS, DOOR.to_owned(), NOBODYS_ACCOUNT, 401),
        (
            AGENCYS,
            format!("{DOOR}?creatorId={MIA}"),
            KIMS_ACCOUNT,
            401,
        ),
        (ZOES, DOOR.to_owned(), MIAS_ACCOUNT, 401),
        (ZOES, DOOR.to_owned(), NOBODYS_ACCOUNT, 401),
        (ZOES, format!("{DOOR}/{ZOE}"), MIAS_ACCOUNT, 401),
        (ZOES, format!("{DOOR}/{MIA}"), ZOES_ACCOUNT, 401),
        ("", DOOR.to_owned(), NOBODYS_ACCOUNT, 401),
    ] {
        let body = message(account, 1).to_string();
        let signature = match secret {
            "" => format!("t={NOW},v0={}", "0".repeat(64)),
            secret => sign(secret, NOW, &body),
        };
        let answer = world.post(&url, Some(&signature), body.as_bytes()).await;
        assert_eq!(answer.status, status, "{secret} {url} {account}");
    }
    let stored = world.store.conversations();
    assert_eq!(stored.len(), 3);
    assert_eq!(world.webhooks.counters().unknown_creator, 1);
}

#[tokio::test]
async fn all_refusals_look_the_same_and_ask_the_same_of_store_and_vault() {
    let world = World::with_own_secrets().await;
    let body = |account| message(account, 1).to_string();
    let forged = format!("t={NOW},v0={}", "0".repeat(64));
    let mut seen = Vec::new();
    for (url, body) in [
        (DOOR.to_owned(), body(MIAS_ACCOUNT)),
        (DOOR.to_owned(), body(ZOES_ACCOUNT)),
        (DOOR.to_owned(), body(KIMS_ACCOUNT)),
        (DOOR.to_owned(), body(NOBODYS_ACCOUNT)),
        (format!("{DOOR}/{MIA}"), body(MIAS_ACCOUNT)),
        (format!("{DOOR}/{ZOE}"), body(MIAS_ACCOUNT)),
        (format!("{DOOR}/nobody"), body(MIAS_ACCOUNT)),
        (DOOR.to_owned(), "not json".to_owned()),
        (DOOR.to_owned(), String::new()),
    ] {
        let before = (world.plan.calls(), world.vault_plan.calls());
        let answer = world.post(&url, Some(&forged), body.as_bytes()).await;
        let asked = (
            world.plan.calls() - before.0,
            world.vault_plan.calls() - before.1,
        );
        let head: Vec<_> = answer
            .head
            .lines()
            .filter(|line| !line.starts_with("date:"))
            .map(str::to_owned)
            .collect();
        seen.push((answer.status, head, answer.body, asked));
    }
    assert_eq!(seen[0].0, 401);
    // The deployment's secrets, the creator's and the agency's, two each.
    assert_eq!(seen[0].3, (1, 6));
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

/// In virtual time, in which only waiting takes any: whoever is named, heard of before or not.
#[tokio::test(start_paused = true)]
async fn all_refusals_take_the_same_time_and_what_is_proved_takes_none() {
    let keep = |builder: WebhooksBuilder| builder.secret_cache(Duration::from_secs(60));
    let world = World::build(true, keep).await;
    let took = async |secret: &str, account: &str| {
        let body = message(account, 1).to_string();
        let request = Request::post(DOOR)
            .header("x-fanvue-signature", sign(secret, NOW, &body))
            .body(Body::from(body))
            .unwrap();
        let begun = tokio::time::Instant::now();
        let answer = world.webhooks.router().oneshot(request).await.unwrap();
        (answer.status().as_u16(), begun.elapsed())
    };
    // Zoe's secrets are remembered from here on.
    assert_eq!(took(ZOES, ZOES_ACCOUNT).await, (200, Duration::ZERO));
    for account in [
        MIAS_ACCOUNT,
        ZOES_ACCOUNT,
        KIMS_ACCOUNT,
        NOBODYS_ACCOUNT,
        NOBODYS_ACCOUNT,
    ] {
        let refused = (401, Duration::from_millis(50));
        assert_eq!(took("forged", account).await, refused, "{account}");
    }
}

#[tokio::test]
async fn proved_events_of_no_use_are_acknowledged_counted_and_dropped() {
    let world = World::start().await;
    let envelope = |kind: &str| json!({ "id": "evt-1", "type": kind, "data": { "creator": { "uuid": MIAS_ACCOUNT } } });
    for body in [
        envelope("creator.something.new"),
        json!({ "id": "evt-3", "type": "app.payment.succeeded", "data": {} }),
        json!({ "id": "evt-2", "type": "creator.message.received", "data": {} }),
        json!([]),
        json!("hello"),
        message(NOBODYS_ACCOUNT, 1),
    ] {
        assert_eq!(world.post_signed(DOOR, APP, &body).await, 200, "{body}");
    }
    let not_json = "{\"cut";
    let signature = sign(APP, NOW, not_json);
    assert_eq!(
        world
            .post(DOOR, Some(&signature), not_json.as_bytes())
            .await
            .status,
        200
    );
    assert_eq!(world.conversations(), 0);
    let counters = world.webhooks.counters();
    let dropped = [
        counters.ignored,
        counters.foreign,
        counters.unreadable,
        counters.unknown_creator,
    ];
    assert_eq!(dropped, [1, 1, 4, 1]);
}

#[tokio::test]
async fn a_store_that_fails_makes_the_sender_come_back_and_nothing_is_lost() {
    let world = World::start().await;
    let body = message(MIAS_ACCOUNT, 1).to_string();
    let signature = sign(APP, NOW, &body);
    for operation in [
        "Store::creator_by_account",
        "Store::conversation",
        "Store::commit",
    ] {
        world.plan.fail_next(operation, Fault::Before);
        let answer = world.post(DOOR, Some(&signature), body.as_bytes()).await;
        assert_eq!(answer.status, 503, "{operation}");
        assert!(answer.head.contains("retry-after: 5"), "{}", answer.head);
        assert_eq!(answer.body, "");
        assert_eq!(world.conversations(), 0);
    }
    world
        .plan
        .fail_next("Store::creator_by_account", Fault::Before);
    let url = format!("{DOOR}/{MIA}");
    assert_eq!(
        world
            .post(&url, Some(&signature), body.as_bytes())
            .await
            .status,
        503
    );
    // The answer of the commit is lost: not acknowledged, though stored; the next try finds it.
    world.plan.fail_next("Store::commit", Fault::After);
    assert_eq!(
        world
            .post(DOOR, Some(&signature), body.as_bytes())
            .await
            .status,
        503
    );
    assert_eq!(
        world
            .post(DOOR, Some(&signature), body.as_bytes())
            .await
            .status,
        200
    );
    assert_eq!(world.conversations(), 1);
    let counters = world.webhooks.counters();
    assert_eq!(
        [counters.unavailable, counters.stored, counters.duplicate],
        [5, 0, 1]
    );
}

#[tokio::test]
async fn a_store_that_hangs_is_given_up_on() {
    let world = World::with(|builder| builder.store_timeout(Duration::from_millis(100))).await;
    world.plan.fail_next("Store::commit", Fault::HangBefore);
    let body = message(MIAS_ACCOUNT, 1);
    assert_eq!(world.post_signed(DOOR, APP, &body).await, 503);
    assert_eq!(world.post_signed(DOOR, APP, &body).await, 200);
}

#[tokio::test]
async fn a_vault_that_fails_makes_the_sender_come_back() {
    let world = World::with_own_secrets().await;
    let body = message(ZOES_ACCOUNT, 1);
    world
        .vault_plan
        .fail_next("SecretVault::get", Fault::Before);
    assert_eq!(world.post_signed(DOOR, ZOES, &body).await, 503);
    assert_eq!(world.post_signed(DOOR, ZOES, &body).await, 200);
    // What the app signed needs no vault.
    world
        .vault_plan
        .fail_next("SecretVault::get", Fault::Before);
    assert_eq!(world.post_signed(DOOR, APP, &body).await, 200);
}

#[tokio::test]
async fn what_proved_an_event_is_remembered_and_a_refusal_is_always_looked_up() {
    let world = World::build(true, |builder| {
        builder.secret_cache(Duration::from_secs(60))
    })
    .await;
    let post = async |secret: &str, account: &str| {
        let before = world.vault_plan.calls();
        let body = message(account, 1);
        let status = world.post_signed(DOOR, secret, &body).await;
        (status, world.vault_plan.calls() - before)
    };
    // The deployment's secrets, once, and those of the account.
    assert_eq!(post("forged", NOBODYS_ACCOUNT).await, (401, 2 + 4));
    for asked in [4, 0, 0] {
        assert_eq!(post(ZOES, ZOES_ACCOUNT).await, (200, asked));
    }
    for account in [ZOES_ACCOUNT, NOBODYS_ACCOUNT, MIAS_ACCOUNT, KIMS_ACCOUNT] {
        for _ in 0..2 {
            assert_eq!(post("forged", account).await, (401, 4), "{account}");
        }
    }
}

#[tokio::test]
async fn url_checks_are_answered_and_other_methods_are_not() {
    let world = World::start().await;
    let mut client = Client::connect(world.address).await;
    for path in [
        DOOR.to_owned(),
        format!("{DOOR}/"),
        format!("{DOOR}/{MIA}"),
        format!("{DOOR}/nobody"),
    ] {
        let answer = client.get(&path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
    client
        .send(format!("DELETE {DOOR} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .await;
    assert_eq!(client.answer().await.status, 405);
    assert_eq!(client.get("/webhooks/fanvue/a/b").await.status, 404);
}

#[tokio::test]
async fn a_body_is_read_within_its_limits_only() {
    let world = World::with(|builder| {
        builder
            .body_limit(1_000)
            .read_timeout(Duration::from_millis(200))
    })
    .await;
    let big = vec![b' '; 1_001];
    assert_eq!(world.post(DOOR, None, &big).await.status, 413);

    let mut announced = Client::connect(world.address).await;
    announced
        .send(format!(
            "POST {DOOR} HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n"
        ))
        .await;
    assert_eq!(announced.answer().await.status, 413);

    let mut chunked = Client::connect(world.address).await;
    chunked
        .send(format!(
            "POST {DOOR} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        ))
        .await;
    for _ in 0..3 {
        let _ = chunked
            .try_send(format!("1f4\r\n{}\r\n", "x".repeat(500)))
            .await;
    }
    assert_eq!(chunked.answer().await.status, 413);

    let mut slow = Client::connect(world.address).await;
    slow.send(format!(
        "POST {DOOR} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc"
    ))
    .await;
    assert_eq!(slow.answer().await.status, 408);

    let fits = vec![b' '; 1_000];
    assert_eq!(world.post(DOOR, None, &fits).await.status, 401);
    let counters = world.webhooks.counters();
    assert_eq!([counters.too_large, counters.too_slow], [3, 1]);
}

#[tokio::test]
async fn nothing_of_a_request_comes_back() {
    let world = World::start().await;
    let marker = "reflect-me";
    for (path, signature, body) in [
        (
            format!("{DOOR}/{marker}"),
            marker.to_owned(),
            marker.to_owned(),
        ),
        (
            format!("{DOOR}?creatorId={marker}"),
            sign(APP, NOW, marker),
            marker.to_owned(),
        ),
        (
            format!("{DOOR}/{marker}%"),
            sign(APP, NOW, "{}"),
            "{}".to_owned(),
        ),
        (format!("/{marker}"), marker.to_owned(), marker.to_owned()),
    ] {
        let answer = world.post(&path, Some(&signature), body.as_bytes()).await;
        assert!(
            !answer.head.contains(marker) && answer.body.is_empty(),
            "{answer:?}"
        );
    }
    let shown = format!("{:?}", world.webhooks);
    assert!(!shown.contains(APP), "{shown}");
}

#[tokio::test]
async fn the_same_event_from_many_at_once_is_stored_once() {
    let world = Arc::new(World::start().await);
    let body = message(MIAS_ACCOUNT, 1).to_string();
    let signature = sign(APP, NOW, &body);
    let posts: Vec<_> = (0..32)
        .map(|_| {
            let (world, signature, body) = (Arc::clone(&world), signature.clone(), body.clone());
            tokio::spawn(async move {
                world
                    .post(DOOR, Some(&signature), body.as_bytes())
                    .await
                    .status
            })
        })
        .collect();
    for post in posts {
        assert_eq!(post.await.unwrap(), 200);
    }
    let counters = world.webhooks.counters();
    assert_eq!([counters.stored, counters.duplicate], [1, 31]);
}

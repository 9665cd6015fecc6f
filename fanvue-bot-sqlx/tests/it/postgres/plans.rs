//! How the server finds the rows that operations need, as the tables grow.
//!
//! `PLAN_ROWS=1000000` adds a size to the two that are always looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fanvue_bot_core::admin::{AdminQueries as _, DecisionsOf, TimeSpan};
use fanvue_bot_core::backend::CommitAndEnqueue as _;
use fanvue_bot_core::broadcast::{Broadcast, Broadcasts as _, Segment, Standing, Template};
use fanvue_bot_core::client::{FanList, SmartList};
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::decision::{Decision, Outcome, Reason};
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::id::{AccountId, BroadcastId, ConversationId, FanId};
use fanvue_bot_core::inbox::{Inbox as _, KeptEvent};
use fanvue_bot_core::message::Content;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, FailureNote, JobQueue as _, WorkerId};
use fanvue_bot_core::secret::{
    Keyring, MasterKey, Rewrap as _, Rewrapped, Secret, SecretId, SecretKind, SecretVault as _,
};
use fanvue_bot_core::store::{
    ContentUpdate, Erased, HolderId, LeaseName, RegisterName, Store as _,
};
use fanvue_bot_core::time::Timestamp;
use fanvue_bot_sqlx::{PostgresBackend, PostgresVault, QueueSettings};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::explained::{Access, Explained, explain, listen};
use super::server::{empty, run};
use crate::given::{at, change, conversation_id, job, message, message_id, transaction};

const LEASE: Duration = Duration::from_secs(600);

/// The creator of whom everything is read; beside it there are others.
const CREATOR: u128 = 1;
const CREATORS: u64 = 100;

/// The tables that grow.
const GROWING: [&str; 12] = [
    "broadcasts",
    "conversations",
    "creators",
    "dead_letters",
    "fans",
    "inbox",
    "job_keys",
    "jobs",
    "messages",
    "recipients",
    "secrets",
    "transactions",
];

/// The planner prefers a plan of its own to one for each call after so many calls on a connection.
const CALLS: u128 = 6;

/// What a statement may cost beside twice of what it costs when the tables are small: an index of a million rows is
/// deeper by a level or two for each row that is looked up.
const FEW_PAGES: u64 = 20;

/// The change of the master key counts all secrets, and nothing else reads a whole table.
const ALL_SECRETS: &str = "count(*) FROM fanvue_bot.secrets";

#[tokio::test]
async fn no_statement_costs_more_as_the_tables_grow() {
    let Some(database) = empty("plans").await else {
        return;
    };
    explain(&database).await;
    let (plans, _guard) = listen();
    // One connection, which has plans from when the tables were small.
    let backend = PostgresBackend::builder(database.address())
        .max_connections(1)
        .queue(impatient())
        .open()
        .await
        .unwrap();
    let mut admin = database.connect_as_admin().await;
    // Statistics of empty tables are the worst to plan by. They stay until they are taken anew here.
    for table in GROWING {
        run(
            &mut admin,
            format!("ALTER TABLE fanvue_bot.{table} SET (autovacuum_enabled = off); ANALYZE fanvue_bot.{table}"),
        )
        .await;
    }

    let mut sizes = vec![1_000, 100_000];
    sizes.extend(
        std::env::var("PLAN_ROWS")
            .ok()
            .map(|rows| rows.parse::<u64>().unwrap()),
    );
    let mut seen: Vec<(String, BTreeMap<String, Cost>)> = Vec::new();
    let (mut filled, mut number) = (0, 0);
    for size in sizes {
        fill(&mut admin, filled, size).await;
        filled = size;
        for statistics in ["of before", "of now"] {
            if statistics == "of now" {
                run(&mut admin, "ANALYZE".to_owned()).await;
            }
            for call in 0..=CALLS {
                number += 1;
                everything(&backend, number).await;
                // The first reads the catalogue too.
                if call == 0 {
                    plans.take();
                }
            }
            let when = format!("{size} rows, statistics {statistics}");
            seen.push((when, costs(plans.take())));
        }
    }
    backend.close().await;

    print(&seen);
    let (_, first) = &seen[1];
    covers_every_function(&mut admin, first).await;
    let mut faults = Vec::new();
    for (when, costs) in &seen {
        for (text, cost) in costs {
            let most = first.get(text).map_or(0, |small| small.most_for(cost.rows)) + FEW_PAGES;
            if cost.reads_whole_table() && !text.contains(ALL_SECRETS) {
                faults.push(format!(
                    "{when}: reads a whole table: {:?}: {text}",
                    cost.accesses
                ));
            }
            if cost.pages > most && !text.contains(ALL_SECRETS) {
                faults.push(format!(
                    "{when}: {} pages instead of {most}: {text}",
                    cost.pages
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn dead_rows_cost_a_claim_nothing_while_a_snapshot_holds_them() {
    let Some(database) = empty("dead").await else {
        return;
    };
    explain(&database).await;
    let (plans, _guard) = listen();
    let backend = PostgresBackend::builder(database.address())
        .max_connections(1)
        .open()
        .await
        .unwrap();
    let mut admin = database.connect_as_admin().await;
    let mut holder = database.connect_as_admin().await;
    run(
        &mut holder,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM fanvue_bot.jobs".to_owned(),
    )
    .await;
    fill(&mut admin, 0, 20_000).await;
    run(&mut admin, "DELETE FROM fanvue_bot.jobs".to_owned()).await;

    let worker = WorkerId::new("worker");
    assert_eq!(
        backend
            .claim(&worker, &ClaimLimits::lanes(5), at(0), LEASE)
            .await
            .unwrap(),
        []
    );
    // A connection reads the catalogue when it claims first.
    for number in 0..3 {
        let id = conversation_id(CREATOR, number);
        backend
            .enqueue(&[job(id, &format!("lives {number}"), 0)])
            .await
            .unwrap();
        plans.take();
        let lanes = backend
            .claim(&worker, &ClaimLimits::lanes(5), at(0), LEASE)
            .await
            .unwrap();
        assert_eq!(lanes.len(), 1);
    }
    let told = plans.take();
    let calls = told.iter().filter(|plan| plan.is_call());
    let pages: u64 = calls.map(Explained::pages).sum();
    assert!(pages < 200, "{pages} pages for one job");
}

#[tokio::test]
async fn who_finds_nothing_and_waits_asks_the_server_once_each_time() {
    let Some(database) = empty("idle").await else {
        return;
    };
    explain(&database).await;
    let (plans, _guard) = listen();
    let backend = PostgresBackend::builder(database.address())
        .queue(impatient())
        .open()
        .await
        .unwrap();
    let worker = WorkerId::new("worker");
    let mut later = job(conversation_id(CREATOR, 1), "later", 0);
    later.due = at(1_000);
    backend.enqueue(&[later]).await.unwrap();
    plans.take();
    for _ in 0..10 {
        assert_eq!(
            backend
                .claim(&worker, &ClaimLimits::lanes(5), at(0), LEASE)
                .await
                .unwrap(),
            []
        );
        backend.ready().await.unwrap();
    }
    let calls: Vec<String> = plans
        .take()
        .into_iter()
        .filter(|plan| plan.is_call() && !plan.text.contains("pg_notify"))
        .map(|plan| plan.text)
        .collect();
    let claims = calls
        .iter()
        .filter(|text| text.contains("fanvue_bot.claim("))
        .count();
    assert_eq!(claims, 10, "{calls:#?}");
    // Upkeep is due every ten seconds of the callers' time.
    assert_eq!(calls.len(), 11, "{calls:#?}");
}

/// Polls at once, so that a wait ends.
fn impatient() -> QueueSettings {
    let mut settings = QueueSettings::default();
    settings.poll_interval = Duration::from_millis(1);
    settings
}

/// Prints how many pages each statement looked at, at each size, and how it finds its rows.
fn print(seen: &[(String, BTreeMap<String, Cost>)]) {
    let (_, last) = &seen[seen.len() - 1];
    for (text, cost) in last {
        let pages: Vec<_> = seen
            .iter()
            .map(|(_, costs)| costs.get(text).map_or(0, |cost| cost.pages))
            .collect();
        let how: Vec<_> = cost.accesses.iter().map(|access| &access.how).collect();
        let text: String = text.chars().take(100).collect();
        eprintln!("{pages:?} pages: {text}: {how:?}");
    }
}

/// What a statement cost at most, and all ways that it took.
#[derive(Debug, Default)]
struct Cost {
    pages: u64,
    /// How many rows came of the call that cost so much.
    rows: u64,
    accesses: BTreeSet<Access>,
}

impl Cost {
    /// Twice of this, for each row as for each of these: how many jobs the claimed lanes have is by chance.
    fn most_for(&self, rows: u64) -> u64 {
        2 * self.pages * rows.max(1).div_ceil(self.rows.max(1))
    }

    fn reads_whole_table(&self) -> bool {
        let growing = |access: &Access| GROWING.contains(&access.table.as_str());
        self.accesses
            .iter()
            .any(|access| growing(access) && access.how == "Seq Scan")
    }
}

fn costs(plans: Vec<Explained>) -> BTreeMap<String, Cost> {
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    for plan in plans {
        let cost = costs.entry(plan.text.clone()).or_default();
        (cost.pages, cost.rows) = (cost.pages, cost.rows).max((plan.pages(), plan.rows()));
        cost.accesses.extend(plan.accesses());
    }
    costs
}

/// Fails if the schema has a function that [`everything`] does not call. Triggers are part of what sets them off.
async fn covers_every_function(admin: &mut PgConnection, seen: &BTreeMap<String, Cost>) {
    let rows = sqlx::query(
        "SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'fanvue_bot'::regnamespace \
         AND prorettype <> 'trigger'::regtype",
    )
    .fetch_all(admin)
    .await
    .unwrap();
    for row in rows {
        let call = format!("fanvue_bot.{}(", row.get::<String, _>(0));
        assert!(
            seen.keys().any(|text| text.contains(&call)),
            "nothing here calls {call}..): add what does to `everything`"
        );
    }
}

/// Adds jobs, messages and keys of ended jobs until there are so many of each; of everything else fewer.
async fn fill(admin: &mut PgConnection, from: u64, to: u64) {
    let creator = format!("lpad(to_hex(n % {CREATORS} + 1), 32, '0')::uuid");
    let fan = "lpad(to_hex(n / 10 + 1000000), 32, '0')::uuid";
    let id = "gen_random_uuid()";
    let kind = serde_json::to_string(&job(conversation_id(1, 1), "", 0).kind).unwrap();
    let (due, range) = (
        at(-5_000).as_micros(),
        format!("generate_series({from}, {to} - 1) AS n"),
    );
    let late = at(1_000_000_000).as_micros();
    let decision = serde_json::to_string(&Outcome::OptedOut).unwrap();
    for statement in [
        format!(
            "INSERT INTO fanvue_bot.creators (creator_id, revision, profile) \
             SELECT gen_random_uuid(), 1, '' FROM {range} WHERE n % 10 = 0"
        ),
        format!(
            "INSERT INTO fanvue_bot.secrets (creator_id, kind, revision, sealed) \
             SELECT gen_random_uuid(), 'token_set', 1, '\\x00' FROM {range} WHERE n % 100 = 0"
        ),
        format!(
            "INSERT INTO fanvue_bot.conversations (creator_id, fan_id, revision, wake_at, state) \
             SELECT DISTINCT ON (1, 2) {creator}, {fan}, 1, {due} + n, '{{}}' FROM {range}"
        ),
        format!(
            "INSERT INTO fanvue_bot.fans (creator_id, fan_id, handle) \
             SELECT DISTINCT {creator}, {fan}, 'fan' FROM {range}"
        ),
        format!(
            "INSERT INTO fanvue_bot.messages \
                (creator_id, fan_id, id, sent_at, stored_at, author, kind, text, has_media, fetched, outcome, \
                decision, decided_at) \
             SELECT {creator}, {fan}, {id}, {due} + n, {due} + n, 'fan', 'SINGLE_RECIPIENT', 'hello', false, true, \
                'opted_out', '{decision}', {due} + n \
             FROM {range}"
        ),
        format!(
            "INSERT INTO fanvue_bot.transactions (creator_id, fan_id, id, kind, telling, at, stored_at) \
             SELECT {creator}, {fan}, {id}, 'tip', 'payment', {due} + n, {due} + n FROM {range}"
        ),
        format!(
            "INSERT INTO fanvue_bot.broadcasts (creator_id, id, revision, created_at, due_at, broadcast) \
             SELECT DISTINCT ON (1, 2) {creator}, {fan}, 1, {due} + n, {due} + n, '' FROM {range}"
        ),
        format!(
            "INSERT INTO fanvue_bot.recipients (creator_id, broadcast_id, fan_id, standing) \
             SELECT DISTINCT {creator}, {fan}, {id}, 'waiting' FROM {range}"
        ),
        format!(
            "INSERT INTO fanvue_bot.inbox (creator_id, seq, fan_id, received_at, body) \
             SELECT {creator}, nextval('fanvue_bot.inbox_seq'), {fan}, {due} + n, '{{}}' FROM {range}"
        ),
        format!(
            "INSERT INTO fanvue_bot.job_keys (creator_id, idempotency_key, expires_at) \
             SELECT {creator}, 'ended ' || n, {late} + n FROM {range}"
        ),
        format!(
            "INSERT INTO fanvue_bot.jobs \
                (seq, creator_id, lane, id, due_at, priority, idempotency_key, kind) \
             SELECT s.seq, {creator}, {fan}, \
                ('000000000001' || '7000' || to_hex(s.seq | (-9223372036854775808)))::uuid, {due} + n, n % 3, \
                'waiting ' || n, '{kind}' \
             FROM {range}, LATERAL (SELECT nextval('fanvue_bot.jobs_seq') + n * 0 AS seq) AS s"
        ),
    ] {
        run(admin, statement).await;
    }
}

/// Does everything that the back end can do, on a conversation of its own.
async fn everything(backend: &PostgresBackend, number: u128) {
    store(backend, conversation_id(CREATOR, number)).await;
    vault(backend, number).await;
    erase(backend, number).await;
    erase_creator(backend, number).await;
    queue(backend, number).await;
    inbox(backend, conversation_id(CREATOR, number)).await;
    broadcasts(backend, conversation_id(CREATOR, number)).await;
}

async fn broadcasts(backend: &PostgresBackend, id: ConversationId) {
    let lists = [FanList::Smart(SmartList::Subscribers)];
    let (name, creator) = (BroadcastId::from_uuid(id.fan.as_uuid()), id.creator);
    let made = Broadcast::new(
        name,
        creator,
        Template::text("hi"),
        Segment::of(lists),
        at(0),
    );
    backend.put_broadcast(&made, None).await.unwrap();
    let stored = backend.broadcast(creator, name).await.unwrap().unwrap();
    let revision = Some(stored.revision);
    backend.put_broadcast(&made, revision).await.unwrap();
    assert!(!backend.due_broadcasts(at(0), 5).await.unwrap().is_empty());
    let first = PageRequest::first(1);
    backend.broadcasts(creator, &first).await.unwrap();
    let (waiting, placed) = (Standing::Waiting, Standing::Placed);
    let other = FanId::from_uuid(name.as_uuid());
    for _ in 0..2 {
        let fans = [id.fan, other].map(FanProfile::new);
        backend.add_recipients(creator, name, &fans).await.unwrap();
    }
    let fans = [id.fan];
    let names = backend.recipient_names(creator, name, &fans).await;
    assert_eq!(names.unwrap().len(), 0);
    backend
        .move_recipients(creator, name, &fans, waiting, placed)
        .await
        .unwrap();
    for after in [None, Some(FanId::from_uuid(Uuid::nil()))] {
        let listed = backend.recipients(creator, name, placed, after, 5).await;
        assert_eq!(listed.unwrap(), fans);
    }
    backend.recipient_counts(creator, name).await.unwrap();
    for after in [None, Some(BroadcastId::from_uuid(Uuid::nil()))] {
        let listed = backend.broadcasts_to(id, after, 5).await.unwrap();
        assert_eq!(listed.len(), 1);
    }
    backend.clear_gathered(creator, name).await.unwrap();
    backend.forget_recipient(id).await.unwrap();
}

async fn inbox(backend: &PostgresBackend, id: ConversationId) {
    for _ in 0..2 {
        let event = KeptEvent {
            conversation: id,
            received_at: at(0),
            topic: None,
            event_id: None,
            body: Box::default(),
        };
        backend.keep(event).await.unwrap();
    }
    assert_eq!(backend.waiting(at(0), 40).await.unwrap().len(), 40);
    let kept = backend.waiting_of(id, 10).await.unwrap();
    assert_eq!(kept.len(), 2);
    backend.put_off(kept[0].id, at(1_000_000)).await.unwrap();
    backend.settle(&[kept[1].id]).await.unwrap();
}

async fn store(backend: &PostgresBackend, id: ConversationId) {
    let account = AccountId::from_uuid(id.fan.as_uuid());
    let creator = Creator::new(id.creator, Persona::named("Mia")).account(account);
    let known = backend.creator(id.creator).await.unwrap();
    let expected = known.map(|known| known.revision);
    backend.commit(&creator.into(), expected).await.unwrap();
    assert!(backend.creator_by_account(account).await.unwrap().is_some());

    // As an accepted webhook, twice.
    let number = 10 * id.fan.as_uuid().as_u128();
    let mut revision = None;
    for number in [number, number + 1] {
        let mut change = change(id);
        change.messages.push(message(id, number, 0));
        change.fan = Some(FanProfile::new(id.fan));
        let follows = job(id, &format!("follows {number}"), 0);
        let made = backend
            .commit_and_enqueue(&change.into(), revision, &[follows])
            .await;
        revision = Some(made.unwrap());
    }
    // As a worker's turn.
    let mut change = change(id);
    change.contents.push(ContentUpdate {
        message: message_id(number),
        content: Content::text("hello again"),
        tokens: None,
    });
    let decision = Decision::new(Outcome::OptedOut, at(0));
    change.decisions.push((message_id(number), decision));
    change.deletions.push((message_id(number + 1), at(1)));
    backend.commit(&change.into(), revision).await.unwrap();

    for of in [
        DecisionsOf::Fan(id),
        DecisionsOf::Creator(id.creator),
        DecisionsOf::Reason(id.creator, Reason::OptedOut),
    ] {
        let mut page = PageRequest::first(1);
        for _ in 0..2 {
            let listed = backend.decisions(of, &page).await.unwrap();
            assert_eq!(listed.items.len(), 1);
            match listed.next {
                Some(next) => page = PageRequest::after(1, next),
                None => break,
            }
        }
    }
    // A span that nothing was decided in before.
    let span = TimeSpan::new(at(0), at(1));
    let counts = backend.decision_counts(id.creator, span).await.unwrap();
    assert_eq!(counts[0].0, Reason::OptedOut);

    assert!(backend.conversation(id).await.unwrap().is_some());
    assert!(backend.fan(id).await.unwrap().is_some());
    assert!(
        backend
            .message(id, message_id(number))
            .await
            .unwrap()
            .is_some()
    );
    let first = backend.messages(id, &PageRequest::first(1)).await.unwrap();
    let next = PageRequest::after(1, first.next.unwrap());
    assert_eq!(backend.messages(id, &next).await.unwrap().items.len(), 1);
    paid(backend, id).await;
    for of in [None, Some(id.creator)] {
        let first = backend
            .due(of, at(0), &PageRequest::first(5))
            .await
            .unwrap();
        let next = PageRequest::after(5, first.next.unwrap());
        assert_eq!(backend.due(of, at(0), &next).await.unwrap().items.len(), 5);
    }

    for after in [None, Some(id.creator)] {
        assert_eq!(backend.creator_ids(after, 5).await.unwrap().len(), 5);
    }

    let register = RegisterName::new("level");
    let known = backend.register(&register).await.unwrap();
    let expected = known.map(|known| known.revision);
    backend
        .set_register(&register, "1", expected)
        .await
        .unwrap();

    let (name, holder) = (LeaseName::new("sweep"), HolderId::new("holder"));
    let lease = backend
        .acquire_lease(&name, &holder, at(0), LEASE)
        .await
        .unwrap();
    backend.release_lease(lease.unwrap()).await.unwrap();
}

async fn paid(backend: &PostgresBackend, id: ConversationId) {
    let number = 10 * id.fan.as_uuid().as_u128();
    let stored = backend.conversation(id).await.unwrap().unwrap();
    let mut change = change(id);
    change.transactions = vec![transaction(id, number), transaction(id, number + 1)];
    let known = change.transactions[0].id;
    backend
        .commit(&change.into(), Some(stored.revision))
        .await
        .unwrap();
    assert!(backend.transaction(id, known).await.unwrap().is_some());
    let first = PageRequest::first(1);
    let first = backend.transactions(id, &first).await.unwrap();
    let next = PageRequest::after(1, first.next.unwrap());
    let second = backend.transactions(id, &next).await.unwrap();
    assert_eq!(second.items.len(), 1);
}

/// Erases a conversation of its own, in parts, with jobs that wait and one that was given up.
async fn erase(backend: &PostgresBackend, number: u128) {
    let id = conversation_id(CREATOR, 1_000_000_000 + number);
    let mut change = change(id);
    change.fan = Some(FanProfile::new(id.fan));
    for each in 0..3 {
        change.messages.push(message(id, 10 * number + each, 0));
        let paid = transaction(id, 10 * number + each);
        change.transactions.push(paid);
    }
    let jobs = [1, 2].map(|each| job(id, &format!("erased {number} {each}"), 1_000));
    backend
        .commit_and_enqueue(&change.into(), None, &jobs)
        .await
        .unwrap();
    let lane = id.into();
    let first = backend.jobs(&lane, &PageRequest::first(1)).await.unwrap();
    let next = PageRequest::after(1, first.next.unwrap());
    assert_eq!(backend.jobs(&lane, &next).await.unwrap().items.len(), 1);
    backend.erase_lane(&lane).await.unwrap();
    assert_eq!(backend.erase(id, at(1), 2).await.unwrap(), Erased::Some);
    assert_eq!(backend.erase(id, at(1), 2).await.unwrap(), Erased::All);
}

/// Erases a creator of its own, in parts.
async fn erase_creator(backend: &PostgresBackend, number: u128) {
    let id = conversation_id(1_000_000_000 + number, 1);
    let creator = id.creator;
    let mia = Creator::new(creator, Persona::named("Mia"));
    backend.commit(&mia.into(), None).await.unwrap();
    let mut change = change(id);
    change.fan = Some(FanProfile::new(id.fan));
    for each in 0..3 {
        change.messages.push(message(id, 10 * number + each, 0));
        let paid = transaction(id, 10 * number + each);
        change.transactions.push(paid);
    }
    let jobs = [1, 2].map(|each| job(id, &format!("erased {number} {each}"), 1_000));
    backend
        .commit_and_enqueue(&change.into(), None, &jobs)
        .await
        .unwrap();
    let broadcast = BroadcastId::from_uuid(id.fan.as_uuid());
    let made = Broadcast::new(
        broadcast,
        creator,
        Template::text("hi"),
        Segment::of([FanList::Smart(SmartList::Subscribers)]),
        at(0),
    );
    backend.put_broadcast(&made, None).await.unwrap();
    let fans = [FanProfile::new(id.fan)];
    let added = backend.add_recipients(creator, broadcast, &fans).await;
    added.unwrap();

    backend.mark_erased(creator).await.unwrap();
    while backend.erase_creator(creator, 2).await.unwrap() == Erased::Some {}
    while backend.erase_lanes_of(creator, 1).await.unwrap() == Erased::Some {}
    while backend.erase_broadcasts_of(creator, 1).await.unwrap() == Erased::Some {}
    assert_eq!(backend.conversation(id).await.unwrap(), None);
}

async fn vault(backend: &PostgresBackend, number: u128) {
    let key = MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap();
    let vault = PostgresVault::new(backend.clone(), Keyring::new(key));
    let creator = conversation_id(number, 1).creator;
    for id in [
        SecretId::of_creator(creator, SecretKind::TokenSet),
        SecretId::of_deployment(SecretKind::ClientSecret),
    ] {
        let first = vault.put(&id, &Secret::new("one"), None).await.unwrap();
        let second = vault
            .put(&id, &Secret::new("two"), Some(first))
            .await
            .unwrap();
        assert!(vault.get(&id).await.unwrap().is_some());
        vault.delete(&id, second).await.unwrap();
    }
    let id = SecretId::of_creator(creator, SecretKind::TokenSet);
    vault.put(&id, &Secret::new("one"), None).await.unwrap();
    let next = MasterKey::from_bytes(b"fedcba9876543210fedcba9876543210").unwrap();
    let old = MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap();
    let ring = Keyring::builder(next).other(old).build().unwrap();
    let both = PostgresVault::new(backend.clone(), ring);
    assert_eq!(both.rewrap(&id).await.unwrap(), Rewrapped::Done);
    both.count_under_other_keys().await.unwrap();
    let mut request = PageRequest::first(10);
    for _ in 0..2 {
        let page = both.under_other_keys(&request).await.unwrap();
        match page.next {
            Some(cursor) => request = PageRequest::after(10, cursor),
            None => break,
        }
    }
}

async fn queue(backend: &PostgresBackend, number: u128) {
    let worker = WorkerId::new("worker");
    let id = conversation_id(CREATOR, number);
    let jobs: Vec<_> = (0..3)
        .map(|each| job(id, &format!("{number} {each}"), -10_000))
        .collect();
    backend.enqueue(&jobs).await.unwrap();
    backend.enqueue(&jobs).await.unwrap();

    // So that upkeep is due each time.
    let now = at(i64::try_from(number).unwrap() * 20);
    let mut lanes = backend
        .claim(&worker, &ClaimLimits::lanes(20), now, LEASE)
        .await
        .unwrap();
    assert_eq!(lanes.len(), 20);
    let others = ClaimLimits::lanes(5).of_one_creator(2).except([id.creator]);
    let mut of_others = backend.claim(&worker, &others, now, LEASE).await.unwrap();
    assert_eq!(of_others.len(), 5);
    lanes.append(&mut of_others);
    let everybody = (0..=u128::from(CREATORS)).map(|number| conversation_id(number, 1).creator);
    let nobody = ClaimLimits::lanes(5).except(everybody);
    assert_eq!(
        backend.claim(&worker, &nobody, now, LEASE).await.unwrap(),
        []
    );
    let claims: Vec<_> = lanes
        .into_iter()
        .flat_map(|lane| lane.jobs)
        .map(|job| job.claim)
        .collect();
    let mut held = backend.extend(&claims, now, LEASE).await.unwrap();
    assert_eq!(held.len(), claims.len());
    let note = FailureNote::new("tired");
    backend
        .reschedule(held.pop().unwrap(), at(1_000_000), &note)
        .await
        .unwrap();
    backend
        .dead_letter(held.pop().unwrap(), now, &note)
        .await
        .unwrap();
    backend.complete(held, now).await.unwrap();

    // Nothing was due yet then, so there is only to wait for.
    let before = Timestamp::from_seconds(0);
    assert_eq!(
        backend
            .claim(&worker, &ClaimLimits::lanes(20), before, LEASE)
            .await
            .unwrap(),
        []
    );
    backend.ready().await.unwrap();
}

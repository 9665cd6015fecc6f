//! A fan or a creator who was erased is in no file of the database and in no row, plain or encoded.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use fanvue_bot_core::broadcast::{Broadcast, Broadcasts, Segment, Template};
use fanvue_bot_core::ceiling::Ceiling;
use fanvue_bot_core::client::{FanList, SmartList};
use fanvue_bot_core::conversation::{Clearance, Conversation, Phase, Purpose, Reply, Turn};
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::decision::{Decision, Outcome};
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::fan::FanProfile;
use fanvue_bot_core::flow::{Context, Input, Timing, step};
use fanvue_bot_core::id::{BroadcastId, ConversationId, CreatorId, FanId, MessageId, TurnId};
use fanvue_bot_core::ledger::Reference;
use fanvue_bot_core::message::Content;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{
    ClaimLimits, FailureNote, IdempotencyKey, JobQueue, NewJob, WorkerId,
};
use fanvue_bot_core::store::{ConversationChange, Erased, Store};
use fanvue_bot_sqlx::{PostgresBackend, SqliteBackend};
use sqlx::Row as _;
use uuid::Uuid;

use crate::given::{Db, at, conversation_id, db, message, transaction};
use crate::postgres::server::fresh;

const CANARY: &str = "Canary-7f3a-words";
/// Ids of the fan's messages end in this and a number.
const MESSAGES: u128 = 0xc0ff_ee00_0000_4000_8000_1234_0000_0000;
const LEASE: Duration = Duration::from_secs(60);

/// What must not be found: the words in any encoding that a column, JSON or a log might have them in, and the ids
/// of the messages as bytes and as text.
fn canaries() -> Vec<Vec<u8>> {
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let utf16 = CANARY.encode_utf16();
    let mut all = vec![
        CANARY.into(),
        CANARY.to_uppercase().into(),
        hex.to_uppercase().into(),
        hex.into(),
        CANARY.chars().rev().collect::<String>().into(),
        utf16.clone().flat_map(u16::to_le_bytes).collect(),
        utf16.flat_map(u16::to_be_bytes).collect(),
    ];
    // Whatever stands before it: three alignments, without the characters that neighbors have a part in.
    for before in 0..3 {
        let text = format!("{}{CANARY}", "x".repeat(before));
        let encoded = BASE64.encode(text);
        all.push(encoded[4..encoded.len() - 4].into());
    }
    for number in 1..=40 {
        let id = Uuid::from_u128(MESSAGES + number);
        all.push(id.as_bytes().to_vec());
        all.push(id.simple().to_string().into());
        all.push(id.to_string().into());
    }
    all
}

fn found_in(bytes: &[u8]) -> Vec<String> {
    let found = |canary: &Vec<u8>| bytes.windows(canary.len()).any(|part| part == *canary);
    let all = canaries();
    let all = all.iter().filter(|canary| found(canary));
    all.map(|canary| String::from_utf8_lossy(canary).into_owned())
        .collect()
}

fn creator(id: ConversationId) -> Creator {
    Creator::new(id.creator, Persona::named("Mia"))
}

/// A life: words, names, a draft, a decision with a cause, a job that failed, one that was given up, one that waits.
async fn live<B: Store + JobQueue>(backend: &B, id: ConversationId) {
    backend.commit(&creator(id).into(), None).await.unwrap();
    let mut state = Conversation::new(id, Seed::new(3));
    let reply = Reply::new(format!("a draft with {CANARY}"));
    state.turn = Some(Turn {
        id: TurnId::new(4),
        seed: Seed::new(1),
        draft: 1,
        clearance: Clearance::Automatic,
        purpose: Purpose::Answer,
        phase: Phase::AwaitingApproval {
            reply,
            until: at(1_000_000),
        },
    });
    state.last_turn = TurnId::new(4);
    let mut change = ConversationChange::new(state);
    let mut profile = FanProfile::new(id.fan);
    profile.handle = Some(CANARY.to_lowercase().into());
    profile.display_name = Some(CANARY.into());
    profile.nickname = Some(CANARY.to_uppercase().into());
    change.fan = Some(profile);
    for number in 1..=40_u32 {
        let seconds = i64::from(number);
        let mut row = message(id, MESSAGES + u128::from(number), seconds);
        let length = usize::try_from(number * number * 8).unwrap();
        row.content = Content::text(CANARY.repeat(length / CANARY.len() + 1));
        let cause = format!("{CANARY} was refused").into();
        row.decision = Some(Decision::new(Outcome::Failed { cause }, at(seconds)));
        change.messages.push(row);
    }
    for number in 1..=40 {
        let mut paid = transaction(id, MESSAGES + number);
        paid.message = Some(MessageId::from_uuid(Uuid::from_u128(MESSAGES + number)));
        paid.reference = Some(Reference::new(format!("{CANARY} {number}")));
        change.transactions.push(paid);
    }
    backend.commit(&change.into(), None).await.unwrap();

    let lane = id.into();
    let note = FailureNote::new(format!("no answer to {CANARY}"));
    for (number, due) in [(1_u128, 0), (2, 1), (3, 1_000)] {
        let name = format!("in/{}", Uuid::from_u128(MESSAGES + number));
        let key = IdempotencyKey::in_lane(&lane, &name);
        backend
            .enqueue(&[NewJob::wake(id, at(due), key)])
            .await
            .unwrap();
    }
    let lanes = backend
        .claim(&WorkerId::new("w"), &ClaimLimits::lanes(1), at(2), LEASE)
        .await
        .unwrap();
    let mut claims = lanes.into_iter().flat_map(|lane| lane.jobs);
    let first = claims.next().unwrap().claim;
    backend.dead_letter(first, at(2), &note).await.unwrap();
    let second = claims.next().unwrap().claim;
    backend.reschedule(second, at(500), &note).await.unwrap();
}

/// As the engine does it: the mark, the rows some at a time, the queue, the end.
async fn erase<B: Store + JobQueue>(backend: &B, id: ConversationId) {
    let mia = creator(id);
    let context = Context {
        now: at(100),
        seed: Seed::new(9),
        creator: &mia,
        timing: Timing::default(),
        ceiling: Ceiling::none(),
    };
    for input in [Input::Erase, Input::Erased { through: at(100) }] {
        if matches!(input, Input::Erased { .. }) {
            while backend.erase(id, at(100), 7).await.unwrap() == Erased::Some {}
            backend.erase_lane(&id.into()).await.unwrap();
        }
        let stored = backend.conversation(id).await.unwrap().unwrap();
        let next = step(&stored.value, input, &context).next;
        let change = ConversationChange::new(next).into();
        backend
            .commit(&change, Some(stored.revision))
            .await
            .unwrap();
    }
    let stored = backend.conversation(id).await.unwrap().unwrap();
    assert!(stored.value.erasure.unwrap().finished_at.is_some());
}

/// The creator's own words too: persona, a broadcast, what its recipients go by.
async fn live_as_creator<B: Store + JobQueue + Broadcasts>(backend: &B, id: ConversationId) {
    live(backend, id).await;
    let stored = backend.creator(id.creator).await.unwrap().unwrap();
    let mut mia = stored.value;
    mia.persona = Persona::named(CANARY).biography(CANARY.repeat(50));
    let change = mia.into();
    backend
        .commit(&change, Some(stored.revision))
        .await
        .unwrap();
    let broadcast = BroadcastId::from_uuid(Uuid::from_u128(MESSAGES + 1));
    let segment = Segment::of([FanList::Smart(SmartList::Subscribers)]);
    let template = Template::text(CANARY);
    let made = Broadcast::new(broadcast, id.creator, template, segment, at(0));
    backend.put_broadcast(&made, None).await.unwrap();
    let mut fans = Vec::new();
    for number in 1..=20 {
        let mut fan = FanProfile::new(FanId::from_uuid(Uuid::from_u128(MESSAGES + number)));
        fan.display_name = Some(CANARY.into());
        fans.push(fan);
    }
    let added = backend.add_recipients(id.creator, broadcast, &fans).await;
    added.unwrap();
}

/// As the engine does it: the mark, then the rows, some at a time.
async fn erase_creator<B: Store + JobQueue + Broadcasts>(backend: &B, creator: CreatorId) {
    backend.mark_erased(creator).await.unwrap();
    while backend.erase_creator(creator, 7).await.unwrap() == Erased::Some {}
    while backend.erase_lanes_of(creator, 7).await.unwrap() == Erased::Some {}
    while backend.erase_broadcasts_of(creator, 7).await.unwrap() == Erased::Some {}
}

/// Every byte of the files that lie beside the database.
fn files(db: &Db) -> Vec<u8> {
    let files = std::fs::read_dir(db.dir.path()).unwrap();
    files
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[tokio::test]
async fn no_file_of_the_database_holds_anything_of_an_erased_creator_once_it_is_closed() {
    let db = db().await;
    let id = conversation_id(1, 1);
    live_as_creator(&db.backend, id).await;
    db.backend.close().await;
    let before = found_in(&files(&db));
    assert!(before.len() > 40, "it is looked for where it is");

    let again = SqliteBackend::open(&db.path).await.unwrap();
    erase_creator(&again, id.creator).await;
    again.close().await;
    assert_eq!(found_in(&files(&db)), Vec::<String>::new());
}

#[tokio::test]
async fn no_row_of_any_table_on_postgres_holds_anything_of_an_erased_creator() {
    let Some(database) = fresh().await else {
        return;
    };
    let backend = Arc::new(PostgresBackend::open(database.address()).await.unwrap());
    let mut admin = database.connect_as_admin().await;
    let (id, other) = (conversation_id(1, 1), conversation_id(2, 1));
    live_as_creator(&*backend, id).await;
    let before = found_in(&dump(&backend, &mut admin).await);
    assert!(before.len() > 40, "it is looked for where it is");
    erase_creator(&*backend, id.creator).await;
    let after = found_in(&dump(&backend, &mut admin).await);
    assert_eq!(after, Vec::<String>::new());

    // Another creator of the same fan keeps everything.
    live_as_creator(&*backend, other).await;
    let of_other = found_in(&dump(&backend, &mut admin).await);
    erase_creator(&*backend, id.creator).await;
    assert_eq!(found_in(&dump(&backend, &mut admin).await), of_other);
}

#[tokio::test]
async fn no_file_of_the_database_holds_anything_of_an_erased_fan_once_it_is_closed() {
    let db = db().await;
    let id = conversation_id(1, 1);
    let files = || files(&db);
    live(&db.backend, id).await;
    db.backend.close().await;
    let before = found_in(&files());
    assert!(
        before.len() > 40,
        "it is looked for where it is: {before:?}"
    );

    let again = SqliteBackend::open(&db.path).await.unwrap();
    erase(&again, id).await;
    again.close().await;
    assert_eq!(found_in(&files()), Vec::<String>::new());
}

/// Every row of every table of the schema, as text.
async fn dump(backend: &PostgresBackend, admin: &mut sqlx::postgres::PgConnection) -> Vec<u8> {
    // What a claim wrote is read as well.
    drop(backend.creator_ids(None, 1).await.unwrap());
    let tables = sqlx::query(
        "SELECT c.relname::text FROM pg_class AS c \
         WHERE c.relnamespace = 'fanvue_bot'::regnamespace AND c.relkind IN ('r', 'p')",
    )
    .fetch_all(&mut *admin)
    .await
    .unwrap();
    assert!(tables.len() >= 10, "the catalogue lists the tables");
    let mut dump = Vec::new();
    for table in tables {
        let table: String = table.get(0);
        let sql = format!("SELECT t::text FROM fanvue_bot.{table} AS t");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *admin);
        for row in rows.await.unwrap() {
            dump.extend(row.get::<String, _>(0).into_bytes());
            dump.push(b'\n');
        }
    }
    dump
}

#[tokio::test]
async fn no_row_of_any_table_on_postgres_holds_anything_of_an_erased_fan() {
    let Some(database) = fresh().await else {
        return;
    };
    let backend = Arc::new(PostgresBackend::open(database.address()).await.unwrap());
    let mut admin = database.connect_as_admin().await;
    let (id, other) = (conversation_id(1, 1), conversation_id(2, 1));
    live(&*backend, id).await;
    let before = found_in(&dump(&backend, &mut admin).await);
    assert!(
        before.len() > 40,
        "it is looked for where it is: {before:?}"
    );

    erase(&*backend, id).await;
    let after = found_in(&dump(&backend, &mut admin).await);
    assert_eq!(after, Vec::<String>::new());

    // The same fan of another creator keeps everything.
    live(&*backend, other).await;
    let of_other = found_in(&dump(&backend, &mut admin).await);
    erase(&*backend, id).await;
    assert_eq!(found_in(&dump(&backend, &mut admin).await), of_other);
}

//! Somebody who can write to the database moves sealed values about: none opens but where it was sealed.
//!
//! The bytes are exchanged by SQL between rows, and so between creators, agencies, the deployment, kinds and
//! master keys, whole or in parts. All secrets are the same, so that a value in a wrong place could pass for the
//! right one.

use std::sync::Arc;

use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::id::{AgencyId, CreatorId};
use fanvue_bot_core::secret::{
    Keyring, KeyringError, MasterKey, Rewrap, Rotation, RotationReport, RotationStep, Secret,
    SecretId, SecretKind, VaultError,
};
use fanvue_bot_sqlx::{PostgresBackend, PostgresVault, SqliteVault};
use futures_util::future::join_all;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, query};
use uuid::Uuid;

use crate::given::db;
use crate::postgres::server::fresh;

/// Values that get a part of another one, or all of it.
const SWAPS: usize = 10_000;
/// Creators, and as many agencies with the same ids.
const TENANTS: u128 = 20;

/// What of two values is exchanged: the first byte, counted from 1 as SQL does, and how many.
type Part = (u64, u64);
const WHOLE: Part = (1, 1_000);
const KEY_ID: Part = (3, 8);
const WRAPPED_KEY: Part = (11, 72);
const BODY: Part = (83, 1_000);

const REMEMBER: &str =
    "CREATE TEMPORARY TABLE originals AS SELECT creator_id, kind, revision, sealed FROM {secrets}";
/// Each element of `$1`: a row by its revision, the row from which it gets a part, and the part.
const MOVE: &str = "UPDATE {secrets} AS s SET sealed = CAST( \
        substr(mine.sealed, 1, CAST(m.value ->> 2 AS int) - 1) \
        || substr(theirs.sealed, CAST(m.value ->> 2 AS int), CAST(m.value ->> 3 AS int)) \
        || substr(mine.sealed, CAST(m.value ->> 2 AS int) + CAST(m.value ->> 3 AS int)) AS {bytes}) \
    FROM {elements} AS m \
    JOIN originals AS mine ON mine.revision = CAST(m.value ->> 0 AS int) \
    JOIN originals AS theirs ON theirs.revision = CAST(m.value ->> 1 AS int) \
    WHERE s.creator_id IS NOT DISTINCT FROM mine.creator_id AND s.kind = mine.kind";
const RESTORE: &str = "UPDATE {secrets} AS s SET sealed = mine.sealed FROM originals AS mine \
    WHERE s.creator_id IS NOT DISTINCT FROM mine.creator_id AND s.kind = mine.kind";

/// A connection past the library.
enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    /// Keeps all values as they are now for [`Raw::restore`].
    async fn remember(&mut self) {
        if let Self::Sqlite(raw) = self {
            // Nothing of this test is to survive a power cut.
            let pragma = query("PRAGMA synchronous = OFF");
            pragma.execute(raw).await.unwrap();
        }
        self.run(REMEMBER, None).await;
    }

    async fn restore(&mut self) {
        self.run(RESTORE, None).await;
    }

    /// Makes the moves of `plan`: how many values they changed.
    async fn exchange(&mut self, plan: Vec<serde_json::Value>) -> u64 {
        let plan = serde_json::Value::from(plan).to_string();
        self.run(MOVE, Some(plan)).await
    }

    async fn run(&mut self, sql: &str, plan: Option<String>) -> u64 {
        let names = match self {
            Self::Sqlite(_) => ["secrets", "BLOB", "json_each($1)"],
            Self::Postgres(_) => [
                "fanvue_bot.secrets",
                "bytea",
                "jsonb_array_elements($1::jsonb)",
            ],
        };
        let sql = ["{secrets}", "{bytes}", "{elements}"]
            .into_iter()
            .zip(names)
            .fold(sql.to_owned(), |sql, (from, to)| sql.replace(from, to));
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(raw) => {
                let query = plan.into_iter().fold(query(sql), sqlx::query::Query::bind);
                query.execute(raw).await.unwrap().rows_affected()
            }
            Self::Postgres(raw) => {
                let query = plan.into_iter().fold(query(sql), sqlx::query::Query::bind);
                query.execute(raw).await.unwrap().rows_affected()
            }
        }
    }
}

fn key(first: u8) -> MasterKey {
    let mut bytes = [7; 32];
    bytes[0] = first;
    MasterKey::from_bytes(&bytes).unwrap()
}

fn old() -> Keyring {
    Keyring::new(key(1))
}

fn both() -> Keyring {
    Keyring::builder(key(2)).other(key(1)).build().unwrap()
}

fn ids() -> Vec<SecretId> {
    let of_kind = |&kind: &SecretKind| {
        let tenants = (0..TENANTS).map(Uuid::from_u128).flat_map(move |id| {
            [
                SecretId::of_creator(CreatorId::from_uuid(id), kind),
                SecretId::of_agency(AgencyId::from_uuid(id), kind),
            ]
        });
        tenants.chain([SecretId::of_deployment(kind)])
    };
    SecretKind::ALL.iter().flat_map(of_kind).collect()
}

/// A secret's row, as the plan names it, and under which of the two keys its value is.
type Rows = Vec<(u64, usize, SecretId)>;

/// Pairs of rows that exchange a part of their values: the plan, and whose values it changes.
fn swaps(rows: &Rows, seed: Seed) -> (Vec<serde_json::Value>, Vec<SecretId>) {
    let mut shuffled: Vec<_> = rows.iter().collect();
    shuffled.sort_by_key(|(row, ..)| seed.derive(&row.to_string()).value());
    let (mut plan, mut changed) = (Vec::new(), Vec::new());
    for (pair, rows) in shuffled.chunks_exact(2).enumerate() {
        let [(one, one_key, one_id), (other, other_key, other_id)] = *rows else {
            continue;
        };
        let (first, count) = match seed.derive(&format!("pair {pair}")).in_range(0, 3) {
            0 => WRAPPED_KEY,
            1 => BODY,
            // Of two values under one key the key id is the same.
            2 if one_key != other_key => KEY_ID,
            _ => WHOLE,
        };
        plan.push(json!([one, other, first, count]));
        plan.push(json!([other, one, first, count]));
        changed.extend([*one_id, *other_id]);
    }
    (plan, changed)
}

/// None of them opens, and each says why and what to do.
async fn all_shut(vault: &dyn Rewrap, ids: &[SecretId]) {
    for some in ids.chunks(16) {
        for (id, read) in some
            .iter()
            .zip(join_all(some.iter().map(|id| vault.get(id))).await)
        {
            match read {
                Err(VaultError::Sealed {
                    source: source @ KeyringError::Altered,
                    ..
                }) => {
                    let text = source.to_string();
                    assert!(text.contains("belongs to another owner or kind"), "{text}");
                    assert!(text.contains("restore its row"), "{text}");
                }
                other => panic!("{id}: {other:?}"),
            }
        }
    }
}

async fn all_open(vault: &dyn Rewrap, rows: &Rows, secret: &Secret) {
    for (_, _, id) in rows {
        assert_eq!(vault.get(id).await.unwrap().unwrap().value, *secret, "{id}");
    }
}

async fn rotate(vault: &Arc<dyn Rewrap>) -> RotationReport {
    let mut rotation = Rotation::new(Arc::clone(vault));
    loop {
        if let RotationStep::Ended(report) = rotation.step().await.unwrap() {
            return report;
        }
    }
}

/// `vaults` seal under the first key and under the second, which opens both.
async fn check(vaults: [Arc<dyn Rewrap>; 2], mut raw: Raw) {
    let secret = Secret::new("x".repeat(500));
    let mut rows = Rows::new();
    for id in ids() {
        let key = rows.len() % 2;
        let revision = vaults[key].put(&id, &secret, None).await.unwrap();
        rows.push((revision.number(), key, id));
    }
    let [_, vault] = vaults;
    all_open(&*vault, &rows, &secret).await;
    raw.remember().await;

    let mut done = 0;
    for round in 0.. {
        let (plan, changed) = swaps(&rows, Seed::new(4).derive(&format!("round {round}")));
        raw.restore().await;
        let moved = raw.exchange(plan).await;
        assert_eq!(moved, u64::try_from(changed.len()).unwrap());
        all_shut(&*vault, &changed).await;
        done += changed.len();
        if done >= SWAPS {
            // What was moved does not come to rights by the change of the master key.
            let report = rotate(&vault).await;
            assert!(
                !report.shut.is_empty(),
                "it names those that it cannot open"
            );
            all_shut(&*vault, &changed).await;
            break;
        }
    }
    raw.restore().await;
    all_open(&*vault, &rows, &secret).await;
}

#[tokio::test]
async fn of_ten_thousand_swaps_in_a_sqlite_file_none_opens() {
    let db = db().await;
    let vault = |ring| -> Arc<dyn Rewrap> { Arc::new(SqliteVault::new(db.backend.clone(), ring)) };
    check([vault(old()), vault(both())], Raw::Sqlite(db.raw().await)).await;
}

#[tokio::test]
async fn of_ten_thousand_swaps_on_postgres_none_opens() {
    let Some(database) = fresh().await else {
        return;
    };
    let backend = PostgresBackend::open(database.address()).await.unwrap();
    let vault = |ring| -> Arc<dyn Rewrap> { Arc::new(PostgresVault::new(backend.clone(), ring)) };
    let raw = Raw::Postgres(database.connect_as_admin().await);
    check([vault(old()), vault(both())], raw).await;
    backend.close().await;
}

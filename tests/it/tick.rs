//! What a tick does beyond creators, on every back end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::id::AgencyId;
use fanvue_bot::memory::{MemoryBackend, MemoryVault};
use fanvue_bot::oauth::{Authorizer, Login, SessionId, TokenSource};
use fanvue_bot::rest::RestClient;
use fanvue_bot::secret::{Keyring, MasterKey, SecretId, SecretKind, SecretVault};
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault, SqliteBackend, SqliteVault};
use fanvue_bot::tick::Tick;
use fanvue_bot_testkit::clock::VirtualClock;
use uuid::Uuid;

use crate::given::engine_on_its_own;
use crate::postgres_server::fresh;

const MINUTE: Duration = Duration::from_secs(60);

fn keyring() -> Keyring {
    Keyring::new(MasterKey::from_bytes(b"0123456789abcdef0123456789abcdef").unwrap())
}

async fn erases_what_agencies_began(backend: Backend, vault: Arc<dyn SecretVault>) {
    let clock = VirtualClock::default();
    let fanvue = RestClient::builder()
        .api_base_url("https://fanvue.invalid")
        .auth_base_url("https://fanvue.invalid");
    let app = AppCredentials {
        client_id: "app".into(),
        client_secret: ClientSecret::new("secret"),
    };
    let store = Arc::clone(backend.store());
    let tokens = TokenSource::new(
        Arc::clone(&vault),
        store,
        Arc::new(fanvue.build().unwrap()),
        app,
    )
    .clock(Arc::new(clock.clone()));
    let authorizer = Authorizer::builder(tokens, "https://bot.invalid/oauth/callback")
        .build()
        .unwrap();
    let engine = engine_on_its_own(backend);
    let tick = Tick::new(&engine).authorizer(authorizer.clone());
    let erased = async || {
        let report = tick.run(engine.now() + MINUTE).await.unwrap();
        assert_eq!(report.failed, 0);
        report.authorizations_erased
    };
    let [one, two] = [1, 2].map(|number| AgencyId::from_uuid(Uuid::from_u128(number)));
    let begin = async |agency| {
        let session = SessionId::of("session");
        let begun = authorizer.start(session, agency, Login::Current);
        begun.await.unwrap();
    };
    let is_stored = async |agency| {
        let id = SecretId::of_agency(agency, SecretKind::PendingAuthorization);
        vault.get(&id).await.unwrap().is_some()
    };

    begin(one).await;
    begin(two).await;
    clock.advance(MINUTE * 9);
    assert_eq!(erased().await, 0);
    // One of them begins again, and has 10 minutes again.
    begin(two).await;
    clock.advance(MINUTE);
    assert_eq!(erased().await, 1);
    assert!(!is_stored(one).await && is_stored(two).await);
    assert_eq!(erased().await, 0);
    clock.advance(MINUTE * 9);
    assert_eq!(authorizer.expired_agencies().await.unwrap(), [two]);
    assert_eq!(erased().await, 1);
    assert!(!is_stored(two).await);
    assert_eq!(authorizer.expired_agencies().await.unwrap(), []);
}

#[tokio::test]
async fn a_tick_erases_what_agencies_began_in_memory() {
    let backend = Backend::shared(Arc::new(MemoryBackend::new()));
    erases_what_agencies_began(backend, Arc::new(MemoryVault::new())).await;
}

#[tokio::test]
async fn a_tick_erases_what_agencies_began_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteBackend::open(folder.path().join("bot.db"))
        .await
        .unwrap();
    let vault = SqliteVault::new(sqlite.clone(), keyring());
    let backend = Backend::shared(Arc::new(sqlite.clone()));
    erases_what_agencies_began(backend, Arc::new(vault)).await;
    sqlite.close().await;
}

#[tokio::test]
async fn a_tick_erases_what_agencies_began_on_postgres() {
    let Some(database) = fresh().await else {
        return;
    };
    let postgres = PostgresBackend::open(database.address()).await.unwrap();
    let vault = PostgresVault::new(postgres.clone(), keyring());
    let backend = Backend::shared(Arc::new(postgres.clone()));
    erases_what_agencies_began(backend, Arc::new(vault)).await;
    postgres.close().await;
}

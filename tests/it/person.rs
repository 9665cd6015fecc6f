//! What only a person can mend is told in the log, once for each time that it breaks, on a real clock.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanvue_bot::backend::Backend;
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::{AccountId, CreatorId};
use fanvue_bot::memory::MemoryBackend;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::settings::Settings;
use fanvue_bot::worker::{Batch, Worker, WorkerOptions};
use uuid::Uuid;

use crate::given::{engine_on_its_own, fan_writes};

const ACCOUNT: &str = "c0de0000-0000-4000-8000-000000000001";

/// Keeps what is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An engine whose only creator was never connected.
async fn engine() -> Engine {
    let backend = Backend::shared(Arc::new(MemoryBackend::new()));
    let luna = Creator::new(
        CreatorId::from_uuid(Uuid::from_u128(1)),
        Persona::named("Luna"),
    )
    .account(AccountId::from_uuid(ACCOUNT.parse().unwrap()))
    .settings(Settings::immediate());
    backend.store().commit(&luna.into(), None).await.unwrap();
    engine_on_its_own(backend)
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_an_error_in_the_log_when_it_breaks() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);

    let engine = engine().await;
    let work = || {
        let worker = Worker::new(engine.clone(), WorkerOptions::new(WorkerId::new("w")));
        worker.run_batch(Batch {
            lanes: 10,
            time: Duration::from_secs(10),
        })
    };
    let errors = || {
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        text.matches("a turn waits for a person").count()
    };
    fan_writes(&engine, ACCOUNT, 1, 1).await;
    work().await.unwrap();
    assert_eq!(errors(), 1);
    // The same fan again, and it is broken still.
    fan_writes(&engine, ACCOUNT, 1, 2).await;
    work().await.unwrap();
    assert_eq!(errors(), 1);
}

//! Whether the process lives, and whether it should get requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::store::Store;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer of the store's is good for: nobody can make a probe a burden.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Answers the probes of orchestrators and load balancers.
///
/// | Route | Answers |
/// | --- | --- |
/// | `GET /health/live` | 200 as long as the process runs: restart it otherwise |
/// | `GET /health/ready` | 200 if the store answers and no shutdown has begun, else 503: send no requests then |
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    draining: AtomicBool,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    /// Ready while this store answers.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                draining: AtomicBool::new(false),
                last: Mutex::new(None),
            }),
        }
    }

    /// From now on it is not ready: for the moment at which a shutdown begins, so that a load balancer
    /// turns elsewhere before the listener closes.
    pub fn start_draining(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Whether requests should be sent here.
    pub async fn is_ready(&self) -> bool {
        !self.inner.draining.load(Ordering::Relaxed) && self.inner.store_answers().await
    }

    /// The routes, to be served or merged into other ones.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/health/live", get(|| async { "live" }))
            .route("/health/ready", get(ready))
            .with_state(self.clone())
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.is_ready().await {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}

impl Inner {
    /// Asks at most once at a time and once a second.
    async fn store_answers(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, answered)) = *last
            && at.elapsed() < GOOD_FOR
        {
            return answered;
        }
        let nobody = CreatorId::from_uuid(Uuid::nil());
        let answered = match timeout(PATIENCE, self.store.creator(nobody)).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store fails");
                false
            }
            Err(_) => {
                tracing::warn!("the store does not answer in time");
                false
            }
        };
        *last = Some((Instant::now(), answered));
        answered
    }
}

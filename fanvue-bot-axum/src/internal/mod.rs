//! Routes for the deployment itself: what a process does on its own, at somebody's call.

mod ask;
mod bearer;
mod broadcasts;
mod connections;
mod cron;
mod health;
mod jobs;
mod path;
mod rights;
mod self_test;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::oauth::Authorizer;
use fanvue_bot_core::queue::WorkerId;
use fanvue_bot_core::self_test::SelfTest;
use fanvue_bot_core::tick::Tick;
use uuid::Uuid;

use self::bearer::Bearers;
pub use self::bearer::{BearerSecret, WeakBearerSecret};
pub use self::connections::Connections;

/// What an [`Internal`] is built from; made by [`Internal::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct InternalBuilder {
    bearers: Bearers,
    engine: Engine,
    name: String,
    tick: Tick,
    self_test: Option<SelfTest>,
    connections: Option<Connections>,
}

impl InternalBuilder {
    /// Also accepts the secret before, while callers are being given the new one. Off by default.
    pub fn previous_secret(mut self, secret: BearerSecret) -> Self {
        self.bearers.previous = Some(secret);
        self
    }

    /// Lets a tick erase what was begun with this authorizer and has expired.
    pub fn authorizer(mut self, authorizer: Authorizer) -> Self {
        self.tick = self.tick.authorizer(authorizer);
        self
    }

    /// Lets callers have this test made. Without it, `/internal/self-test` answers 404.
    pub fn self_test(mut self, test: SelfTest) -> Self {
        self.self_test = Some(test);
        self
    }

    /// Lets callers set up apps, webhook secrets, agencies and subscriptions, and end connections; see [`Connections`]
    /// for the routes. Without it there are none.
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = Some(connections);
        self
    }

    /// Names this process in leases and logs. Default: a random name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Builds it.
    #[must_use]
    pub fn build(self) -> Internal {
        Internal {
            rooms: Arc::new(Rooms {
                bearers: self.bearers,
                engine: self.engine,
                name: self.name,
                tick: self.tick,
                self_test: self.self_test,
                connections: self.connections,
                calls: AtomicU64::new(0),
            }),
        }
    }
}

/// The routes of the deployment itself, for hosts that run only as long as a request lasts, and for whoever
/// watches it.
///
/// | Route | Does |
/// | --- | --- |
/// | `POST /internal/jobs/run` | works on what is due, as a [`Worker`](fanvue_bot_core::worker::Worker) would |
/// | `POST /internal/cron/tick` | does what has to be done from time to time; see [`Tick`] |
/// | `GET /internal/health` | tells how the deployment is doing, and each creator who is not well |
/// | `GET /internal/health?creator={id}` | tells how one creator is doing |
/// | below `/internal/creators`, `/internal/agencies`, `/internal/deployment` | sets up what connections need, and ends them; see [`Connections`] |
/// | `POST /internal/self-test` | sends the deployment's own door a signed event and watches it go the whole way; see [`SelfTest`] |
/// | below `/internal/creators/{id}/broadcasts` | makes messages to many, and sees how far they are; see below |
/// | `GET /internal/creators/{id}/fans/{fan}/export` | gives a copy of what is held of a fan; see below |
/// | `DELETE /internal/creators/{id}/fans/{fan}` | erases a fan |
/// | `DELETE /internal/creators/{id}` | erases a creator with all their fans |
/// | `GET /internal/erasures` | lists the creators who are being erased |
///
/// Every route asks for a [`BearerSecret`] before anything else. What a call asks for is a JSON object or, where
/// there is no body, the query; every field may be left out:
///
/// | Route | Field | Default | Range |
/// | --- | --- | --- | --- |
/// | `/internal/jobs/run` | `batch`: how many conversations at most | 20 | 1 to 200 |
/// | | `seconds`: for how long at most; nothing new is begun in the second half | 50 | 1 to 600 |
/// | `/internal/cron/tick` | `seconds`: for how long about | 50 | 1 to 600 |
/// | `/internal/self-test` | `seconds`: for how long at most | 20 | 1 to 300 |
///
/// Answers are JSON, or text from `/internal/health` with `format=text`, and kept by no cache:
///
/// | Status | When |
/// | --- | --- |
/// | 200 | it was done; the body says what, and health whatever was found |
/// | 202 | it is noted, and goes on by itself |
/// | 400 | a field is out of its range or unknown |
/// | 401 | the secret is missing or another one |
/// | 404 | there is no such creator, or no self-test is set up |
/// | 503 with `Retry-After` | the store or the queue did not answer, and nothing was done |
///
/// `POST /internal/jobs/run` answers with `claimed`, `done`, `put_off`, `failed`, `lost` and `handed_back`, each
/// a number of conversations, and `more_due`: whether to call again at once. `POST /internal/cron/tick` answers with
/// the numbers of a [`TickReport`](fanvue_bot_core::tick::TickReport), and `more`.
///
/// Health is a [`Checkup`](fanvue_bot_core::health::Checkup): each line has a `topic`, a `verdict` (`ok`, `warning`
/// or `broken`) and a time `at`, and where something is wrong its `cause`, `since` when, and the `action` to take. The
/// line `rate_budget` has what is left of Fanvue's limit in `remaining`. A report says when it was looked, `at`, and how
/// old it is: `noted_at` is when a process last noted anything.
///
/// A self-test answers with a `verdict` and its `steps`, up to the first that is `broken`: each with its time in
/// `millis`, and where it is broken its `cause`, its `meaning` and the `action` to take.
///
/// All routes are safe to call at once and from many places. A call goes on when its caller leaves, but for those
/// about broadcasts, each of which does one thing or nothing.
///
/// # Fans' and creators' rights
///
/// `{fan}` is the fan's id at Fanvue. An export is `application/x-ndjson`: the lines of a
/// [`FanExport`](fanvue_bot_core::export::FanExport), sent as they are read; without its `end` it is not whole. An
/// erasure is a 202 that says from when on the rows go, `rows_from`, and up to when nothing is taken in again,
/// `through`, or `since` when the creator is unknown. See [`Engine::erase_fan`] and [`Engine::erase_creator`]. Both may
/// be repeated. 404 means that nothing is held.
///
/// # Broadcasts
///
/// These routes are there if the backend keeps broadcasts ([`Backend::broadcasts`](fanvue_bot_core::backend::Backend::broadcasts)).
/// A broadcast is named by a UUID that the caller draws, so that a call may be repeated:
///
/// | Route below `/internal/creators/{id}` | Does |
/// | --- | --- |
/// | `GET /fan-lists` | lists the creator's own lists of fans at Fanvue |
/// | `GET /broadcasts` | lists the creator's broadcasts, the last made first |
/// | `PUT /broadcasts/{broadcast}` | keeps a draft: `message`, `segment` and, if it is another one, `rest` |
/// | `GET /broadcasts/{broadcast}` | tells how far it is: a [`Progress`](fanvue_bot_core::broadcast::Progress) |
/// | `GET /broadcasts/{broadcast}/preview` | counts who would get it, and who would not and why: a [`Preview`](fanvue_bot_core::broadcast::Preview) |
/// | `POST /broadcasts/{broadcast}/start` | sends it, from now on |
/// | `POST /broadcasts/{broadcast}/schedule` | sends it from `at` on |
/// | `POST /broadcasts/{broadcast}/pause` | holds it; one that was scheduled becomes a draft |
/// | `POST /broadcasts/{broadcast}/resume` | lets it go on |
/// | `POST /broadcasts/{broadcast}/cancel` | ends it |
///
/// A draft is a JSON object in the form in which a [`Broadcast`](fanvue_bot_core::broadcast::Broadcast) is stored: its
/// `message` is a [`Template`](fanvue_bot_core::broadcast::Template), its `segment` a
/// [`Segment`](fanvue_bot_core::broadcast::Segment), times are milliseconds and money is cents. Lists take `limit`, 1 to
/// 100 (1 to 50 for `/fan-lists`; default 20), and `after`, which is `next` of the answer before.
///
/// A 400 for a draft or a schedule has `faults`: each with the `field`, the `reason` and, where one is evident, the
/// `nearest` valid value. What a broadcast cannot do where it stands is a 409 with its `remedy`; what Fanvue does not
/// answer is a 502.
#[derive(Clone)]
pub struct Internal {
    rooms: Arc<Rooms>,
}

struct Rooms {
    bearers: Bearers,
    engine: Engine,
    name: String,
    tick: Tick,
    self_test: Option<SelfTest>,
    connections: Option<Connections>,
    calls: AtomicU64,
}

impl Internal {
    /// Begins the routes of `engine`'s deployment, for whoever shows `secret`.
    pub fn builder(secret: BearerSecret, engine: Engine) -> InternalBuilder {
        InternalBuilder {
            bearers: Bearers {
                current: secret,
                previous: None,
            },
            tick: Tick::new(&engine),
            self_test: None,
            connections: None,
            engine,
            name: format!("call-{}", Uuid::new_v4().simple()),
        }
    }

    /// The routes, to be served or merged into other ones.
    pub fn router(&self) -> Router {
        let admitted = middleware::from_fn_with_state(Arc::clone(&self.rooms), admitted);
        let connections = self.rooms.connections.as_ref();
        let connections = connections.map(|room| room.router(&self.rooms.engine));
        Router::new()
            .route("/internal/jobs/run", post(jobs::run))
            .route("/internal/cron/tick", post(cron::tick))
            .route("/internal/health", get(health::show))
            .route("/internal/self-test", post(self_test::run))
            .merge(rights::router())
            .merge(connections.unwrap_or_default())
            .merge(broadcasts::router(&self.rooms.engine).unwrap_or_default())
            .route_layer(admitted)
            .with_state(Arc::clone(&self.rooms))
    }
}

impl fmt::Debug for Internal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Internal")
            .field("engine", &self.rooms.engine)
            .field("name", &self.rooms.name)
            .finish_non_exhaustive()
    }
}

impl Rooms {
    /// A name for one call's worker, which no other call has.
    fn worker(&self) -> WorkerId {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        WorkerId::new(format!("{}/{call}", self.name))
    }
}

async fn admitted(State(rooms): State<Arc<Rooms>>, request: Request, next: Next) -> Response {
    if rooms.bearers.admit(request.headers()) {
        next.run(request).await
    } else {
        ask::unauthorized()
    }
}

//! The world behind HTTP.
//!
//! ```no_run
//! use fanvue_bot_testkit::simulator::world::{App, PortalWebhook};
//! use fanvue_bot_testkit::simulator::Simulator;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let app = App::new("client-id", "client-secret")
//!     .redirect_uri("http://127.0.0.1:8080/oauth/callback")
//!     .webhook(PortalWebhook::new("http://127.0.0.1:8080/webhooks/fanvue"));
//! let simulator = Simulator::builder().app(app).start().await?;
//!
//! let luna = simulator.add_creator("luna", "Luna");
//! let fan = simulator.add_fan("fan-one", "Fan One");
//! let tokens = simulator.issue_tokens("client-id", luna, ["read:chat", "write:chat"])?;
//! // Point the integration under test at `simulator.base_url()`, then:
//! simulator.fan_writes(luna, fan, "are you there?")?;
//! # let _ = tokens;
//! simulator.stop().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod api;
mod call;
mod control;
mod deliver;
mod gate;
mod handle;
mod jwt;
mod listen;
mod oauth;
mod openapi;
mod request;
mod route;
mod shared;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use handle::{Handle, StoredMessage, Tokens};
pub use shared::{ConsentMode, RequestRecord};

use super::world::{App, World};
use shared::{Platform, Settings, Shared};

/// The API version that every call must name in `X-Fanvue-API-Version`.
pub const API_VERSION: &str = gate::VERSION;

/// A simulator that is to be started.
#[derive(Debug)]
#[must_use = "nothing is served before `start`"]
pub struct Builder {
    port: u16,
    world: World,
    issuer: Option<String>,
    consent: ConsentMode,
    lenient_version: bool,
    sunset_versions: Vec<String>,
    deprecated: Option<String>,
    unknown_fields: bool,
    control: bool,
    webhook_timeout: Duration,
    webhook_concurrency: usize,
}

impl Builder {
    /// Listens on this port of 127.0.0.1; 0, the default, takes any that is free.
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts from an empty world with this seed, in place of anything set before.
    pub fn seed(mut self, seed: u64) -> Self {
        self.world = World::new(seed);
        self
    }

    /// Starts from a world that was prepared.
    pub fn world(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// Registers an app.
    pub fn app(mut self, app: App) -> Self {
        self.world.add_app(app);
        self
    }

    /// Names another issuer in tokens than the base URL.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// What happens when a browser comes to authorize an app.
    pub const fn consent(mut self, mode: ConsentMode) -> Self {
        self.consent = mode;
        self
    }

    /// How long access tokens are good, in seconds.
    pub const fn access_token_seconds(mut self, seconds: u64) -> Self {
        self.world.settings_mut().access_token_seconds = seconds;
        self
    }

    /// Requests in 60 s for each bucket, and for that of `POST /chats/statuses`.
    pub const fn rate_limits(mut self, per_minute: u64, statuses_per_minute: u64) -> Self {
        let limits = &mut self.world.settings_mut().rate_limits;
        limits.per_minute = per_minute;
        limits.statuses_per_minute = statuses_per_minute;
        self
    }

    /// Accepts calls without `X-Fanvue-API-Version`.
    pub const fn lenient_version(mut self) -> Self {
        self.lenient_version = true;
        self
    }

    /// Answers calls with this API version with 410.
    pub fn sunset_version(mut self, version: impl Into<String>) -> Self {
        self.sunset_versions.push(version.into());
        self
    }

    /// Adds the headers of an API version that ends at `sunset`, an HTTP date, to every answer.
    pub fn deprecated_version(mut self, sunset: impl Into<String>) -> Self {
        self.deprecated = Some(sunset.into());
        self
    }

    /// Leaves out the field that no client knows, which objects have otherwise.
    pub const fn without_unknown_fields(mut self) -> Self {
        self.unknown_fields = false;
        self
    }

    /// Does not serve `/_sim/...`.
    pub const fn without_control(mut self) -> Self {
        self.control = false;
        self
    }

    /// How long a webhook receiver may take to answer; 10 s by default.
    pub const fn webhook_timeout(mut self, timeout: Duration) -> Self {
        self.webhook_timeout = timeout;
        self
    }

    /// How many webhooks are posted at a time, 16 by default. With 1 they arrive in order.
    pub const fn webhook_concurrency(mut self, posts: usize) -> Self {
        self.webhook_concurrency = posts;
        self
    }

    /// Starts serving.
    ///
    /// # Errors
    ///
    /// If the port cannot be listened on.
    pub async fn start(self) -> io::Result<Simulator> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await?;
        let address = listener.local_addr()?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(self.webhook_timeout)
            .build()
            .map_err(io::Error::other)?;
        let base_url = format!("http://{address}");
        let settings = Settings {
            issuer: self.issuer.unwrap_or_else(|| base_url.clone()),
            base_url,
            lenient_version: self.lenient_version,
            deprecated_version: self.deprecated.is_some(),
            sunset: self.deprecated.unwrap_or_default(),
            unknown_fields: self.unknown_fields,
            control: self.control,
        };
        let platform = Platform {
            world: self.world,
            consent: self.consent,
            signed_in: None,
            sunset_versions: self.sunset_versions,
            requests: Vec::new(),
        };
        let shared = Arc::new(Shared::new(settings, platform));
        let tasks = vec![
            tokio::spawn(listen::serve(listener, Arc::clone(&shared))),
            tokio::spawn(deliver::run(
                Arc::clone(&shared),
                client,
                self.webhook_concurrency,
            )),
        ];
        Ok(Simulator {
            handle: Handle { shared },
            address,
            tasks,
        })
    }
}

/// A simulator that is running. It is driven through its [`Handle`], to which it dereferences,
/// and ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Simulator {
    handle: Handle,
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Simulator {
    /// A simulator with an empty world on any free port.
    pub fn builder() -> Builder {
        Builder {
            port: 0,
            world: World::new(0),
            issuer: None,
            consent: ConsentMode::Automatic,
            lenient_version: false,
            sunset_versions: vec!["2024-12-01".to_owned()],
            deprecated: None,
            unknown_fields: true,
            control: true,
            webhook_timeout: Duration::from_secs(10),
            webhook_concurrency: 16,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that may outlive this value and be passed around.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops: no new connections, open ones may finish for a second, webhooks under way are
    /// dropped.
    pub async fn stop(mut self) {
        self.handle.shared.stopping.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            // A task that panicked has ended, which is what is waited for.
            let _ = task.await;
        }
    }
}

impl Deref for Simulator {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.handle.shared.stopping.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

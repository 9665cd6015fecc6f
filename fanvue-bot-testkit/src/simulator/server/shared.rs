//! What the listener, the deliverer and the handle share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;
use uuid::Uuid;

use crate::simulator::world::{Moment, RequestFault, World};

/// What happens when a browser comes to authorize an app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsentMode {
    /// Whoever is signed in agrees at once.
    #[default]
    Automatic,
    /// A page asks who it is, and whether to allow.
    Page,
    /// Whoever is signed in says no.
    Deny,
}

/// A request that was made to the API or the authorization server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestRecord {
    /// When it came.
    pub at: Moment,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Its query, undecoded.
    pub query: String,
    /// The status answered; `None` if the connection was cut.
    pub status: Option<u16>,
    /// Whether it was executed. A fault may refuse a request before, or lose the answer after.
    pub executed: bool,
    /// The fault that struck it.
    pub fault: Option<RequestFault>,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) base_url: String,
    pub(super) issuer: String,
    pub(super) lenient_version: bool,
    pub(super) deprecated_version: bool,
    pub(super) sunset: String,
    pub(super) unknown_fields: bool,
    pub(super) control: bool,
}

/// Everything that changes.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) world: World,
    pub(super) consent: ConsentMode,
    pub(super) signed_in: Option<Uuid>,
    pub(super) sunset_versions: Vec<String>,
    pub(super) requests: Vec<RequestRecord>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    platform: Mutex<Platform>,
    offset: AtomicU64,
    pub(super) changed: watch::Sender<u64>,
    pub(super) stopping: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(settings: Settings, platform: Platform) -> Self {
        Self {
            settings,
            platform: Mutex::new(platform),
            offset: AtomicU64::new(0),
            changed: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }
    }

    /// The wall clock, moved forward by what was asked for.
    pub(super) fn now(&self) -> Moment {
        Moment::from(SystemTime::now()).plus(self.offset.load(Ordering::Relaxed))
    }

    pub(super) fn advance(&self, millis: u64) {
        self.offset.fetch_add(millis, Ordering::Relaxed);
        self.announce();
    }

    /// Looks without changing anything that others wait for.
    pub(super) fn look<R>(&self, look: impl FnOnce(&mut Platform, Moment) -> R) -> R {
        let now = self.now();
        look(&mut self.lock(), now)
    }

    /// Changes something, and wakes whoever waits for changes.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Platform, Moment) -> R) -> R {
        let changed = self.look(change);
        self.announce();
        changed
    }

    /// Wakes whoever waits for changes.
    pub(super) fn announce(&self) {
        self.changed
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Platform> {
        // A panic of a caller's closure leaves the world as it is, which is still a world.
        self.platform.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves when the simulator is told to stop.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the simulator is gone, which is as good as stopped.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

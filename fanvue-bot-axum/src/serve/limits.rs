use std::num::NonZeroUsize;
use std::time::Duration;

const fn count(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(number) => number,
        None => NonZeroUsize::MIN,
    }
}

/// What [`serve`](crate::serve) grants a client.
///
/// ```
/// use std::time::Duration;
/// use fanvue_bot_axum::Limits;
///
/// let mut limits = Limits::default();
/// limits.drain = Duration::from_secs(8);
/// // Behind a reverse proxy all connections come from one address.
/// limits.max_connections_per_address = limits.max_connections;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// For the whole head of a request, from its first byte; of a connection's first request, from the
    /// connection's begin. 5 s by default.
    pub header: Duration,
    /// For the whole body of a request, from the end of its head. 10 s by default. A handler sees an
    /// error of the body then.
    pub body: Duration,
    /// For a response to make any progress on its way to a client that does not read. 30 s by default.
    pub write: Duration,
    /// Between two requests of a connection. 30 s by default. Keep it above the proxy's own, or a
    /// request now and then meets a connection that is just being closed.
    pub idle: Duration,
    /// For requests in flight to be answered after the shutdown began. 25 s by default, under the 30 s
    /// that orchestrators commonly wait before they kill.
    pub drain: Duration,
    /// Connections in all; 1,024 by default. Further ones wait in the system's backlog.
    pub max_connections: NonZeroUsize,
    /// Connections from one IPv4 address or one IPv6 /64; 64 by default. Further ones are closed at
    /// once. Behind a reverse proxy set it as high as [`max_connections`](Self::max_connections).
    pub max_connections_per_address: NonZeroUsize,
    /// Bytes of a request's head; 16 KiB by default, and never under 8 KiB.
    pub head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(5),
            body: Duration::from_secs(10),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            drain: Duration::from_secs(25),
            max_connections: count(1_024),
            max_connections_per_address: count(64),
            head_bytes: 16 * 1024,
        }
    }
}

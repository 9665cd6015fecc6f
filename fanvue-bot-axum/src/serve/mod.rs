//! An accept loop that slow and greedy clients cannot hold.
//!
//! `axum::serve` waits for ever for a header, a body or the next request, and takes any number of
//! connections. This loop does not:
//!
//! ```text
//!  accept ──► within the caps? ──► head ──────► body ──────► handler ──► response ──► idle ──┐
//!   (waits       (per address:     header        body        (its own     write        idle   │
//!    for a        closed at once)  timeout       timeout      time)       timeout     timeout │
//!    place)                          ▲                                                        │
//!                                    └────────────── first byte of the next request ──────────┘
//! ```

mod caps;
mod connection;
mod limits;
mod pulse;
mod timed_body;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::caps::PerAddress;
pub use self::limits::Limits;

/// How long the loop waits when the system has no more file descriptors.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(100);

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that were still busy when the time for draining was over, and were cut.
    pub cut: usize,
}

/// Serves `router` until `shutdown` completes, then drains: no new connection is taken, waiting ones are
/// closed, requests in flight are answered, and what is left after [`Limits::drain`] is cut.
///
/// HTTP/1.1 without TLS, as behind a reverse proxy. Every request carries
/// [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo). Dropping the future cuts every connection at
/// once.
///
/// ```no_run
/// use axum::Router;
/// use fanvue_bot_axum::{Limits, serve};
///
/// # async fn run() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// let stop = async { /* wait for SIGTERM */ };
/// let drained = serve(listener, Router::new(), Limits::default(), stop).await;
/// assert_eq!(drained.cut, 0);
/// # Ok(())
/// # }
/// ```
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let mut connections = JoinSet::new();
    let (drain, draining) = watch::channel(false);
    {
        let accepting = accept(listener, router, limits, &mut connections, draining);
        tokio::pin!(accepting, shutdown);
        tokio::select! {
            () = &mut accepting => {}
            () = &mut shutdown => {}
        }
        // The listener closes here, before anything is waited for.
    }
    drain.send_replace(true);
    tracing::info!(connections = connections.len(), "the server drains");
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(limits.drain, finish).await;
    let cut = connections.len();
    connections.shutdown().await;
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "the time for draining is over; connections were cut"
        );
    }
    Drained { cut }
}

/// Takes connections for ever.
async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    connections: &mut JoinSet<()>,
    draining: watch::Receiver<bool>,
) {
    let places = limits.max_connections.get().min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(places));
    let per_address = PerAddress::new(limits.max_connections_per_address);
    loop {
        // Without a free place the rest waits in the system's backlog.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let (stream, address) = next(&listener).await;
        while connections.try_join_next().is_some() {}
        let Some(share) = per_address.enter(address.ip()) else {
            tracing::debug!("a connection over its address's share is closed");
            continue;
        };
        let held = Held {
            _place: place,
            _share: share,
        };
        let (router, draining) = (router.clone(), draining.clone());
        connections.spawn(run(stream, address, router, limits, draining, held));
    }
}

/// What a connection holds as long as it lives.
struct Held {
    _place: OwnedSemaphorePermit,
    _share: caps::Share,
}

async fn run(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    limits: Limits,
    draining: watch::Receiver<bool>,
    held: Held,
) {
    connection::run(stream, address, router, limits, draining).await;
    drop(held);
}

async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken; trying again");
                tokio::time::sleep(OUT_OF_RESOURCES).await;
            }
        }
    }
}

/// A client that left before it was taken says nothing about this machine.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

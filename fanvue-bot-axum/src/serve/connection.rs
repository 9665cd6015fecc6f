//! One connection: hyper over a stream that watches the clock.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep_until};
use tower::Service as _;

use super::limits::Limits;
use super::pulse::{Pulse, Wait, after};
use super::timed_body::{BusyBody, TimedBody};

/// Under this hyper refuses to run.
const LEAST_HEAD: usize = 8 * 1024;

pub(super) async fn run(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    limits: Limits,
    mut draining: watch::Receiver<bool>,
) {
    // Answers are small and complete; waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let pulse = Arc::new(Pulse::new(limits));
    let io = TokioIo::new(Watched {
        stream,
        pulse: Arc::clone(&pulse),
        limits,
        read_timer: None,
        write_timer: None,
    });
    let seen = Arc::clone(&pulse);
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = seen.request();
        let mut request = request.map(|body| TimedBody::new(body, after(limits.body)));
        request.extensions_mut().insert(ConnectInfo(address));
        let mut router = router.clone();
        async move {
            // A router is always ready.
            let Ok(response): Result<Response<_>, Infallible> = router.call(request).await;
            Ok::<_, Infallible>(response.map(|body| BusyBody::new(body, busy)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's clock for heads runs while a connection is idle, too; `Watched` tells the two apart.
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes.max(LEAST_HEAD))
        .serve_connection(io, service);
    let drain = async move {
        // An error means that the server is gone, which is the same.
        let _ = draining.wait_for(|draining| *draining).await;
    };
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = drain => {
            pulse.drain();
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A stream that gives up on a client that is too slow.
#[derive(Debug)]
struct Watched {
    stream: TcpStream,
    pulse: Arc<Pulse>,
    limits: Limits,
    read_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while a write waits.
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            if buffer.filled().len() > before {
                self.pulse.received();
            }
            return Poll::Ready(read);
        }
        let deadline = match self.pulse.wait(cx.waker()) {
            Wait::Forever => return Poll::Pending,
            Wait::End => return Poll::Ready(Ok(())),
            Wait::Until(deadline) => deadline,
        };
        let timer = self
            .read_timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Watched {
    /// Passes on what a write came to, unless it has been waiting for too long.
    fn in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.write_timer = None;
            return write;
        }
        let limit = self.limits.write;
        let timer = self
            .write_timer
            .get_or_insert_with(|| Box::pin(sleep_until(after(limit))));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.in_time(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.in_time(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

//! Slow, greedy and many clients against the accept loop.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::routing::{get, post};
use fanvue_bot_axum::{Drained, Limits, serve};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::client::{Client, PATIENCE};

/// A time that a test may wait for.
const SHORT: Duration = Duration::from_millis(200);
/// A time that never passes within a test.
const LONG: Duration = Duration::from_secs(60);

/// Everything is long; a test shortens what it proves.
fn patient() -> Limits {
    let mut limits = Limits::default();
    limits.header = LONG;
    limits.body = LONG;
    limits.write = LONG;
    limits.idle = LONG;
    limits.drain = LONG;
    limits
}

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Drained>,
}

impl Server {
    async fn start(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, router, limits, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            stop: Some(stop),
            task,
        }
    }

    async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn ended(self) -> Drained {
        timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }
}

fn hello() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/me",
            get(|ConnectInfo(me): ConnectInfo<SocketAddr>| async move { me.ip().to_string() }),
        )
        .route(
            "/body",
            post(|request: Request| async move {
                match to_bytes(request.into_body(), 1_000_000).await {
                    Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
                    Err(_) => (StatusCode::REQUEST_TIMEOUT, String::new()),
                }
            }),
        )
}

/// A handler that says when it has begun and waits for a word.
struct Slow {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
    router: Router,
}

fn slow() -> Slow {
    let begun = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let (begin, end) = (Arc::clone(&begun), Arc::clone(&go_on));
    let router = Router::new().route(
        "/slow",
        get(move || async move {
            begin.notify_one();
            end.notified().await;
            "done"
        }),
    );
    Slow {
        begun,
        go_on,
        router,
    }
}

#[tokio::test]
async fn requests_are_answered_on_one_connection_and_know_their_sender() {
    let server = Server::start(hello(), patient()).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.body, "hello");
    assert_eq!(client.get("/me").await.body, "127.0.0.1");
    client
        .send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
        .await;
    assert_eq!(client.answer().await.body, "3");
    client
        .send("GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /me HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.body, "hello");
    assert_eq!(client.answer().await.body, "127.0.0.1");
}

#[tokio::test]
async fn a_dripping_header_is_cut_off() {
    let mut limits = patient();
    limits.header = SHORT;
    let server = Server::start(hello(), limits).await;
    let mut client = server.connect().await;
    let drip = async {
        for byte in "GET / HTTP/1.1\r\nhost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            .bytes()
            .cycle()
        {
            if client.try_send([byte]).await.is_err() {
                break;
            }
            sleep(SHORT / 20).await;
        }
    };
    timeout(PATIENCE, drip).await.unwrap();
}

#[tokio::test]
async fn a_dripping_header_is_cut_off_on_a_used_connection_too() {
    let mut limits = patient();
    limits.header = SHORT;
    let server = Server::start(hello(), limits).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    // Idle is long, header is short: waiting is fine, beginning and not going on is not.
    sleep(SHORT * 2).await;
    assert_eq!(client.get("/").await.status, 200);
    client.send("GET /").await;
    assert!(client.closed().await >= SHORT / 2);
}

#[tokio::test]
async fn a_silent_new_connection_is_closed_after_the_headers_time() {
    let mut limits = patient();
    limits.header = SHORT;
    let server = Server::start(hello(), limits).await;
    server.connect().await.closed().await;
}

#[tokio::test]
async fn an_endless_header_is_refused() {
    let server = Server::start(hello(), patient()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n").await;
    let line = format!("x-filler: {}\r\n", "x".repeat(1_000));
    for _ in 0..100 {
        if client.try_send(&line).await.is_err() {
            break;
        }
    }
    if let Some(answer) = timeout(PATIENCE, client.try_answer()).await.unwrap() {
        assert_eq!(answer.status, 431);
    }
}

#[tokio::test]
async fn a_dripping_body_is_cut_off() {
    let mut limits = patient();
    limits.body = SHORT;
    let server = Server::start(hello(), limits).await;
    let mut client = server.connect().await;
    client
        .send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
        .await;
    let drip = async {
        while client.try_send("x").await.is_ok() {
            sleep(SHORT / 20).await;
        }
    };
    timeout(PATIENCE, drip).await.unwrap();
}

#[tokio::test]
async fn a_handler_is_told_that_the_body_took_too_long_and_may_answer() {
    let mut limits = patient();
    limits.body = SHORT;
    let server = Server::start(hello(), limits).await;
    let mut client = server.connect().await;
    client
        .send("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
        .await;
    assert_eq!(client.answer().await.status, 408);
    client.closed().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let mut limits = patient();
    limits.idle = SHORT;
    let server = Server::start(hello(), limits).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, 200);
        sleep(SHORT / 4).await;
    }
    client.closed().await;
}

#[tokio::test]
async fn a_request_at_the_end_of_the_idle_time_has_the_headers_time() {
    let mut limits = patient();
    limits.idle = SHORT * 3;
    let server = Server::start(hello(), limits).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    sleep(SHORT * 2).await;
    client.send("GET / HTTP/1.1\r\n").await;
    sleep(SHORT * 2).await;
    client.send("host: x\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_slow_handler_is_no_idle_connection() {
    let mut limits = patient();
    (limits.header, limits.body, limits.idle, limits.write) = (SHORT, SHORT, SHORT, SHORT);
    let slow = slow();
    let server = Server::start(slow.router, limits).await;
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    slow.begun.notified().await;
    sleep(SHORT * 3).await;
    slow.go_on.notify_one();
    assert_eq!(client.answer().await.body, "done");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let mut limits = patient();
    limits.write = SHORT;
    let dropped = Arc::new(Notify::new());
    let guard = OnDrop(Arc::clone(&dropped));
    let guard = Arc::new(std::sync::Mutex::new(Some(guard)));
    let router = Router::new().route(
        "/",
        get(move || async move {
            let guard = guard.lock().unwrap().take();
            let endless = futures(guard);
            Body::new(endless)
        }),
    );
    let server = Server::start(router, limits).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    timeout(PATIENCE, dropped.notified()).await.unwrap();
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A body without end.
fn futures(guard: Option<OnDrop>) -> Endless {
    Endless { _guard: guard }
}

struct Endless {
    _guard: Option<OnDrop>,
}

impl hyper::body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Self::Error>>> {
        static CHUNK: [u8; 65_536] = [b'x'; 65_536];
        let frame = hyper::body::Frame::data(bytes::Bytes::from_static(&CHUNK));
        std::task::Poll::Ready(Some(Ok(frame)))
    }
}

#[tokio::test]
async fn an_address_gets_no_more_than_its_share() {
    let mut limits = patient();
    limits.max_connections_per_address = NonZeroUsize::new(2).unwrap();
    let server = Server::start(hello(), limits).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(second.get("/").await.status, 200);
    server.connect().await.closed().await;
    assert_eq!(first.get("/").await.status, 200);
    drop(first);
    // The place is free once the server has seen the end.
    let answered = async {
        loop {
            let mut again = server.connect().await;
            let request = again.try_send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            if request.is_ok() && again.try_answer().await.is_some() {
                break;
            }
        }
    };
    timeout(PATIENCE, answered).await.unwrap();
}

#[tokio::test]
async fn connections_over_the_total_wait_for_a_place() {
    let mut limits = patient();
    limits.max_connections = NonZeroUsize::new(2).unwrap();
    let server = Server::start(hello(), limits).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(second.get("/").await.status, 200);
    let mut third = server.connect().await;
    third.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(timeout(SHORT, third.try_answer()).await.is_err());
    drop(second);
    assert_eq!(third.answer().await.body, "hello");
}

#[tokio::test]
async fn many_connections_come_and_go_without_leaking_places() {
    let mut limits = patient();
    limits.max_connections = NonZeroUsize::new(4).unwrap();
    let server = Server::start(hello(), limits).await;
    for round in 0..100 {
        let mut client = server.connect().await;
        if round % 3 == 0 {
            client.send("GET / HT").await;
        } else {
            assert_eq!(client.get("/").await.status, 200);
        }
    }
}

#[tokio::test]
async fn draining_answers_what_is_in_flight_and_closes_the_rest() {
    let slow = slow();
    let mut server = Server::start(slow.router.merge(hello()), patient()).await;
    let mut fresh = server.connect().await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    slow.begun.notified().await;

    server.stop();
    idle.closed().await;
    fresh.closed().await;
    assert!(
        tokio::net::TcpStream::connect(server.address)
            .await
            .is_err(),
        "the listener is closed while draining"
    );
    slow.go_on.notify_one();
    let answer = busy.answer().await;
    assert_eq!(answer.body, "done");
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    busy.closed().await;
    assert_eq!(server.ended().await.cut, 0);
}

#[tokio::test]
async fn draining_ends_at_its_deadline() {
    let mut limits = patient();
    limits.drain = SHORT;
    let slow = slow();
    let mut server = Server::start(slow.router, limits).await;
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    slow.begun.notified().await;
    server.stop();
    busy.closed().await;
    assert_eq!(server.ended().await.cut, 1);
}

#[tokio::test]
async fn a_handler_that_panics_costs_one_connection() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let router = hello().route(
        "/panic",
        get(|| async {
            assert!(CALLS.fetch_add(1, Ordering::Relaxed) > 9, "on purpose");
        }),
    );
    let mut limits = patient();
    limits.max_connections = NonZeroUsize::new(1).unwrap();
    let server = Server::start(router, limits).await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.closed().await;
    assert_eq!(server.connect().await.get("/").await.status, 200);
}

#[tokio::test]
async fn garbage_is_refused_and_the_server_lives_on() {
    let server = Server::start(hello(), patient()).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(garbage).await;
        client.send("\r\n\r\n").await;
        if let Some(answer) = timeout(PATIENCE, client.try_answer()).await.unwrap() {
            assert!((400..600).contains(&answer.status), "{answer:?}");
        }
    }
    assert_eq!(server.connect().await.get("/").await.status, 200);
}

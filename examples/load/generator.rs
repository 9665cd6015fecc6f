//! Fanvue's side of the wire: signed webhooks over HTTP/1.1 connections that are kept open.
//!
//! It has a thread and a runtime of its own, so that its work does not wait in the server's queues. The
//! HTTP is written by hand: a client library would cost more than the server that it is to measure.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fanvue_bot::time::{Clock as _, SystemClock};
use fanvue_bot::webhook::{SIGNATURE_HEADER, Signer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::people::{People, webhook_secret};
use crate::samples::Samples;

/// What to send, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    pub(crate) people: People,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    /// The number of the first message.
    pub(crate) first: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The numbers of the messages that were answered with 200.
    pub(crate) acknowledged: Vec<u64>,
    /// How many were answered otherwise.
    pub(crate) refused: usize,
    /// From the first byte of a request to the last of its answer.
    pub(crate) times: Samples,
    /// From the first request to the last answer.
    pub(crate) spent: Duration,
    /// The number after the last one that was sent.
    pub(crate) next: u64,
}

/// Keeps each connection busy with one request at a time until the time is over.
pub(crate) async fn send(plan: Plan) -> anyhow::Result<Sent> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("generator".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let sent = match runtime {
                Ok(runtime) => LocalSet::new().block_on(&runtime, send_here(plan)),
                Err(error) => Err(error.into()),
            };
            // Whoever asked may have gone.
            let _ = done.send(sent);
        })?;
    outcome.await.context("the generator's thread has ended")?
}

async fn send_here(plan: Plan) -> anyhow::Result<Sent> {
    let number = Rc::new(Cell::new(plan.first));
    let mut streams = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        let stream = TcpStream::connect(plan.address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let begun = Instant::now();
    let connections: Vec<_> = streams
        .into_iter()
        .map(|stream| {
            let number = Rc::clone(&number);
            tokio::task::spawn_local(connection(plan, stream, number, begun + plan.duration))
        })
        .collect();
    let mut sent = Sent::default();
    for connection in connections {
        let mut one = connection.await??;
        sent.acknowledged.append(&mut one.acknowledged);
        sent.refused += one.refused;
        sent.times.append(&mut one.times);
    }
    sent.spent = begun.elapsed();
    sent.next = number.get();
    Ok(sent)
}

async fn connection(
    plan: Plan,
    mut stream: TcpStream,
    number: Rc<Cell<u64>>,
    end: Instant,
) -> anyhow::Result<Sent> {
    let signer = Signer::new(&webhook_secret())?;
    let mut sent = Sent::default();
    let mut request = Vec::with_capacity(2_048);
    let mut answer = Vec::with_capacity(1_024);
    while Instant::now() < end {
        let this = number.get();
        number.set(this + 1);
        let now = SystemClock.now();
        let body = plan.people.webhook(this, now);
        request.clear();
        request.extend_from_slice(
            format!(
                "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{SIGNATURE_HEADER}: {}\r\ncontent-length: {}\r\n\r\n",
                plan.path,
                plan.address,
                signer.header(now, &body),
                body.len()
            )
            .as_bytes(),
        );
        request.extend_from_slice(&body);
        let begun = Instant::now();
        stream.write_all(&request).await?;
        let status = read_answer(&mut stream, &mut answer).await?;
        sent.times.push(begun.elapsed());
        if status == 200 {
            sent.acknowledged.push(this);
        } else {
            sent.refused += 1;
        }
    }
    Ok(sent)
}

/// Reads one answer to its end and gives its status.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    loop {
        if let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text =
                std::str::from_utf8(&buffer[..head]).context("the answer's head is no text")?;
            let length: usize = text
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(Ok(0), |(_, value)| value.trim().parse())
                .context("the answer's length is no number")?;
            while buffer.len() < head + 4 + length {
                fill(stream, buffer).await?;
            }
            return text_status(&buffer[..head]);
        }
        fill(stream, buffer).await?;
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    let read = stream.read_buf(buffer).await?;
    anyhow::ensure!(
        read > 0,
        "the server closed a connection in the middle of an answer"
    );
    Ok(())
}

fn text_status(head: &[u8]) -> anyhow::Result<u16> {
    std::str::from_utf8(head)?
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the answer has no status")
}

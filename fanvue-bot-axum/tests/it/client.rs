//! A client that can be as slow and as rude as a test wants.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(address))
            .await
            .unwrap()
            .unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await;
        self.answer().await
    }

    /// The next whole answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        timeout(PATIENCE, self.try_answer()).await.unwrap().unwrap()
    }

    /// The next whole answer, or `None` if the connection ends before.
    pub(crate) async fn try_answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.parse() {
                return Some(answer);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.read.extend_from_slice(&chunk[..read]),
            }
        }
    }

    /// Waits for the server to close; returns how long that took.
    pub(crate) async fn closed(&mut self) -> Duration {
        let started = std::time::Instant::now();
        let end = async {
            let mut chunk = [0; 4096];
            while matches!(self.stream.read(&mut chunk).await, Ok(1..)) {}
        };
        timeout(PATIENCE, end).await.unwrap();
        started.elapsed()
    }

    fn parse(&mut self) -> Option<Answer> {
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let head = head.to_ascii_lowercase();
        let (body, length) = if head.contains("transfer-encoding: chunked") {
            unchunked(rest)?
        } else {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            (rest.get(..length)?.to_owned(), length)
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        self.read.drain(..head.len() + 4 + length);
        Some(Answer { status, head, body })
    }
}

/// The text of a body in chunks and how long it is with their frames; `None` while it is not whole.
fn unchunked(mut rest: &str) -> Option<(String, usize)> {
    let (mut body, whole) = (String::new(), rest.len());
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix("\r\n")?;
        if size == 0 {
            return Some((body, whole - rest.len()));
        }
    }
}

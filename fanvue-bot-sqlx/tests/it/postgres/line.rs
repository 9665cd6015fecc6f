//! A line between processes that a test can cut: TCP in, TCP or a Unix socket out.

#![allow(
    dead_code,
    reason = "each of the test binaries that share this file uses a part"
)]

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where a line ends.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What becomes of what is put into a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// Connections are taken and nothing comes through, as on a network that lost its way.
    Silent,
    /// No connection is taken.
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// The one of the next connection.
    generation: u64,
    /// Connections of earlier generations are reset.
    reset: u64,
    /// On connections of earlier generations nothing comes through any more.
    lost: u64,
}

#[derive(Debug)]
pub(crate) struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Line {
    /// A line to these ends in turn; one that does not take a connection is passed over.
    pub(crate) async fn to(ends: Vec<End>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let open = State {
            mode: Mode::Open,
            generation: 0,
            reset: 0,
            lost: 0,
        };
        let (state, seen) = watch::channel(open);
        let task = tokio::spawn(serve(listener, ends.into(), seen));
        Ok(Self {
            address,
            state,
            task,
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// Resets all connections.
    pub(crate) fn reset(&self) {
        self.state.send_modify(|state| {
            state.generation += 1;
            state.reset = state.generation;
        });
    }

    /// Loses all connections without a word to either side. New ones work.
    pub(crate) fn lose(&self) {
        self.state.send_modify(|state| {
            state.generation += 1;
            state.lost = state.generation;
        });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, ends: Arc<[End]>, state: watch::Receiver<State>) {
    for first in 0_usize.. {
        let Ok((near, _)) = listener.accept().await else {
            return;
        };
        let (ends, state) = (Arc::clone(&ends), state.clone());
        tokio::spawn(async move {
            // That a connection ends with an error is what its two sides are told by its end.
            let _ended = join(near, &ends, first, state).await;
        });
    }
}

async fn join(
    mut near: TcpStream,
    ends: &[End],
    first: usize,
    state: watch::Receiver<State>,
) -> io::Result<()> {
    let State {
        mode, generation, ..
    } = *state.borrow();
    if mode == Mode::Closed {
        return near.set_zero_linger();
    }
    let mut resets = state.clone();
    let carried = async {
        let far = connect(ends, first).await?;
        let (far_reads, far_writes) = tokio::io::split(far);
        let (near_reads, near_writes) = near.split();
        tokio::try_join!(
            carry(near_reads, far_writes, state.clone(), generation),
            carry(far_reads, near_writes, state.clone(), generation),
        )
    };
    let ended = tokio::select! {
        ended = carried => ended.is_ok(),
        _ = resets.wait_for(|state| state.reset > generation) => false,
    };
    if ended {
        Ok(())
    } else {
        near.set_zero_linger()
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(ends: &[End], first: usize) -> io::Result<Box<dyn Stream>> {
    let mut result = Err(io::ErrorKind::ConnectionRefused.into());
    for end in ends
        .iter()
        .cycle()
        .skip(first % ends.len())
        .take(ends.len())
    {
        let connected: io::Result<Box<dyn Stream>> = match end {
            End::Tcp(address) => TcpStream::connect(address)
                .await
                .map(|far| Box::new(far) as _),
            End::Unix(path) => UnixStream::connect(path)
                .await
                .map(|far| Box::new(far) as _),
        };
        if connected.is_ok() {
            return connected;
        }
        result = connected;
    }
    result
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    generation: u64,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        // What is under way when the line falls silent arrives when it is open again, or never.
        if !heard(&mut state, generation).await {
            return Ok(());
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// Waits until the line carries something on a connection of this generation; false if that will not be.
async fn heard(state: &mut watch::Receiver<State>, generation: u64) -> bool {
    let carries = state.wait_for(|state| state.mode != Mode::Silent && state.lost <= generation);
    carries.await.is_ok()
}

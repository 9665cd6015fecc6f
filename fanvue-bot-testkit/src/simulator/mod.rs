//! A Fanvue that runs on your machine.
//!
//! Two layers, usable apart:
//!
//! - [`world`]: the platform as a pure, synchronous, deterministic state machine. No sockets, no
//!   runtime, no clock of its own; each operation takes the time as a value and costs
//!   microseconds. Use it for simulated days in process (feature `simulator-world`).
//! - [`Simulator`] (feature `simulator`): that world behind HTTP, with Fanvue's authorization
//!   server, both families of its API, signed webhooks with retries, and switches for everything
//!   that can go wrong. It is driven in process through its [`Handle`], and from other processes
//!   through `/_sim/...`, of which `GET /_sim` gives the list.
//!
//! What the simulator does not know is what nobody outside Fanvue knows. Where the public
//! documentation is silent, it takes the case that is harder for a client.

#[cfg(feature = "simulator")]
mod server;
pub mod world;

#[cfg(feature = "simulator")]
pub use server::{
    API_VERSION, Builder, ConsentMode, Handle, RequestRecord, Simulator, StoredMessage, Tokens,
};

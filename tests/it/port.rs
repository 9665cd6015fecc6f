//! Ports for processes that are ended and started again.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Where this process looks next; others, such as a second run of the tests, begin elsewhere.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let place = uuid::Uuid::new_v4().as_u128() % 10_000;
    AtomicU16::new(20_000 + u16::try_from(place).unwrap_or_default())
});

/// A port that a process can serve at again and again, given out once. Not one that the system picks: while the
/// process is down, such a port may be picked for somebody else's connection.
pub(crate) fn free() -> u16 {
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_000, "of some thousand ports one is free");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

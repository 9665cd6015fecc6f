//! How many connections an address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections per address. An entry lives as long as a connection, so the total cap bounds the
/// table.
#[derive(Debug, Clone)]
pub(super) struct PerAddress {
    most: NonZeroUsize,
    open: Arc<Mutex<HashMap<u128, usize>>>,
}

/// One connection's count; given back on drop.
#[derive(Debug)]
pub(super) struct Share {
    key: u128,
    open: Arc<Mutex<HashMap<u128, usize>>>,
}

impl PerAddress {
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    /// One more connection of this address, or `None` if it has its share.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Share> {
        let key = key(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_insert(0);
        if *count >= self.most.get() {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Share {
            key,
            open: Arc::clone(&self.open),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

/// One host as a rule has one IPv4 address or a whole IPv6 /64.
fn key(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_and_leaves_no_trace() {
        let caps = PerAddress::new(NonZeroUsize::new(2).unwrap());
        let address = "192.0.2.1".parse().unwrap();
        let first = caps.enter(address).unwrap();
        let second = caps.enter("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(caps.enter(address).is_none());
        assert!(caps.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(caps.enter(address).is_some());
        drop(second);
        assert!(caps.open.lock().unwrap().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_host() {
        let caps = PerAddress::new(NonZeroUsize::MIN);
        let _share = caps.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert!(caps.enter("2001:db8::ffff".parse().unwrap()).is_none());
        assert!(caps.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}

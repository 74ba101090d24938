//! Failed attempts to get in, counted by where they come from.
//!
//! No crate for this: the well-kept ones keep every address that they have ever
//! seen, or count whoever has a token, too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that an address has at once.
const AT_ONCE: u32 = 10;

/// After that, one more each time that so much has passed.
const ONE_EACH: Duration = Duration::from_secs(6);

/// Addresses that are remembered; beyond, the one that is forgiven first is
/// forgotten.
const MAX_ADDRESSES: usize = 4_096;

/// Failed attempts, by address.
#[derive(Debug, Default)]
pub struct FailedAttempts(Mutex<HashMap<IpAddr, Instant>>);

impl FailedAttempts {
    /// Counts a failure.
    ///
    /// # Errors
    ///
    /// When there were too many from there: how long until the next one.
    pub(super) fn count(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        // When all failures of an address will be forgiven (the algorithm GCRA).
        let mut forgiven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(peer);
        let at = forgiven.get(&address).copied().unwrap_or(now).max(now) + ONE_EACH;
        let most = now + ONE_EACH * AT_ONCE;
        if at > most {
            return Err(at - most);
        }
        if forgiven.len() >= MAX_ADDRESSES && !forgiven.contains_key(&address) {
            let first = forgiven.iter().min_by_key(|(_, at)| **at);
            if let Some(first) = first.map(|(address, _)| *address) {
                forgiven.remove(&first);
            }
        }
        forgiven.insert(address, at);
        Ok(())
    }
}

/// What one peer can choose addresses from: over IPv6, the last 64 bits.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_then_one_each_six_seconds() {
        let failures = FailedAttempts::default();
        let start = Instant::now();
        let [here, there]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|it| it.parse().unwrap());
        for _ in 0..AT_ONCE {
            failures.count(here, start).unwrap();
        }
        assert_eq!(failures.count(here, start), Err(ONE_EACH));
        assert_eq!(failures.count(there, start), Ok(()));
        let soon = start + ONE_EACH / 2;
        assert_eq!(failures.count(here, soon), Err(ONE_EACH / 2));
        let later = start + ONE_EACH;
        assert_eq!(failures.count(here, later), Ok(()));
        assert!(failures.count(here, later).is_err());
        let much_later = start + ONE_EACH * 100;
        for _ in 0..AT_ONCE {
            failures.count(here, much_later).unwrap();
        }
        assert!(failures.count(here, much_later).is_err());
    }

    #[test]
    fn a_network_is_one_peer_and_memory_is_bounded() {
        let failures = FailedAttempts::default();
        let now = Instant::now();
        for host in 0..AT_ONCE {
            let peer = format!("2001:db8::{host:x}").parse().unwrap();
            failures.count(peer, now).unwrap();
        }
        assert!(
            failures
                .count("2001:db8::ffff".parse().unwrap(), now)
                .is_err()
        );
        assert!(
            failures
                .count("2001:db8:0:1::1".parse().unwrap(), now)
                .is_ok()
        );
        for n in 0..2 * MAX_ADDRESSES as u32 {
            failures.count(IpAddr::from(n.to_be_bytes()), now).unwrap();
        }
        assert_eq!(failures.0.lock().unwrap().len(), MAX_ADDRESSES);
        // Those that failed most are not forgotten for those that failed once.
        assert!(failures.count("2001:db8::1".parse().unwrap(), now).is_err());
    }
}

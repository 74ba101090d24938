//! The work behind the routes, compiled into the native peers and, by
//! `#[path]`, into the bench's guest: both run the same source.

/// How many primes lie below `limit`, by trial division: work that native code
/// and WebAssembly do at nearly the same speed, since division dominates it.
pub(crate) fn count_primes(limit: u32) -> usize {
    (2..limit).filter(|&candidate| is_prime(candidate)).count()
}

fn is_prime(candidate: u32) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= candidate {
        if candidate.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    true
}

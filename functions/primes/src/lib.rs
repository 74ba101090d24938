//! Counts primes: work for a plain `fn`.
//!
//! As an `async fn` it would keep its instance's other requests waiting for as
//! long as it computes. As a plain `fn` it runs on the blocking lane, and
//! everyone else is served meanwhile.

use dunlin::prelude::*;

/// The answer.
#[model]
#[derive(PartialEq)]
struct Primes {
    n: u32,
    count: usize,
}

/// What is asked for.
#[model]
struct Below {
    /// At the most about a second's work, and 50 MB of memory.
    #[field(le = 50_000_000)]
    n: u32,
}

/// Counts the primes below `n`.
#[get("/{n}")]
fn primes(Path(Below { n }): Path<Below>) -> Json<Primes> {
    Json(Primes {
        n,
        count: count(n as usize),
    })
}

/// The sieve of Eratosthenes.
fn count(n: usize) -> usize {
    let mut composite = vec![false; n];
    let mut primes = 0;
    for candidate in 2..n {
        if composite[candidate] {
            continue;
        }
        primes += 1;
        if let Some(square) = candidate.checked_mul(candidate) {
            for multiple in (square..n).step_by(candidate) {
                composite[multiple] = true;
            }
        }
    }
    primes
}

dunlin::app![primes];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::block_on;

    #[test]
    fn counts() {
        assert_eq!(
            [0, 2, 3, 10, 100, 100_000].map(count),
            [0, 0, 1, 4, 25, 9592]
        );
    }

    #[test]
    fn too_large_a_number_is_the_callers_mistake() {
        let answer = block_on(app().call(Request::get("/50000001")));
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
}

//! The work behind the routes, compiled into the native peers and, by
//! `#[path]`, into the bench's guest: both run the same source.

use serde::{Deserialize, Serialize};

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

/// What the echo route parses and serialises again: about 1 KB as JSON.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) customer: Customer,
    pub(crate) items: Vec<Item>,
    pub(crate) express: bool,
    pub(crate) discount: Option<f64>,
    pub(crate) note: String,
}

/// Part of [`Order`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) street: String,
    pub(crate) city: String,
}

/// Part of [`Order`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Item {
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) quantity: u32,
    pub(crate) price: f64,
}

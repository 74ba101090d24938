//! When a handler is an `async fn`, and when a plain `fn`.

use dunlin::prelude::*;
use std::time::Duration;

/// Asks a slow service, and waits.
#[get("/stock/{item}")]
async fn stock(item: String) -> String {
    dunlin::sleep(Duration::from_secs(2)).await;
    format!("3 of {item}")
}

/// Finds the prime factors of a number: it computes, and never waits.
#[get("/factors/{n}")]
fn factors(#[path(ge = 1)] mut n: u64) -> Json<Vec<u64>> {
    let mut found = Vec::new();
    let mut divisor = 2;
    while divisor * divisor <= n {
        while n.is_multiple_of(divisor) {
            found.push(divisor);
            n /= divisor;
        }
        divisor += 1;
    }
    if n > 1 {
        found.push(n);
    }
    Json(found)
}

dunlin::app![stock, factors];

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin::testing::block_on;
    use dunlin::time::Instant;

    #[test]
    fn callers_wait_side_by_side() {
        let took = block_on(async {
            let start = Instant::now();
            dunlin::join_all((0..100).map(|_| stock("tea".into()))).await;
            start.elapsed()
        });
        assert_eq!(took, Duration::from_secs(2));
    }
}

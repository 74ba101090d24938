//! A function that computes. A plain `fn` runs on the host's blocking lane,
//! where it keeps nobody else waiting. As an `async fn` the same code would
//! hold up its event loop, until the host moves it.

use dunlin::prelude::*;

/// Says what it can do: this one only answers, so it is an `async fn`.
#[get("/")]
async fn index() -> &'static str {
    "{{name}} finds the prime factors of a number: try /factors/600851475143"
}

/// The prime factors of `n`, by trial division.
#[get("/factors/{n}")]
fn factors(n: u64) -> Json<Factors> {
    let factors = factorize(n);
    Json(Factors { n, factors })
}

#[model]
struct Factors {
    n: u64,
    factors: Vec<u64>,
}

fn factorize(mut n: u64) -> Vec<u64> {
    let mut factors = Vec::new();
    let mut divisor = 2;
    while n > 1 {
        while n % divisor == 0 {
            factors.push(divisor);
            n /= divisor;
        }
        divisor += 1;
        if n > 1 && divisor > n / divisor {
            // What is left has no smaller factor.
            divisor = n;
        }
    }
    factors
}

dunlin::app![index, factors];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_multiply_to_the_number() {
        assert_eq!(factorize(600_851_475_143), [71, 839, 1_471, 6_857]);
        assert_eq!([factorize(0), factorize(1)], [[0; 0]; 2]);
        assert_eq!(factorize(97), [97]);
    }
}

//! Sending a request again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, SystemTime};

use futures::future::LocalBoxFuture;
use http::{Method, StatusCode};

use super::{Fetch, FetchError};
use crate::response::Response;
use crate::time::sleep;

/// How often and when a request is sent again; [`Fetch::retry`] takes it.
///
/// ```no_run
/// # use dunlin::prelude::*;
/// use dunlin::fetch::{self, Retry};
/// use std::time::Duration;
///
/// # async fn example() -> Result<(), Error> {
/// let answer = fetch::get("https://api.example.com/items").retry(3).send().await?;
///
/// let patient = Retry::times(5).longest_wait(Duration::from_secs(20)).any_method();
/// let answer = fetch::post("https://api.example.com/items").retry(patient).send().await?;
/// # Ok(())
/// # }
/// ```
///
/// - What may pass: no connection, no name, a timeout, a peer that broke off,
///   and the statuses 408, 425, 429, 500, 502, 503 and 504. When it has not
///   passed after the last attempt, its outcome is the outcome.
/// - Only methods that may be repeated by their nature (RFC 9110, section
///   9.2.2: not `POST` and `PATCH`) are, unless
///   [`any_method`](Retry::any_method) says so; and only where the body is no
///   stream.
/// - The waits double from the first to the longest, and a random part of up
///   to a half is taken off each, so that many who fail at once do not come
///   back at once. A `retry-after` of the answer makes a wait longer; one that
///   asks for more than the longest wait ends it.
/// - Each attempt is one of the invocation's outgoing requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    times: u32,
    first_wait: Duration,
    longest_wait: Duration,
    any_method: bool,
}

impl From<u32> for Retry {
    fn from(times: u32) -> Self {
        Retry::times(times)
    }
}

impl Retry {
    /// Up to so many attempts after the first, with waits from 100 ms to 10 s.
    #[must_use]
    pub const fn times(times: u32) -> Self {
        Retry {
            times,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(10),
            any_method: false,
        }
    }

    /// The wait before the second attempt. Default: 100 ms.
    #[must_use]
    pub const fn first_wait(mut self, wait: Duration) -> Self {
        self.first_wait = wait;
        self
    }

    /// No wait is longer. Default: 10 s.
    #[must_use]
    pub const fn longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// Whatever the method: the other side must not mind the same request
    /// twice.
    #[must_use]
    pub const fn any_method(mut self) -> Self {
        self.any_method = true;
        self
    }

    fn fits(self, method: &Method) -> bool {
        self.any_method || method.is_idempotent()
    }

    /// How long to wait after this outcome; `None` if it is final.
    fn pause(self, attempt: u32, outcome: &Result<Response, FetchError>) -> Option<Duration> {
        let asked = match outcome {
            Ok(answer) if may_pass(answer.status()) => retry_after(answer).unwrap_or_default(),
            Ok(_) => return None,
            Err(
                FetchError::Connect(_)
                | FetchError::Dns(_)
                | FetchError::Timeout(_)
                | FetchError::Protocol(_),
            ) => Duration::ZERO,
            Err(_) => return None,
        };
        let doubled = 2_u32.saturating_pow(attempt);
        let own = self.first_wait.saturating_mul(doubled);
        let own = own.min(self.longest_wait).mul_f64(1.0 - random() / 2.0);
        Some(own.max(asked)).filter(|_| asked <= self.longest_wait)
    }
}

/// From 0 to 1. The standard library seeds its maps with what the host's
/// random numbers give.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
}

fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(answer: &Response) -> Option<Duration> {
    let text = answer.headers().get("retry-after")?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

pub(super) fn send(
    mut fetch: Fetch,
    retry: Retry,
) -> LocalBoxFuture<'static, Result<Response, FetchError>> {
    Box::pin(async move {
        if retry.fits(&fetch.method) {
            for attempt in 0..retry.times {
                let Some(again) = fetch.again() else { break };
                let outcome = fetch.send_once().await;
                let Some(pause) = retry.pause(attempt, &outcome) else {
                    return outcome;
                };
                // Lets go of the connection.
                drop(outcome);
                sleep(pause).await;
                fetch = again;
            }
        }
        fetch.send_once().await
    })
}

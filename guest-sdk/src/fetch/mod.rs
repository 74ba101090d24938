//! Outgoing requests.
//!
//! ```no_run
//! # use dunlin::prelude::*;
//! # async fn example() -> Result<(), Error> {
//! let answer = dunlin::fetch::get("https://api.example.com/items")
//!     .query("limit", "10")
//!     .header("accept", "application/json")
//!     .send()
//!     .await?;
//! let items: Vec<String> = answer.json().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Where the other side may be down for a moment, add `.retry(3)`: [`Retry`].
//!
//! A function may reach only the hosts that its `dunlin.toml` allows below
//! `[egress]`. Redirects are not followed. Dropping a call cancels it.

mod retry;

use std::time::Duration;

use futures::future::LocalBoxFuture;
use http::Method;
use serde::Serialize;

use crate::body::{Body, Kind};
use crate::headers::Headers;
use crate::json;
use crate::platform;
use crate::request::Request;
use crate::response::Response;
use crate::time::timeout;

pub use retry::Retry;

/// A `GET` request to `url`.
pub fn get(url: impl Into<String>) -> Fetch {
    request(Method::GET, url)
}

/// A `POST` request to `url`.
pub fn post(url: impl Into<String>) -> Fetch {
    request(Method::POST, url)
}

/// A `PUT` request to `url`.
pub fn put(url: impl Into<String>) -> Fetch {
    request(Method::PUT, url)
}

/// A `PATCH` request to `url`.
pub fn patch(url: impl Into<String>) -> Fetch {
    request(Method::PATCH, url)
}

/// A `DELETE` request to `url`.
pub fn delete(url: impl Into<String>) -> Fetch {
    request(Method::DELETE, url)
}

/// A request with any method to `url`, an absolute `http` or `https` URL.
pub fn request(method: Method, url: impl Into<String>) -> Fetch {
    Fetch {
        method,
        url: url.into(),
        headers: Headers::new(),
        body: Body::empty(),
        limit: None,
        retry: None,
        broken: None,
    }
}

/// An outgoing request that is not sent yet.
#[derive(Debug)]
#[must_use = "nothing is sent before `.send().await`"]
pub struct Fetch {
    method: Method,
    url: String,
    headers: Headers,
    body: Body,
    limit: Option<Duration>,
    /// With the function that does it, so that only who retries contains it.
    retry: Option<(Retry, SendAgain)>,
    /// What went wrong while building; told by `send`.
    broken: Option<FetchError>,
}

type SendAgain = fn(Fetch, Retry) -> LocalBoxFuture<'static, Result<Response, FetchError>>;

impl Fetch {
    /// Adds a header field.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Adds `authorization: Bearer …`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds a pair to the URL's query, encoded as it must be.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let (url, fragment) = match self.url.split_once('#') {
            Some((url, fragment)) => (url.to_owned(), Some(fragment)),
            None => (self.url.clone(), None),
        };
        let start = url.len() + 1;
        let mark = if url.contains('?') { '&' } else { '?' };
        let mut pairs = form_urlencoded::Serializer::for_suffix(url + &mark.to_string(), start);
        pairs.append_pair(name, value);
        let mut url = pairs.finish();
        if let Some(fragment) = fragment {
            url.push('#');
            url.push_str(fragment);
        }
        self.url = url;
        self
    }

    /// Sets the body, whole or streamed.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to `value` as JSON, with its `content-type`.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match json::to_vec(value) {
            Ok(body) => {
                self.headers.insert("content-type", "application/json");
                self.body = body.into();
            }
            Err(error) => self.broken = Some(FetchError::Json(error)),
        }
        self
    }

    /// Limits the time until the response's head is in, of each attempt where
    /// there are several. Default: none, but the invocation's own deadline
    /// holds.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sends the request again when it fails in a way that may pass: `.retry(3)`
    /// up to three times, or as a [`Retry`] says.
    pub fn retry(mut self, retry: impl Into<Retry>) -> Self {
        self.retry = Some((retry.into(), retry::send));
        self
    }

    /// Sends the request. Resolves when the response's head is in; the body
    /// comes as it is read. A status of 400 or more is an answer, not an
    /// error.
    ///
    /// # Errors
    /// If no response came: see [`FetchError`].
    pub async fn send(mut self) -> Result<Response, FetchError> {
        match self.retry.take() {
            Some((retry, send)) => send(self, retry).await,
            None => self.send_once().await,
        }
    }

    async fn send_once(self) -> Result<Response, FetchError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let method = self.method.as_str().to_owned();
        let request = Request::assemble(method, self.url, self.headers, self.body);
        match self.limit {
            None => platform::fetch(request).await,
            Some(limit) => match timeout(limit, platform::fetch(request)).await {
                Ok(answer) => answer,
                Err(elapsed) => Err(FetchError::Timeout(elapsed.to_string())),
            },
        }
    }

    /// The same request once more, unless its body is a stream, which can be
    /// sent only once.
    fn again(&self) -> Option<Fetch> {
        let (Kind::Bytes(body), None) = (&self.body.0, &self.broken) else {
            return None;
        };
        Some(Fetch {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: body.clone().into(),
            limit: self.limit,
            retry: None,
            broken: None,
        })
    }
}

/// Why no response came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The function's egress policy refuses the address; the text says which
    /// setting would allow it.
    #[error("refused by the egress policy: {0}")]
    Denied(String),
    /// URL, method or a header is not valid.
    #[error("not a valid request: {0}")]
    InvalidRequest(String),
    /// The name does not resolve.
    #[error("the name does not resolve: {0}")]
    Dns(String),
    /// No connection, or no TLS session, could be made.
    #[error("no connection: {0}")]
    Connect(String),
    /// It took too long: the host's limit, or that of [`Fetch::timeout`].
    #[error("timed out: {0}")]
    Timeout(String),
    /// The peer broke HTTP, or went away before its response's head.
    #[error("the peer broke off: {0}")]
    Protocol(String),
    /// The invocation has used up its outgoing requests.
    #[error("too many outgoing requests: {0}")]
    TooManyRequests(String),
    /// The value given to [`Fetch::json`] cannot be written as JSON.
    #[error("the body cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// There is no host to send it: the function runs natively, in a test that
    /// answers no request to this URL.
    #[error(
        "there is no network in native tests: answer `{0}` with `client.on_fetch(…)` of \
         `dunlin::testing::TestClient`"
    )]
    NoHost(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_pairs_are_encoded_and_appended() {
        let fetch = get("http://a/b#c").query("q", "x y&z").query("n", "1");
        assert_eq!(fetch.url, "http://a/b?q=x+y%26z&n=1#c");
        assert_eq!(
            get("http://a/?x=1").query("y", "2").url,
            "http://a/?x=1&y=2"
        );
    }

    #[test]
    fn natively_there_is_no_network() {
        let answer = crate::testing::block_on(get("http://localhost/").send());
        assert!(matches!(answer, Err(FetchError::NoHost(_))));
    }
}

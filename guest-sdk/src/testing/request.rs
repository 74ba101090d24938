//! A test's request.

use serde::Serialize;

use super::body::{TestBody, encoded};
use super::client::TestClient;
use super::response::TestResponse;
use super::socket::TestSocket;
use crate::body::Body;
use crate::headers::Headers;
use crate::request::Request;

/// A request that is not sent yet. [`TestClient::get`] and its siblings make
/// it.
#[derive(Debug)]
#[must_use = "nothing is sent before `.send()`"]
pub struct TestRequest<'c> {
    client: &'c TestClient,
    method: String,
    target: String,
    headers: Headers,
    body: TestBody,
}

impl<'c> TestRequest<'c> {
    pub(super) fn new(client: &'c TestClient, method: &str, target: &str) -> Self {
        assert!(
            target.starts_with('/'),
            "`{target}` is no path of the function: it begins with `/`, below the mount"
        );
        TestRequest {
            client,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Headers::new(),
            body: TestBody::Empty,
        }
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Adds `authorization: Bearer …`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds a cookie to this request alone; see [`TestClient::set_cookie`].
    pub fn cookie(self, name: &str, value: &str) -> Self {
        self.header("cookie", format!("{name}={value}"))
    }

    /// Adds to the query: pairs such as `&[("limit", "3")]`, or a struct.
    ///
    /// # Panics
    /// If that cannot be written as a query.
    #[track_caller]
    pub fn query<T: Serialize + ?Sized>(mut self, pairs: &T) -> Self {
        let pairs = encoded("query", pairs);
        if !pairs.is_empty() {
            self.target += if self.target.contains('?') { "&" } else { "?" };
            self.target += &pairs;
        }
        self
    }

    /// Sets the body to `value` as JSON, with its `content-type`.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.body = TestBody::json(value);
        self
    }

    /// Sets the body to a form's fields, with its `content-type`: pairs, or a
    /// struct.
    ///
    /// # Panics
    /// If that cannot be written as a form.
    #[track_caller]
    pub fn form<T: Serialize + ?Sized>(mut self, fields: &T) -> Self {
        self.body = TestBody::form(fields);
        self
    }

    /// Adds a field to a multipart form, which becomes the body.
    pub fn part(mut self, name: &str, value: &str) -> Self {
        self.body.push_part(name, None, value.as_bytes());
        self
    }

    /// Adds a file to a multipart form, which becomes the body.
    pub fn file(
        mut self,
        name: &str,
        file_name: &str,
        content_type: &str,
        content: impl AsRef<[u8]>,
    ) -> Self {
        let file = Some((file_name, content_type));
        self.body.push_part(name, file, content.as_ref());
        self
    }

    /// Sets the body as it is, whole or streamed, without a `content-type`.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = TestBody::Whole {
            content_type: None,
            body: body.into(),
        };
        self
    }

    /// Sends the request, and waits for the answer's head. Redirects are not
    /// followed.
    ///
    /// # Panics
    /// In a real host: if no answer comes.
    #[track_caller]
    pub fn send(self) -> TestResponse {
        let (client, request) = self.finish();
        client.send(request)
    }

    /// Opens a WebSocket: `client.get("/chat").websocket().unwrap()`.
    ///
    /// ```
    /// # use dunlin::prelude::*;
    /// # use dunlin::testing::TestClient;
    /// #[websocket("/echo")]
    /// async fn echo(mut socket: WebSocket) -> Result<(), Error> {
    ///     while let Some(message) = socket.recv().await? {
    ///         socket.send(message).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// dunlin::app![echo];
    ///
    /// # fn main() {
    /// let client = TestClient::new(app());
    /// let mut socket = client.get("/echo").websocket().unwrap();
    /// socket.send("tea");
    /// assert_eq!(socket.recv_text(), "tea");
    /// socket.close(1000, "");
    /// # }
    /// ```
    ///
    /// # Errors
    /// The answer, when no WebSocket is opened.
    ///
    /// # Panics
    /// In a real host: if no answer comes.
    #[track_caller]
    #[allow(
        clippy::result_large_err,
        reason = "a test's answer, as `send` gives it"
    )]
    pub fn websocket(self) -> Result<TestSocket, TestResponse> {
        let (client, request) = self.finish();
        client.open(request)
    }

    #[track_caller]
    fn finish(self) -> (&'c TestClient, Request) {
        let mut headers = self.client.headers_for(&self.headers, &self.target);
        let (content_type, body) = self.body.finish();
        if let Some(content_type) = content_type
            && !self.headers.contains("content-type")
        {
            headers.insert("content-type", content_type);
        }
        let request = Request::assemble(self.method, self.target, headers, body);
        (self.client, request)
    }
}

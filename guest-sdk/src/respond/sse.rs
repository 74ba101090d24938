//! Server-sent events, by the HTML standard.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::stream::{Stream, StreamExt as _};
use serde::Serialize;

use super::IntoResponse;
use super::stream::StreamItem;
use super::text::TEXT;
use crate::body::Body;
use crate::error::Error;
use crate::json;
use crate::openapi::{Operation, Schema};
use crate::response::{Response, content_type};
use crate::time::sleep;

/// Proxies and phones cut what was silent for 30 to 60 seconds.
const PING_AFTER: Duration = Duration::from_secs(15);

/// A stream of server-sent events, for a browser's `EventSource`.
///
/// ```
/// # use dunlin::prelude::*;
/// use dunlin::stream::{self, Stream, StreamExt as _};
/// #[get("/prices")]
/// async fn prices() -> Sse<impl Stream<Item = Event>> {
///     Sse::new(stream::iter([1, 2, 3]).map(|price| Event::new().event("price").json(&price)))
/// }
/// ```
///
/// While nothing is sent, a comment goes out every 15 seconds, so that nobody on
/// the way takes the connection for dead. The stream is dropped when the client
/// goes. A client that comes back says what it saw last:
/// [`LastEventId`](crate::extract::LastEventId).
#[derive(Debug, Clone, Copy)]
pub struct Sse<S> {
    events: S,
    ping_after: Option<Duration>,
}

impl<S> Sse<S> {
    /// The events of this stream, with a ping after 15 silent seconds.
    pub fn new(events: S) -> Self {
        Sse {
            events,
            ping_after: Some(PING_AFTER),
        }
    }

    /// A ping after this long a silence.
    #[must_use]
    pub fn ping_after(mut self, silence: Duration) -> Self {
        self.ping_after = Some(silence);
        self
    }

    /// No pings.
    #[must_use]
    pub fn without_pings(mut self) -> Self {
        self.ping_after = None;
        self
    }
}

impl<S: Stream<Item: StreamItem<AsEvent>> + 'static> IntoResponse for Sse<S> {
    fn into_response(self) -> Response {
        let events = self.events.map(StreamItem::write);
        let body = match self.ping_after {
            Some(silence) => Body::stream(Pinging {
                events: Box::pin(events),
                silence,
                ping: None,
            }),
            None => Body::stream(events),
        };
        Response::with_section(content_type!("text/event-stream"), body)
            .with_header("cache-control", "no-cache")
            // nginx would hold the events back.
            .with_header("x-accel-buffering", "no")
    }

    fn describe(operation: &mut Operation) {
        let schema = S::Item::schema(operation);
        operation.success_of("text/event-stream", Some(schema));
    }
}

/// Events, and comments while there are none.
struct Pinging<S> {
    events: Pin<Box<S>>,
    silence: Duration,
    /// The wait for the next ping; `None` when something was just sent.
    ping: Option<LocalBoxFuture<'static, ()>>,
}

impl<S: Stream<Item = Result<Vec<u8>, Error>>> Stream for Pinging<S> {
    type Item = Result<Vec<u8>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(event) = this.events.as_mut().poll_next(context) {
            this.ping = None;
            return Poll::Ready(event);
        }
        let silence = this.silence;
        let ping = this.ping.get_or_insert_with(|| Box::pin(sleep(silence)));
        if ping.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        this.ping = None;
        Poll::Ready(Some(Ok(b": ping\n\n".to_vec())))
    }
}

/// A server-sent event; each part is left out unless you say it.
#[derive(Debug, Default)]
pub struct Event {
    text: String,
    /// Why its data could not be written.
    failure: Option<Error>,
}

impl Event {
    /// An event without data, which browsers ignore.
    #[must_use]
    pub fn new() -> Self {
        Event::default()
    }

    /// With this data, which may have several lines.
    #[must_use]
    pub fn data(mut self, data: impl AsRef<str>) -> Self {
        for line in lines(data.as_ref()) {
            self.push("data", line);
        }
        self
    }

    /// With this value as its data, as JSON. One that cannot be written ends
    /// the stream as a failure, with a log line.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match json::to_string(value) {
            Ok(json) => self.data(json),
            Err(error) => {
                self.failure = Some(error.into());
                self
            }
        }
    }

    /// Of this type: the name that a page listens for. Only its first line
    /// counts.
    #[must_use]
    pub fn event(mut self, name: impl AsRef<str>) -> Self {
        self.push("event", first_line(name.as_ref()));
        self
    }

    /// With this id, which a client that comes back names. Only its first line
    /// counts; one with a NUL is left out, as browsers ignore it.
    #[must_use]
    pub fn id(mut self, id: impl ToString) -> Self {
        let id = id.to_string();
        if !id.contains('\0') {
            self.push("id", first_line(&id));
        }
        self
    }

    /// A client that loses the connection comes back after this long, in whole
    /// milliseconds.
    #[must_use]
    pub fn retry(mut self, after: Duration) -> Self {
        self.push("retry", &after.as_millis().to_string());
        self
    }

    /// With a comment, which nobody sees.
    #[must_use]
    pub fn comment(mut self, text: impl AsRef<str>) -> Self {
        for line in lines(text.as_ref()) {
            self.push("", line);
        }
        self
    }

    fn push(&mut self, field: &str, value: &str) {
        for part in [field, ": ", value, "\n"] {
            self.text.push_str(part);
        }
    }
}

/// The lines, by the standard's three ways to end one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            return rest.take();
        };
        let (line, after) = text.split_at(end);
        let after = after.strip_prefix("\r\n").unwrap_or(&after[1..]);
        rest = Some(after);
        Some(line)
    })
}

fn first_line(text: &str) -> &str {
    lines(text).next().unwrap_or_default()
}

/// Marks items of [`Sse`].
#[derive(Debug)]
pub enum AsEvent {}

impl StreamItem<AsEvent> for Event {
    fn write(mut self) -> Result<Vec<u8>, Error> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.text.push('\n');
        Ok(self.text.into_bytes())
    }

    fn schema(_: &mut Operation) -> Schema {
        Schema::text(TEXT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: Event) -> String {
        String::from_utf8(event.write().unwrap()).unwrap()
    }

    #[test]
    fn an_event_is_written_line_by_line() {
        let event = Event::new()
            .event("price")
            .id(7)
            .retry(Duration::from_secs(2))
            .comment("note")
            .data("one\ntwo\r\nthree\rfour\n");
        assert_eq!(
            written(event),
            "event: price\nid: 7\nretry: 2000\n: note\n\
             data: one\ndata: two\ndata: three\ndata: four\ndata: \n\n"
        );
        assert_eq!(
            written(Event::new().json(&["a\nb"])),
            "data: [\"a\\nb\"]\n\n"
        );
        assert_eq!(written(Event::new().data("")), "data: \n\n");
    }

    #[test]
    fn a_name_cannot_smuggle_data() {
        let event = Event::new()
            .event("a\ndata: evil")
            .id("1\r\ndata: evil")
            .data("x");
        assert_eq!(written(event), "event: a\nid: 1\ndata: x\n\n");
        assert_eq!(written(Event::new().id("a\0b").data("x")), "data: x\n\n");
    }

    #[test]
    fn what_is_no_json_fails() {
        let keys = std::collections::HashMap::from([(vec![1], 2)]);
        assert!(Event::new().json(&keys).write().is_err());
    }
}

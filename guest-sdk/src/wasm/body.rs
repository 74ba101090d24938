//! Bodies across the boundary.

use wasip3::http::types::{ErrorCode, Trailers};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

use super::bindings::dunlin::function::types as wit;
use super::bindings::{wit_future, wit_stream};
use crate::body::{Body, BodyError, Kind};

/// How much is taken from the host at once, in bytes, at most.
const PIECE: usize = 64 * 1024;

/// A body that the host streams in.
pub(crate) struct Incoming {
    data: StreamReader<u8>,
    /// `None` once it was asked.
    end: Option<End>,
}

/// What tells whether a body is whole, once its data has ended.
pub(super) enum End {
    Contract(FutureReader<Result<Fields, String>>),
    Portable(FutureReader<Result<Option<Trailers>, ErrorCode>>),
}

/// Header fields, as the contract has them.
type Fields = Vec<(String, Vec<u8>)>;

impl Incoming {
    pub(super) fn new(data: StreamReader<u8>, end: End) -> Self {
        Incoming { data, end: Some(end) }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        let (result, piece) = self.data.read(Vec::with_capacity(PIECE)).await;
        if !piece.is_empty() || result != StreamResult::Dropped {
            return Ok(Some(piece));
        }
        let whole = match self.end.take() {
            Some(End::Contract(end)) => end.await.map(drop),
            Some(End::Portable(end)) => end.await.map(drop).map_err(cause),
            None => Err("it was read before".to_owned()),
        };
        match whole {
            Ok(()) => Ok(None),
            Err(reason) => Err(BodyError::Cut(reason)),
        }
    }
}

/// Spelling out every code would cost each function some kilobytes.
fn cause(error: ErrorCode) -> String {
    match error {
        ErrorCode::InternalError(Some(text)) => text,
        _ => "the peer went away".to_owned(),
    }
}

/// A body from the host.
pub(super) fn lift(body: wit::Body) -> Body {
    match body {
        wit::Body::Bytes(bytes) => bytes.into(),
        wit::Body::Stream(stream) => {
            Body(Kind::Incoming(Incoming::new(stream.data, End::Contract(stream.end))))
        }
    }
}

/// A body for the host. One that the host streams in is handed back as it is.
pub(super) fn lower(body: Body) -> wit::Body {
    match body.0 {
        Kind::Bytes(bytes) => wit::Body::Bytes(bytes),
        Kind::Incoming(Incoming { data, end: Some(End::Contract(end)) }) => {
            wit::Body::Stream(wit::BodyStream { data, end })
        }
        kind => {
            let (end, whole) = wit_future::new(|| Err("the body's producer went away".to_owned()));
            let data = stream(Body(kind), async move |written| {
                // The host may not be interested any more.
                let _ = end.write(written.map(|()| Vec::new())).await;
            });
            wit::Body::Stream(wit::BodyStream { data, end: whole })
        }
    }
}

/// Streams a body out, then tells `end` whether it is whole, or why not.
pub(super) fn stream(
    body: Body,
    end: impl AsyncFnOnce(Result<(), String>) + 'static,
) -> StreamReader<u8> {
    let (out, data) = wit_stream::new();
    super::spawn(async move {
        let written = write(body, out).await;
        end(written).await;
    });
    data
}

/// Writes a body out and closes the stream.
async fn write(mut body: Body, mut out: StreamWriter<u8>) -> Result<(), String> {
    loop {
        match body.chunk().await {
            Ok(Some(piece)) => {
                if !out.write_all(piece).await.is_empty() {
                    return Err("the reader went away".to_owned());
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                eprintln!("error: {error}");
                return Err(match error {
                    BodyError::Cut(reason) => reason,
                    other => other.to_string(),
                });
            }
        }
    }
}

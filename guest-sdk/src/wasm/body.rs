//! Bodies across the boundary.

use futures::future::LocalBoxFuture;
use wasip3::http::types::{ErrorCode, Trailers};
use wit_bindgen::{FutureReader, StreamReader, StreamResult, StreamWriter};

use super::bindings::dunlin::function::types as wit;
use super::bindings::{wit_future, wit_stream};
use crate::body::{Body, BodyError, Kind, PIECE, Source};

/// What the contract takes.
pub(crate) type Lowered = wit::BodyStream;

/// What `wasi:http` takes.
pub(crate) type LoweredPortable = (StreamReader<u8>, PortableEnd);

type ContractEnd = FutureReader<Result<wit::Headers, String>>;
type PortableEnd = FutureReader<Result<Option<Trailers>, ErrorCode>>;

/// A body that the host streams in.
pub(crate) struct Incoming {
    pub(super) data: StreamReader<u8>,
    pub(super) end: End,
}

/// What tells whether a body is whole, once its data has ended.
pub(crate) enum End {
    Contract(ContractEnd),
    Portable(PortableEnd),
    /// It was asked before.
    Told,
}

impl Incoming {
    /// The next piece, of at most so many bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self, most: usize) -> Result<Option<Vec<u8>>, BodyError> {
        let (result, piece) = self.data.read(Vec::with_capacity(most)).await;
        if !piece.is_empty() || result != StreamResult::Dropped {
            return Ok(Some(piece));
        }
        let whole = match std::mem::replace(&mut self.end, End::Told) {
            End::Contract(end) => end.await.map(drop),
            End::Portable(end) => end.await.map(drop).map_err(cause),
            End::Told => Err("it was read before".to_owned()),
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

/// A request's body.
pub(super) fn lift(body: wit::Body) -> Body {
    match body {
        wit::Body::Bytes(bytes) => bytes.into(),
        wit::Body::Stream(wit::BodyStream { data, end }) => Body(Kind::Incoming(Incoming {
            data,
            end: End::Contract(end),
        })),
    }
}

/// A response's body, by our contract.
pub(super) fn lower(body: Body) -> Result<wit::Body, String> {
    Ok(match body.0 {
        Kind::Bytes(bytes) => wit::Body::Bytes(bytes),
        Kind::Stream(source) => wit::Body::Stream(source.lower()),
        Kind::Incoming(Incoming {
            data,
            end: End::Contract(end),
        }) => wit::Body::Stream(wit::BodyStream { data, end }),
        Kind::Incoming(_) => return Err(USED_UP.to_owned()),
    })
}

/// A request's body that is the answer is passed on as it is; what is left of
/// one whose reading failed is nothing that could be.
pub(super) const USED_UP: &str = "the request's body, of which reading failed, is the answer";

/// A body that the host streams in, where it must be able to go either way.
struct Relayed(Incoming);

impl Source for Relayed {
    fn chunk(&mut self) -> LocalBoxFuture<'_, Result<Option<Vec<u8>>, BodyError>> {
        Box::pin(self.0.chunk(PIECE))
    }

    fn lower(self: Box<Self>) -> Lowered {
        match self.0 {
            Incoming {
                data,
                end: End::Contract(end),
            } => wit::BodyStream { data, end },
            other => lower_source(Box::new(Relayed(other))),
        }
    }

    fn lower_portable(self: Box<Self>) -> LoweredPortable {
        lower_source_portable(self)
    }
}

/// The body of what was fetched.
pub(super) fn lift_fetched(body: wit::Body) -> Body {
    match lift(body).0 {
        Kind::Incoming(incoming) => Body(Kind::Stream(Box::new(Relayed(incoming)))),
        kind => Body(kind),
    }
}

/// The body of what is to be fetched.
pub(super) fn lower_for_fetch(body: Body) -> wit::Body {
    match body.0 {
        Kind::Bytes(bytes) => wit::Body::Bytes(bytes),
        Kind::Stream(source) => wit::Body::Stream(source.lower()),
        Kind::Incoming(incoming) => wit::Body::Stream(Box::new(Relayed(incoming)).lower()),
    }
}

/// Streams a body out, by our contract.
pub(crate) fn lower_source(source: Box<dyn Source>) -> Lowered {
    let (out, data) = wit_stream::new();
    let (end, whole) = wit_future::new(|| Err(GONE.to_owned()));
    super::spawn(async move {
        let written = write(source, out).await;
        // The host may not be interested any more.
        let _ = end.write(written.map(|()| Vec::new())).await;
    });
    wit::BodyStream { data, end: whole }
}

/// Streams a body out, by `wasi:http`.
pub(crate) fn lower_source_portable(source: Box<dyn Source>) -> LoweredPortable {
    let (out, data) = wit_stream::new();
    let (end, whole) = wasip3::wit_future::new(|| Err(super::failure(GONE)));
    super::spawn(async move {
        let written = write(source, out).await;
        let written = written
            .map(|()| None)
            .map_err(|reason| super::failure(&reason));
        // The host may not be interested any more.
        let _ = end.write(written).await;
    });
    (data, whole)
}

const GONE: &str = "the body's producer went away";

/// Writes a body out and closes the stream.
async fn write(mut source: Box<dyn Source>, mut out: StreamWriter<u8>) -> Result<(), String> {
    loop {
        match source.chunk().await {
            Ok(Some(piece)) if piece.is_empty() => {}
            Ok(Some(piece)) => {
                if !out.write_all(piece).await.is_empty() {
                    return Err("the reader went away".to_owned());
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                let reason = match error {
                    BodyError::Cut(reason) => reason,
                    other => other.to_string(),
                };
                eprintln!("error: {reason}");
                return Err(reason);
            }
        }
    }
}

//! The attributes of the `dunlin` crate; use them through it.

mod arguments;
mod dependency;
mod error_response;
mod field;
mod inputs;
mod model;
mod names;
mod route;
mod template;
mod websocket;

use proc_macro::TokenStream;

use crate::route::Kind;

macro_rules! methods {
    ($($name:ident $method:literal)*) => {$(
        #[doc = concat!("Answers `", $method, "` requests with the function below.")]
        ///
        /// The argument is the path: `{name}` is one segment, a final
        /// `{*name}` the rest; braces that are meant as such are doubled. The
        /// function's doc comment becomes the route's summary (its first
        /// paragraph) and description. An `async fn` runs on the async lane,
        /// a plain `fn` on the blocking lane.
        #[proc_macro_attribute]
        pub fn $name(arguments: TokenStream, function: TokenStream) -> TokenStream {
            route::expand(Kind::Http($method), arguments.into(), function.into()).into()
        }
    )*};
}

methods! {
    get "GET"
    post "POST"
    put "PUT"
    patch "PATCH"
    delete "DELETE"
    head "HEAD"
    options "OPTIONS"
}

/// Opens a WebSocket for `GET` requests that ask for one, and runs the function
/// below for as long as it is open.
///
/// The argument is the path, as in `#[get("…")]`. The function is an `async fn`;
/// its last argument is the `WebSocket`. After the path may stand
/// `protocols = ["chat.v2", "chat.v1"]`, the subprotocols that it speaks:
/// `socket.protocol()` tells which of them the client speaks too.
#[proc_macro_attribute]
pub fn websocket(arguments: TokenStream, function: TokenStream) -> TokenStream {
    route::expand(Kind::WebSocket, arguments.into(), function.into()).into()
}

/// Makes a struct or an enum a model: a type that requests bring and answers
/// carry.
///
/// It derives `Debug`, `Clone`, serde's `Serialize` and `Deserialize`, a JSON
/// schema, and `dunlin::Model`. The type's doc comments are the schema's
/// descriptions; serde's attributes mean what they mean.
///
/// `#[field(…)]` gives a field rules, which requests and answers are checked
/// against, and which the schema tells:
///
/// | rule | for | |
/// |---|---|---|
/// | `gt = 0`, `ge = 0`, `lt = 9`, `le = 9`, `multiple_of = 3` | numbers | bounds |
/// | `min_length = 1`, `max_length = 9` | texts, lists, maps, sets | characters or items |
/// | `pattern = "^[a-z]+$"` | texts | a regular expression that must match somewhere |
/// | `format = "email"` | texts | or `uri`, `uuid`, `ipv4`, `ipv6`, `date`, `date-time` |
/// | `check = function` | anything | `fn(&T) -> Result<(), impl Display>` |
/// | `default`, `default = 10` | anything | what stands for a missing value: the type's own, or this |
/// | `alias = "item-id"` | anything | the name on the wire |
/// | `title`, `description`, `example`, `examples`, `deprecated` | anything | for the documentation |
///
/// `#[model(check = function)]` checks the value as a whole.
#[proc_macro_attribute]
pub fn model(arguments: TokenStream, item: TokenStream) -> TokenStream {
    model::expand(arguments.into(), item.into()).into()
}

/// Makes a function the provider of what it answers: handlers and other
/// dependencies take it as `Dep<T>`.
///
/// Its arguments are what a handler may take, except the body; it answers the
/// value, or a `Result` of it. `#[dependency(teardown = close)]` names an
/// `async fn` that takes the value when nobody needs it any more.
#[proc_macro_attribute]
pub fn dependency(arguments: TokenStream, function: TokenStream) -> TokenStream {
    dependency::expand(arguments.into(), function.into()).into()
}

/// Makes an enum of errors answers, which document themselves.
///
/// Each variant has a status and a text for the caller, `{"detail": "…"}`:
/// `#[status(404, "Item {0} not found")]`, where `{0}` or `{name}` is a field.
/// Without a text it is the first line of the variant's documentation, or the
/// status's own words. The API's documentation tells each status with the
/// variant's documentation, or the text.
///
/// A variant may hold another error, marked `#[from]`, which `?` then turns
/// into it. That one is never told to the caller: an answer of 500 and above
/// writes a log line, with the text and all causes.
///
/// The enum also gets `Display` and `std::error::Error` (derive `Debug`
/// yourself), extractors may have it as their `Rejection`, and it keeps its
/// answer inside a `dunlin::Error`.
#[proc_macro_derive(ErrorResponse, attributes(status, from))]
pub fn error_response(item: TokenStream) -> TokenStream {
    error_response::expand(item.into()).into()
}

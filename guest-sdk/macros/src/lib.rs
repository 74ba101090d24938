//! The attributes of the `dunlin` crate; use them through it.

mod arguments;
mod model;
mod route;
mod template;

use proc_macro::TokenStream;

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
            route::expand($method, arguments.into(), function.into()).into()
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

/// Makes a struct or an enum a model: a type that requests bring and answers
/// carry.
///
/// It derives `Debug`, `Clone`, serde's `Serialize` and `Deserialize`, a JSON
/// schema, and `dunlin::Model`. The type's doc comments are the schema's
/// descriptions; serde's attributes mean what they mean.
#[proc_macro_attribute]
pub fn model(arguments: TokenStream, item: TokenStream) -> TokenStream {
    model::expand(arguments.into(), item.into()).into()
}

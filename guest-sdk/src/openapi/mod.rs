//! What a function says about itself: an OpenAPI 3.1 document, made once, when
//! a version is deployed.
//!
//! Extractors, answers and models describe themselves ([`Operation`]); the app
//! puts it together. Schemas are passed around as JSON text, so that a function
//! without models contains nothing that builds or writes trees.

mod document;
pub(crate) mod expansion;
mod operation;
mod schemas;

pub(crate) use document::document;
pub use operation::{Operation, Place};
pub use schemas::{Property, Schema, Schemas};

/// What a document says of the app as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// The API's name.
    pub title: &'static str,
    /// The API's version, in whatever form.
    pub version: &'static str,
    /// CommonMark; may be empty.
    pub description: &'static str,
}

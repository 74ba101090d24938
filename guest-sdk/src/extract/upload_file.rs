//! A file in a form's model.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use schemars::{JsonSchema, Schema as JsonSchemaOf, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};

use crate::model::Model;
use crate::openapi::{Schema, Schemas};

/// A file that came with a [`MultipartForm`](super::MultipartForm), whole; a
/// field of its model. Optional, it is `None` when a browser sends that none
/// was chosen.
///
/// It is never written: a model that has one is of requests only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UploadFile {
    pub(super) file_name: String,
    pub(super) content_type: Option<String>,
    /// Shared: a form that has mistakes is read more than once.
    pub(super) content: Rc<Vec<u8>>,
}

impl UploadFile {
    /// The file's name, as the client says. Never a path to write to.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The `content-type`, as the client says.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.content
    }

    /// The content, to keep.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        Rc::unwrap_or_clone(self.content)
    }
}

impl fmt::Debug for UploadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadFile")
            .field("file_name", &self.file_name)
            .field("content_type", &self.content_type)
            .field("bytes", &self.content.len())
            .finish()
    }
}

/// What serde knows no word for goes beside it: the form's reader sees that
/// this type is asked for, and lays the file here.
pub(super) const NAME: &str = "dunlin::UploadFile";

thread_local! {
    static LAID: RefCell<Option<UploadFile>> = const { RefCell::new(None) };
}

/// Hands a file to the visitor of an [`UploadFile`].
pub(super) fn hand<'de, V: Visitor<'de>, E: de::Error>(
    file: &UploadFile,
    visitor: V,
) -> Result<V::Value, E> {
    LAID.set(Some(file.clone()));
    visitor.visit_unit()
}

impl<'de> Deserialize<'de> for UploadFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, Taker)
    }
}

struct Taker;

impl<'de> Visitor<'de> for Taker {
    type Value = UploadFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file of a form")
    }

    fn visit_unit<E: de::Error>(self) -> Result<UploadFile, E> {
        LAID.take().ok_or_else(|| E::custom("Expected a file"))
    }

    /// A text, or a stand-in that is `()` too.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<UploadFile, D::Error> {
        match <()>::deserialize(other) {
            Ok(()) => Ok(UploadFile::default()),
            Err(_) => Err(de::Error::custom("Expected a file")),
        }
    }
}

impl Serialize for UploadFile {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("an uploaded file is not written"))
    }
}

const SCHEMA: &str = r#"{"type":"string","format":"binary"}"#;

impl Model for UploadFile {
    fn schema(_: &mut Schemas) -> Schema {
        Schema::text(SCHEMA)
    }
}

impl JsonSchema for UploadFile {
    fn schema_name() -> Cow<'static, str> {
        "UploadFile".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> JsonSchemaOf {
        json_schema!({ "type": "string", "format": "binary" })
    }
}

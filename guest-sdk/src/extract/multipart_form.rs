//! Forms with files, as a struct.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::input::{self, At, Elements, Fault, Fields, Leaf, Repairs};
use super::multipart::Multipart;
use super::problem::{Loc, Problem, input_text};
use super::text::Values;
use super::upload_file::{self, UploadFile};
use super::{FromRequest, Rejection};
use crate::error::HttpError;
use crate::model::Model;
use crate::openapi::Operation;
use crate::request::Request;

/// A form with files (`multipart/form-data`), as a struct: a file is an
/// [`UploadFile`], several of one name are a `Vec` of them, and all else is
/// read as in a [`Form`](super::Form).
///
/// All of it is in memory. A text may be of 1 MiB, and there may be 1,000
/// fields; the whole may be as large as `limits.request_body` says. For large
/// files take a [`Multipart`].
///
/// ```
/// # use dunlin::prelude::*;
/// #[model]
/// struct Order {
///     #[field(max_length = 80)]
///     note: String,
///     list: UploadFile,
/// }
///
/// #[post("/orders")]
/// async fn order(MultipartForm(order): MultipartForm<Order>) -> String {
///     format!("{}: {} bytes", order.note, order.list.bytes().len())
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MultipartForm<T>(pub T);

impl<T: DeserializeOwned + Model> FromRequest for MultipartForm<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request) -> Result<Self, Rejection> {
        let form = Multipart::from_request(request).await?;
        let sent = collect(form).await?;
        let read = |repairs: &Repairs| {
            T::deserialize(FormInput {
                sent: &sent,
                at: &At::root("body"),
                repairs,
            })
        };
        let form = input::read(input::MAX_PROBLEMS, "body", read, |problem| {
            input_of(&sent, problem)
        })?;
        Ok(MultipartForm(form))
    }

    fn describe(operation: &mut Operation) {
        let schema = operation.schema::<T>();
        Multipart::describe_with(operation, schema);
        operation.invalid();
    }
}

/// What was sent under one name.
#[derive(Default)]
struct Sent {
    texts: Vec<Cow<'static, str>>,
    files: Vec<UploadFile>,
}

type AllSent = BTreeMap<String, Sent>;

async fn collect(mut form: Multipart) -> Result<AllSent, HttpError> {
    let mut all = AllSent::new();
    while let Some(field) = form.next_field().await? {
        let name = field.name().to_owned();
        let Some(file_name) = field.file_name().map(str::to_owned) else {
            let text = field.text().await?;
            all.entry(name).or_default().texts.push(text.into());
            continue;
        };
        let content_type = field.content_type().map(str::to_owned);
        let content = field.whatever_size().bytes().await?;
        // So says a browser that none was chosen.
        if file_name.is_empty() && content.is_empty() {
            continue;
        }
        all.entry(name).or_default().files.push(UploadFile {
            file_name,
            content_type,
            content: Rc::new(content),
        });
    }
    Ok(all)
}

/// The text that was sent; a file is not repeated.
fn input_of(sent: &AllSent, problem: &Problem) -> Option<String> {
    let Loc::Name(name) = problem.loc.get(1)? else {
        return None;
    };
    let texts = &sent.get(&**name)?.texts;
    let text = match problem.loc.get(2) {
        Some(Loc::Index(index)) => texts.get(*index),
        Some(Loc::Name(_)) => None,
        None => texts.last(),
    };
    text.map(|text| input_text(text))
}

/// The values of one name: its files, if there are any.
#[derive(Clone, Copy)]
enum Value<'de> {
    Texts(Values<'de>),
    Files(&'de [UploadFile]),
}

impl Sent {
    fn value(&self) -> Value<'_> {
        match &self.files[..] {
            [] => Value::Texts(Values(&self.texts)),
            files => Value::Files(files),
        }
    }
}

impl<'de> Leaf<'de> for Value<'de> {
    fn read<S: DeserializeSeed<'de>>(
        self,
        seed: S,
        at: &At<'_>,
        repairs: &Repairs,
    ) -> Result<S::Value, Fault> {
        match self {
            Value::Texts(values) => values.read(seed, at, repairs),
            Value::Files(files) => seed.deserialize(FileInput { files, at, repairs }),
        }
    }

    fn to_json(self) -> String {
        match self {
            Value::Texts(values) => values.to_json(),
            Value::Files(_) => "null".into(),
        }
    }
}

/// Reads files.
struct FileInput<'a, 'de> {
    files: &'de [UploadFile],
    at: &'a At<'a>,
    repairs: &'a Repairs,
}

impl<'de> Deserializer<'de> for FileInput<'_, 'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new("string_type", "Input should be a valid string"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.files.last() {
            Some(file) if name == upload_file::NAME => upload_file::hand(file, visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let files = self.files.iter();
        let each = files.map(|file| Value::Files(std::slice::from_ref(file)));
        visitor.visit_seq(Elements::new(each, self.at, self.repairs))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple_struct map struct enum identifier
    }
}

/// Reads the form: a struct or a map.
struct FormInput<'a, 'de> {
    sent: &'de AllSent,
    at: &'a At<'a>,
    repairs: &'a Repairs,
}

impl<'de> Deserializer<'de> for FormInput<'_, 'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let fields = self.sent.iter();
        let fields = fields.map(|(name, sent)| (name.as_str(), sent.value()));
        visitor
            .visit_map(Fields::new(fields, self.at, self.repairs))
            .map_err(|fault| fault.at(self.at, || "null".into()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct option seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

//! The models that need no attribute: values, lists, maps.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Display;
use std::rc::Rc;
use std::sync::Arc;

use super::{Check, Model};
use crate::openapi::{Property, Schema, Schemas};

macro_rules! texts {
    ($($ty:ty: $json:expr;)*) => {$(
        impl Model for $ty {
            fn schema(_: &mut Schemas) -> Schema {
                Schema::text($json)
            }
        }
    )*};
}

texts! {
    bool: r#"{"type":"boolean"}"#;
    String: r#"{"type":"string"}"#;
    str: r#"{"type":"string"}"#;
    char: r#"{"type":"string","minLength":1,"maxLength":1}"#;
    f32: r#"{"type":"number","format":"float"}"#;
    f64: r#"{"type":"number","format":"double"}"#;
    u8: r#"{"type":"integer","format":"uint8","minimum":0,"maximum":255}"#;
    u16: r#"{"type":"integer","format":"uint16","minimum":0,"maximum":65535}"#;
    u32: r#"{"type":"integer","format":"uint32","minimum":0,"maximum":4294967295}"#;
    u64: r#"{"type":"integer","format":"uint64","minimum":0,"maximum":18446744073709551615}"#;
    u128: r#"{"type":"integer","format":"uint128","minimum":0}"#;
    usize: r#"{"type":"integer","format":"uint","minimum":0,"maximum":4294967295}"#;
    i8: r#"{"type":"integer","format":"int8","minimum":-128,"maximum":127}"#;
    i16: r#"{"type":"integer","format":"int16","minimum":-32768,"maximum":32767}"#;
    i32: r#"{"type":"integer","format":"int32","minimum":-2147483648,"maximum":2147483647}"#;
    i64: r#"{"type":"integer","format":"int64","minimum":-9223372036854775808,"maximum":9223372036854775807}"#;
    i128: r#"{"type":"integer","format":"int128"}"#;
    isize: r#"{"type":"integer","format":"int","minimum":-2147483648,"maximum":2147483647}"#;
    (): r#"{"type":"null"}"#;
    serde_json::Value: "{}";
    serde_json::Map<String, serde_json::Value>: r#"{"type":"object"}"#;
}

/// What wraps a model without a trace on the wire.
macro_rules! transparent {
    ($($ty:ty),*) => {$(
        impl<T: Model + ?Sized> Model for $ty {
            fn schema(schemas: &mut Schemas) -> Schema {
                T::schema(schemas)
            }

            fn properties(schemas: &mut Schemas) -> Vec<Property> {
                T::properties(schemas)
            }

            fn members(schemas: &mut Schemas) -> Vec<Schema> {
                T::members(schemas)
            }

            fn validate(&self, check: &Check<'_>) {
                (**self).validate(check);
            }
        }
    )*};
}

transparent!(&T, Box<T>, Rc<T>, Arc<T>);

impl<T: Model + ToOwned + ?Sized> Model for Cow<'_, T> {
    fn schema(schemas: &mut Schemas) -> Schema {
        T::schema(schemas)
    }

    fn validate(&self, check: &Check<'_>) {
        T::validate(self, check);
    }
}

impl<T: Model> Model for Option<T> {
    fn schema(schemas: &mut Schemas) -> Schema {
        let schema = T::schema(schemas);
        Schema::text(format!(
            "{{\"anyOf\":[{},{{\"type\":\"null\"}}]}}",
            schema.as_str()
        ))
    }

    fn validate(&self, check: &Check<'_>) {
        if let Some(value) = self {
            value.validate(check);
        }
    }
}

fn validate_items<'a, T: Model + 'a>(items: impl IntoIterator<Item = &'a T>, check: &Check<'_>) {
    for (index, item) in items.into_iter().enumerate() {
        item.validate(&check.item(index));
    }
}

fn list(schema: &Schema, more: &str) -> Schema {
    Schema::text(format!(
        "{{\"type\":\"array\",\"items\":{}{more}}}",
        schema.as_str()
    ))
}

impl<T: Model> Model for Vec<T> {
    fn schema(schemas: &mut Schemas) -> Schema {
        list(&T::schema(schemas), "")
    }

    fn validate(&self, check: &Check<'_>) {
        validate_items(self, check);
    }
}

impl<T: Model> Model for VecDeque<T> {
    fn schema(schemas: &mut Schemas) -> Schema {
        list(&T::schema(schemas), "")
    }

    fn validate(&self, check: &Check<'_>) {
        validate_items(self, check);
    }
}

impl<T: Model> Model for [T] {
    fn schema(schemas: &mut Schemas) -> Schema {
        list(&T::schema(schemas), "")
    }

    fn validate(&self, check: &Check<'_>) {
        validate_items(self, check);
    }
}

impl<T: Model, const COUNT: usize> Model for [T; COUNT] {
    fn schema(schemas: &mut Schemas) -> Schema {
        let count = format!(",\"minItems\":{COUNT},\"maxItems\":{COUNT}");
        list(&T::schema(schemas), &count)
    }

    fn validate(&self, check: &Check<'_>) {
        validate_items(self, check);
    }
}

impl<T: Model, S> Model for HashSet<T, S> {
    fn schema(schemas: &mut Schemas) -> Schema {
        list(&T::schema(schemas), ",\"uniqueItems\":true")
    }

    fn validate(&self, check: &Check<'_>) {
        validate_items(self, check);
    }
}

impl<T: Model> Model for BTreeSet<T> {
    fn schema(schemas: &mut Schemas) -> Schema {
        list(&T::schema(schemas), ",\"uniqueItems\":true")
    }

    fn validate(&self, check: &Check<'_>) {
        validate_items(self, check);
    }
}

fn map(schema: &Schema) -> Schema {
    Schema::text(format!(
        "{{\"type\":\"object\",\"additionalProperties\":{}}}",
        schema.as_str()
    ))
}

impl<K: Display, T: Model, S> Model for HashMap<K, T, S> {
    fn schema(schemas: &mut Schemas) -> Schema {
        map(&T::schema(schemas))
    }

    fn validate(&self, check: &Check<'_>) {
        for (key, value) in self {
            value.validate(&check.field(&key.to_string()));
        }
    }
}

impl<K: Display, T: Model> Model for BTreeMap<K, T> {
    fn schema(schemas: &mut Schemas) -> Schema {
        map(&T::schema(schemas))
    }

    fn validate(&self, check: &Check<'_>) {
        for (key, value) in self {
            value.validate(&check.field(&key.to_string()));
        }
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: Model),+> Model for ($($name,)+) {
            fn schema(schemas: &mut Schemas) -> Schema {
                let members = Self::members(schemas);
                let texts: Vec<&str> = members.iter().map(Schema::as_str).collect();
                Schema::text(format!(
                    "{{\"type\":\"array\",\"prefixItems\":[{}],\"minItems\":{count},\"maxItems\":{count}}}",
                    texts.join(","),
                    count = texts.len(),
                ))
            }

            fn members(schemas: &mut Schemas) -> Vec<Schema> {
                vec![$($name::schema(schemas)),+]
            }

            #[expect(non_snake_case, reason = "a member is named as its type")]
            fn validate(&self, check: &Check<'_>) {
                let ($($name,)+) = self;
                let mut index = 0;
                $(
                    $name.validate(&check.item(index));
                    index += 1;
                )+
                let _ = index;
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

/// The type beside an answer that never comes.
impl Model for std::convert::Infallible {
    fn schema(_: &mut Schemas) -> Schema {
        Schema::text("{\"not\":{}}")
    }
}

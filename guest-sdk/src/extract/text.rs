//! Reading values that are written as text: in a path or a query.

use std::borrow::Cow;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::input::{At, Elements, Fault, Fields, Leaf, Repairs, in_range, integers};
use super::path::Param;
use super::problem::input_text;
use super::query::Group;

/// The values of one name, in their order: one in a path, any number in a
/// query.
#[derive(Clone, Copy)]
pub(super) struct Values<'de>(pub(super) &'de [Cow<'de, str>]);

impl<'de> Values<'de> {
    /// What counts where one value is wanted.
    fn last(self) -> &'de str {
        self.0.last().map_or("", |text| text)
    }
}

impl<'de> Leaf<'de> for Values<'de> {
    fn read<S: DeserializeSeed<'de>>(
        self,
        seed: S,
        at: &At<'_>,
        repairs: &Repairs,
    ) -> Result<S::Value, Fault> {
        seed.deserialize(Text {
            values: self,
            at,
            repairs,
        })
    }

    fn to_json(self) -> String {
        input_text(self.last())
    }
}

/// Reads [`Values`].
struct Text<'a, 'de> {
    values: Values<'de>,
    at: &'a At<'a>,
    repairs: &'a Repairs,
}

impl Text<'_, '_> {
    fn integer(&self, min: i128, max: i128) -> Result<i128, Fault> {
        let value = self.values.last().trim().parse().map_err(|_| {
            Fault::new(
                "int_parsing",
                "Input should be a valid integer, unable to parse string as an integer",
            )
        })?;
        in_range(value, min, max)
    }

    fn float(&self) -> Result<f64, Fault> {
        self.values.last().trim().parse().map_err(|_| {
            Fault::new(
                "float_parsing",
                "Input should be a valid number, unable to parse string as a number",
            )
        })
    }

    fn boolean(&self) -> Result<bool, Fault> {
        match self.values.last().to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "yes" | "y" | "on" => Ok(true),
            "false" | "f" | "0" | "no" | "n" | "off" => Ok(false),
            _ => Err(Fault::new(
                "bool_parsing",
                "Input should be a valid boolean, unable to interpret input",
            )),
        }
    }
}

impl<'de> Deserializer<'de> for Text<'_, 'de> {
    type Error = Fault;

    integers!();

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.values.last())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let values = self
            .values
            .0
            .iter()
            .map(|value| Values(std::slice::from_ref(value)));
        visitor.visit_seq(Elements::new(values, self.at, self.repairs))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.values.last()))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct tuple_struct map struct identifier
        ignored_any
    }
}

/// Reads a query: a struct or a map.
pub(super) struct QueryInput<'a, 'de> {
    pub(super) groups: &'de [Group<'de>],
    pub(super) at: &'a At<'a>,
    pub(super) repairs: &'a Repairs,
}

impl<'de> Deserializer<'de> for QueryInput<'_, 'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let fields = self
            .groups
            .iter()
            .map(|(name, values)| (&**name, Values(values)));
        visitor
            .visit_map(Fields::new(fields, self.at, self.repairs))
            .map_err(|fault| fault.at(self.at, || "null".into()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.groups.is_empty() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
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
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Reads a path's parameters: one value, a tuple, a struct or a map.
pub(super) struct PathInput<'a, 'de> {
    pub(super) params: &'de [Param<'de>],
    pub(super) at: &'a At<'a>,
    pub(super) repairs: &'a Repairs,
}

impl<'de> PathInput<'_, 'de> {
    /// Reads the one parameter.
    fn single<T>(self, read: impl FnOnce(Text<'_, 'de>) -> Result<T, Fault>) -> Result<T, Fault> {
        let [(name, value)] = self.params else {
            let count = self.params.len();
            let msg = format!("the path has {count} parameters: take them as a tuple or a struct");
            return Err(Fault::new("path_parameters", msg).at(self.at, || "null".into()));
        };
        let at = self.at.name(name);
        let values = Values(std::slice::from_ref(value));
        read(Text {
            values,
            at: &at,
            repairs: self.repairs,
        })
        .map_err(|fault| fault.at(&at, || values.to_json()))
    }
}

macro_rules! single {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.single(|text| text.$method(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for PathInput<'_, 'de> {
    type Error = Fault;

    single! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
        deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let fields = self.params.iter().map(|(name, value)| (*name, one(value)));
        visitor
            .visit_map(Fields::new(fields, self.at, self.repairs))
            .map_err(|fault| fault.at(self.at, || "null".into()))
    }

    /// A list that knows each element's name, which its place is to show.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor
            .visit_seq(Named {
                params: self.params.iter(),
                at: self.at,
                repairs: self.repairs,
            })
            .map_err(|fault| fault.at(self.at, || "null".into()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.single(|text| text.deserialize_enum(name, variants, visitor))
    }

    forward_to_deserialize_any! { unit unit_struct map struct ignored_any }
}

fn one<'de>(value: &'de Cow<'de, str>) -> Values<'de> {
    Values(std::slice::from_ref(value))
}

struct Named<'a, 'de> {
    params: std::slice::Iter<'de, Param<'de>>,
    at: &'a At<'a>,
    repairs: &'a Repairs,
}

impl<'de> serde::de::SeqAccess<'de> for Named<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((name, value)) = self.params.next() else {
            return Ok(None);
        };
        super::input::read_leaf(one(value), seed, &self.at.name(name), self.repairs).map(Some)
    }
}

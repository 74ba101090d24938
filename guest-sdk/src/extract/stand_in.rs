//! Values made up, so that reading can go on behind one that was wrong.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, SeqAccess, Visitor};

use super::input::Fault;

/// A name, for an enum or a field.
pub(super) fn string(text: &str) -> StrDeserializer<'_, Fault> {
    text.into_deserializer()
}

/// Whatever is asked for, in place of a value that was wrong.
pub(super) struct StandIn;

macro_rules! stand_in {
    ($($method:ident: $visit:ident($($value:expr)?),)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit($($value)?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for StandIn {
    type Error = Fault;

    stand_in! {
        deserialize_any: visit_unit(),
        deserialize_ignored_any: visit_unit(),
        deserialize_unit: visit_unit(),
        deserialize_bool: visit_bool(false),
        deserialize_i8: visit_i8(0),
        deserialize_i16: visit_i16(0),
        deserialize_i32: visit_i32(0),
        deserialize_i64: visit_i64(0),
        deserialize_i128: visit_i128(0),
        deserialize_u8: visit_u8(0),
        deserialize_u16: visit_u16(0),
        deserialize_u32: visit_u32(0),
        deserialize_u64: visit_u64(0),
        deserialize_u128: visit_u128(0),
        deserialize_f32: visit_f32(0.0),
        deserialize_f64: visit_f64(0.0),
        deserialize_char: visit_char(' '),
        deserialize_str: visit_str(""),
        deserialize_string: visit_str(""),
        deserialize_identifier: visit_str(""),
        deserialize_bytes: visit_bytes(&[]),
        deserialize_byte_buf: visit_bytes(&[]),
        deserialize_option: visit_none(),
        deserialize_seq: visit_seq(StandIns(0)),
        deserialize_map: visit_map(de::value::MapDeserializer::new(std::iter::empty::<(&str, &str)>())),
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_seq(StandIns(length))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_seq(StandIns(length))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_map(de::value::MapDeserializer::new(
            fields.iter().map(|name| (*name, StandIn)),
        ))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(string(variants.first().copied().unwrap_or_default()))
    }
}

impl IntoDeserializer<'_, Fault> for StandIn {
    type Deserializer = StandIn;

    fn into_deserializer(self) -> StandIn {
        self
    }
}

/// So many stand-ins in a row.
struct StandIns(usize);

impl<'de> SeqAccess<'de> for StandIns {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(left) = self.0.checked_sub(1) else {
            return Ok(None);
        };
        self.0 = left;
        seed.deserialize(StandIn).map(Some)
    }
}

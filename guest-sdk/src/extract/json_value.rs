//! Reading a parsed JSON body. Types are taken strictly: `"5"` is no number.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::input::{At, Elements, Fault, Fields, Leaf, Repairs, in_range, integers};

impl<'de> Leaf<'de> for &'de Value {
    fn read<S: DeserializeSeed<'de>>(
        self,
        seed: S,
        at: &At<'_>,
        repairs: &Repairs,
    ) -> Result<S::Value, Fault> {
        seed.deserialize(JsonInput {
            value: self,
            at,
            repairs,
        })
    }

    fn to_json(self) -> String {
        self.to_string()
    }
}

/// Reads a value and what is inside it.
#[derive(Clone, Copy)]
pub(super) struct JsonInput<'a, 'de> {
    pub(super) value: &'de Value,
    pub(super) at: &'a At<'a>,
    pub(super) repairs: &'a Repairs,
}

impl<'de> JsonInput<'_, 'de> {
    /// Another type was asked for than the value has.
    fn wrong<T>(self, kind: &'static str, wanted: &str) -> Result<T, Fault> {
        let fault = Fault::new(kind, format!("Input should be a valid {wanted}"));
        Err(fault.at(self.at, || self.value.to_string()))
    }

    fn integer(&self, min: i128, max: i128) -> Result<i128, Fault> {
        let number = self
            .value
            .as_i64()
            .map(i128::from)
            .or(self.value.as_u64().map(i128::from))
            // To JSON Schema, and to pydantic, `2.0` is an integer.
            .or(self
                .value
                .as_f64()
                .filter(|it| it.fract() == 0.0)
                .map(|it| it as i128));
        match number {
            Some(number) => in_range(number, min, max),
            None => self.wrong("int_type", "integer"),
        }
    }

    fn object<V: Visitor<'de>>(
        self,
        visitor: V,
        kind: &'static str,
        wanted: &str,
    ) -> Result<V::Value, Fault> {
        let Value::Object(fields) = self.value else {
            return self.wrong(kind, wanted);
        };
        let fields = fields.iter().map(|(name, value)| (name.as_str(), value));
        visitor
            .visit_map(Fields::new(fields, self.at, self.repairs))
            .map_err(|fault| fault.at(self.at, || self.value.to_string()))
    }
}

impl<'de> Deserializer<'de> for JsonInput<'_, 'de> {
    type Error = Fault;

    integers!();

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Bool(value) => visitor.visit_bool(*value),
            _ => self.wrong("bool_type", "boolean"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value.as_f64() {
            Some(number) => visitor.visit_f64(number),
            None => self.wrong("float_type", "number"),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => self.wrong("string_type", "string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Array(elements) => visitor
                .visit_seq(Elements::new(elements.iter(), self.at, self.repairs))
                .map_err(|fault| fault.at(self.at, || self.value.to_string())),
            _ => self.wrong("list_type", "list"),
        }
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

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.object(visitor, "dict_type", "dictionary")
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let wanted = "dictionary or object to extract fields from";
        self.object(visitor, "model_attributes_type", wanted)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(name) => visitor.visit_enum(BorrowedStrDeserializer::new(name)),
            Value::Object(fields) if fields.len() == 1 => match fields.iter().next() {
                Some((name, value)) => visitor.visit_enum(Variant {
                    name,
                    content: JsonInput { value, ..self },
                }),
                None => self.wrong("enum", "variant"),
            },
            _ => self.wrong("enum", "variant"),
        }
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct identifier ignored_any }
}

/// `{"variant": content}`.
struct Variant<'a, 'de> {
    name: &'de str,
    content: JsonInput<'a, 'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let variant = seed.deserialize(BorrowedStrDeserializer::<Fault>::new(self.name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let at = self.content.at.name(self.name);
        super::input::read_leaf(self.content.value, seed, &at, self.content.repairs)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        let at = self.content.at.name(self.name);
        JsonInput {
            at: &at,
            ..self.content
        }
        .deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let at = self.content.at.name(self.name);
        JsonInput {
            at: &at,
            ..self.content
        }
        .deserialize_map(visitor)
    }
}

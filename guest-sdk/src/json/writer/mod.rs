//! Values as JSON, for wasm.
//!
//! `serde_json` looks at each byte of a text by itself, and a host that counts
//! a guest's time has it ask the time after each: the dearest part of an
//! answer. Here eight bytes are looked at in one go. All else is as there, to
//! the byte; numbers are written by its code.

use std::fmt::Display;

use serde::ser::{self, Error as _, Serialize, Serializer};
use serde_json::Error;
use serde_json::ser::{CompactFormatter, Formatter};

/// Appends the value; in an error case, a part of it.
pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    value.serialize(Writer(out))
}

/// The value's JSON.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(128);
    write(&mut out, value)?;
    Ok(out)
}

/// The value's JSON.
pub(crate) fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    String::from_utf8(to_vec(value)?).map_err(Error::custom)
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else {
            break;
        };
        push_escaped(out, byte);
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes come before the first that cannot stand in a JSON string as
/// it is: control characters, `"` and `\` (RFC 8259, section 7).
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        if let Some(offset) = first_special(*word) {
            return at * 8 + offset;
        }
    }
    // The last eight bytes, most of them for the second time, are quicker looked
    // at than the rest of them one by one.
    if let Some(last) = bytes.last_chunk() {
        return first_special(*last).map_or(bytes.len(), |offset| bytes.len() - 8 + offset);
    }
    // Names are short: the first four and the last four are all that there is.
    if let (Some([a, b, c, d]), Some([e, f, g, h])) = (bytes.first_chunk(), bytes.last_chunk()) {
        return match first_special([*a, *b, *c, *d, *e, *f, *g, *h]) {
            Some(offset @ 4..) => bytes.len() + offset - 8,
            Some(offset) => offset,
            None => bytes.len(),
        };
    }
    let special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    rest.iter().position(special).unwrap_or(bytes.len())
}

/// In each byte of `found` the highest bit says whether it is a special one;
/// exactly so up to the first, which is the lowest.
fn first_special(word: [u8; 8]) -> Option<usize> {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let word = u64::from_le_bytes(word);
    let below = |word: u64, limit: u8| word.wrapping_sub(each(limit)) & !word;
    let found = below(word, 0x20) | below(word ^ each(b'"'), 1) | below(word ^ each(b'\\'), 1);
    let found = found & each(0x80);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cold]
fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Writes one value.
struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    fn open(self, bracket: u8, close: &'static str) -> Parts<'a> {
        self.0.push(bracket);
        Parts {
            out: self.0,
            empty: true,
            raw: false,
            close,
        }
    }

    /// `{"variant":`
    fn variant(self, variant: &str) -> Self {
        self.0.push(b'{');
        push_text(self.0, variant);
        self.0.push(b':');
        self
    }

    fn null(self) -> Result<(), Error> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }
}

macro_rules! numbers {
    ($($serialize:ident($number:ty) $write:ident;)*) => {$(
        fn $serialize(self, number: $number) -> Result<(), Error> {
            CompactFormatter.$write(self.0, number).map_err(Error::custom)
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    numbers! {
        serialize_bool(bool) write_bool;
        serialize_i8(i8) write_i8;
        serialize_i16(i16) write_i16;
        serialize_i32(i32) write_i32;
        serialize_i64(i64) write_i64;
        serialize_i128(i128) write_i128;
        serialize_u8(u8) write_u8;
        serialize_u16(u16) write_u16;
        serialize_u32(u32) write_u32;
        serialize_u64(u64) write_u64;
        serialize_u128(u128) write_u128;
    }

    fn serialize_f32(self, number: f32) -> Result<(), Error> {
        if !number.is_finite() {
            return self.null();
        }
        CompactFormatter
            .write_f32(self.0, number)
            .map_err(Error::custom)
    }

    fn serialize_f64(self, number: f64) -> Result<(), Error> {
        if !number.is_finite() {
            return self.null();
        }
        CompactFormatter
            .write_f64(self.0, number)
            .map_err(Error::custom)
    }

    fn serialize_char(self, character: char) -> Result<(), Error> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        push_text(self.0, text);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.collect_seq(bytes)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.serialize_str(&value.to_string())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.null()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.null()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.null()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let Writer(out) = self.variant(variant);
        write(out, value)?;
        out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Error> {
        Ok(self.variant(variant).open(b'[', "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Error> {
        Ok(self.open(b'{', "}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Error> {
        // `RawValue`, and `Number` with all its digits, say by this name that
        // the text in them is JSON.
        if name.starts_with("$serde_json::private::") {
            return Ok(Parts {
                out: self.0,
                empty: true,
                raw: true,
                close: "",
            });
        }
        Ok(self.open(b'{', "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Error> {
        Ok(self.variant(variant).open(b'{', "}}"))
    }
}

/// Writes the parts of an array or an object.
struct Parts<'a> {
    out: &'a mut Vec<u8>,
    /// None has been written yet.
    empty: bool,
    /// The one part is a text to be written as it is.
    raw: bool,
    close: &'static str,
}

impl Parts<'_> {
    fn separate(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.separate();
        write(self.out, value)
    }

    /// Numbers and booleans become texts. Nothing else but a text is a key.
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate();
        let start = self.out.len();
        write(self.out, key)?;
        match self.out.get(start) {
            Some(b'"') => {}
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
            }
            _ => return Err(Error::custom("key must be a string")),
        }
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        write(self.out, value)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        if self.raw {
            let json: String = serde_json::from_slice(&to_vec(value)?)?;
            self.out.extend_from_slice(json.as_bytes());
            return Ok(());
        }
        self.separate();
        push_text(self.out, name);
        self.value(value)
    }

    fn close(self) -> Result<(), Error> {
        self.out.extend_from_slice(self.close.as_bytes());
        Ok(())
    }
}

macro_rules! parts {
    ($($trait:ident $method:ident($($name:ident: $text:ty)?) $by:ident;)*) => {$(
        impl ser::$trait for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: $text,)?
                value: &T,
            ) -> Result<(), Error> {
                self.$by($($name,)? value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )*};
}

parts! {
    SerializeSeq serialize_element() element;
    SerializeTuple serialize_element() element;
    SerializeTupleStruct serialize_field() element;
    SerializeTupleVariant serialize_field() element;
    SerializeStruct serialize_field(name: &'static str) field;
    SerializeStructVariant serialize_field(name: &'static str) field;
}

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

#[cfg(test)]
mod tests;

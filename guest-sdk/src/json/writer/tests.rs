//! Everything is as `serde_json` writes it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

fn same<T: Serialize + ?Sized>(value: &T) {
    let ours = super::to_string(value).map_err(drop);
    assert_eq!(ours, serde_json::to_string(value).map_err(drop));
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(u8);

#[derive(Serialize)]
struct Pair(u8, Unit);

#[derive(Serialize)]
struct Point {
    #[serde(rename = "a \"quoted\" name")]
    x: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<f32>,
}

#[derive(Serialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Unit,
    Newtype(u8),
    Tuple(u8, char),
    Struct { a: (), b: Option<u8> },
}

#[test]
fn every_kind_of_value() {
    same(&(true, 'ä', "a", (), Unit, Newtype(1), Pair(1, Unit)));
    same(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    same(&(u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    same(&(0.1_f32, -0.0_f64, f64::MAX, 1e-7, f64::NAN, f32::INFINITY));
    same(&[[0_u8; 0]; 2]);
    same(&[
        Shape::Unit,
        Shape::Newtype(1),
        Shape::Tuple(1, '"'),
        Shape::Struct { a: (), b: Some(2) },
    ]);
    same(&Point { x: 1.0, y: None });
    same(&Point {
        x: 1.0,
        y: Some(0.5),
    });
    let rest = BTreeMap::from([("b".to_owned(), 1)]);
    same(&Flat { id: 1, rest });
    same(&format_args!("{}\n", 1));
}

#[test]
fn keys_are_texts() {
    same(&BTreeMap::from([("a\"", 1)]));
    same(&BTreeMap::from([(-1, 1), (2, 2)]));
    same(&BTreeMap::from([(true, 1), (false, 2)]));
    same(&BTreeMap::from([('a', 1)]));
    same(&BTreeMap::from([(Some("a"), 1)]));
    same(&BTreeMap::from([(Shape::Unit, 1)]));
    for key in [Shape::Newtype(1), Shape::Tuple(1, 'a')] {
        let error = super::to_string(&BTreeMap::from([(key, 1)])).unwrap_err();
        assert_eq!(error.to_string(), "key must be a string");
    }
    assert!(super::to_string(&BTreeMap::from([((), 1)])).is_err());
    assert!(super::to_string(&BTreeMap::from([(vec![1], 1)])).is_err());
}

#[test]
fn raw_values_stay_as_they_are() {
    let raw = RawValue::from_string("{ \"a\" :1}".to_owned()).unwrap();
    same(&[&raw, &raw]);
}

#[test]
fn what_fails_inside_fails() {
    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("broken"))
        }
    }
    let error = super::to_string(&[Broken]).unwrap_err();
    assert_eq!(error.to_string(), "broken");
}

/// At every place of texts of every small length, between neighbours that
/// could be taken for it.
#[test]
fn every_byte_at_every_place() {
    for length in 1..=20 {
        for at in 0..length {
            for neighbour in ['a', '\u{7f}', '!', ' '] {
                for byte in 0..=0x7f {
                    let mut text = vec![neighbour; length];
                    text[at] = char::from(byte);
                    same(&text.into_iter().collect::<String>());
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text(text in "(?s).{0,40}", special in "[\0-\x20\"\\\\a-zé\u{80}-\u{a0}]{0,40}") {
        same(&text);
        same(&special);
    }
}

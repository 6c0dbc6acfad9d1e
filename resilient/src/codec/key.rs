//! Which map keys JSON can hold: text, integers, `bool`, `char`, and names of variants.

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

use super::check::{self, Shape};
use super::{EncodeError, Problem};

type Checked = Result<Shape, EncodeError>;
type Never = Impossible<Shape, EncodeError>;

/// Looks at one key of a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyChecker;

fn refused<T>(kind: &'static str) -> Result<T, EncodeError> {
    Err(EncodeError::new(Problem::Key { kind }))
}

macro_rules! keys {
    ($($method:ident: $ty:ty),*) => {$(
        fn $method(self, _: $ty) -> Checked {
            Ok(Shape::Value)
        }
    )*};
}

impl Serializer for KeyChecker {
    type Ok = Shape;
    type Error = EncodeError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    keys!(
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64
    );

    fn serialize_i128(self, value: i128) -> Checked {
        check::signed(value)
    }

    fn serialize_u128(self, value: u128) -> Checked {
        check::unsigned(value)
    }

    fn serialize_char(self, value: char) -> Checked {
        check::text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Checked {
        check::text(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Checked {
        Ok(Shape::Value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_f32(self, _: f32) -> Checked {
        refused("a float")
    }

    fn serialize_f64(self, _: f64) -> Checked {
        refused("a float")
    }

    fn serialize_bytes(self, _: &[u8]) -> Checked {
        refused("bytes")
    }

    fn serialize_none(self) -> Checked {
        refused("an `Option`")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Checked {
        refused("an `Option`")
    }

    fn serialize_unit(self) -> Checked {
        refused("`()`")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Checked {
        refused("a unit struct")
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Checked {
        refused("an enum with data")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Never, EncodeError> {
        refused("a list")
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, EncodeError> {
        refused("a tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, EncodeError> {
        refused("a tuple")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, EncodeError> {
        refused("an enum with data")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, EncodeError> {
        refused("a map")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Never, EncodeError> {
        refused("a struct")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Never, EncodeError> {
        refused("an enum with data")
    }
}

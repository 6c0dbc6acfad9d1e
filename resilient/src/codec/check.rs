//! The pass that finds what could be written and not be read back.
//!
//! A serializer without output: it costs one walk over the value and no allocation unless it finds something.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::key::KeyChecker;
use super::{EncodeError, MAX_DEPTH, Problem, Segment};

/// What a value is written as; all that is asked is whether it is `null`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Null,
    Value,
}

type Checked = Result<Shape, EncodeError>;

/// Looks at one value, `depth` levels below the stored one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checker {
    depth: usize,
}

impl Checker {
    pub(super) const fn root() -> Self {
        Self { depth: 0 }
    }

    /// Goes `levels` deeper. Refusing here, before anything recurses, also keeps the writer's stack safe.
    fn descend(self, levels: usize) -> Result<Compound, EncodeError> {
        let depth = self.depth + levels;
        if depth > MAX_DEPTH {
            return Err(EncodeError::new(Problem::TooDeep));
        }
        Ok(Compound { inner: Self { depth }, index: 0 })
    }
}

fn finite(value: f64) -> Checked {
    if value.is_finite() {
        return Ok(Shape::Value);
    }
    Err(EncodeError::new(Problem::NotFinite { value: value.to_string() }))
}

pub(super) fn text(value: &str) -> Checked {
    match value.find('\0') {
        Some(at) => Err(EncodeError::new(Problem::Nul { at })),
        None => Ok(Shape::Value),
    }
}

pub(super) fn signed(value: i128) -> Checked {
    if i64::try_from(value).is_ok() || u64::try_from(value).is_ok() {
        return Ok(Shape::Value);
    }
    Err(EncodeError::new(Problem::TooLarge { value: value.to_string() }))
}

pub(super) fn unsigned(value: u128) -> Checked {
    if u64::try_from(value).is_ok() {
        return Ok(Shape::Value);
    }
    Err(EncodeError::new(Problem::TooLarge { value: value.to_string() }))
}

macro_rules! always_fine {
    ($($method:ident: $ty:ty),*) => {$(
        fn $method(self, _: $ty) -> Checked {
            Ok(Shape::Value)
        }
    )*};
}

impl Serializer for Checker {
    type Ok = Shape;
    type Error = EncodeError;
    type SerializeSeq = Compound;
    type SerializeTuple = Compound;
    type SerializeTupleStruct = Compound;
    type SerializeTupleVariant = Variant;
    type SerializeMap = Compound;
    type SerializeStruct = Compound;
    type SerializeStructVariant = Variant;

    always_fine!(
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_bytes: &[u8]
    );

    fn serialize_i128(self, value: i128) -> Checked {
        signed(value)
    }

    fn serialize_u128(self, value: u128) -> Checked {
        unsigned(value)
    }

    fn serialize_f32(self, value: f32) -> Checked {
        finite(value.into())
    }

    fn serialize_f64(self, value: f64) -> Checked {
        finite(value)
    }

    fn serialize_char(self, value: char) -> Checked {
        text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Checked {
        text(value)
    }

    fn serialize_none(self) -> Checked {
        Ok(Shape::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Checked {
        match value.serialize(self)? {
            Shape::Null => Err(EncodeError::new(Problem::SomeNull)),
            Shape::Value => Ok(Shape::Value),
        }
    }

    fn serialize_unit(self) -> Checked {
        Ok(Shape::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Checked {
        Ok(Shape::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Checked {
        Ok(Shape::Value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Checked {
        self.descend(1)?.check(value, || Segment::Field(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound, EncodeError> {
        self.descend(1)
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound, EncodeError> {
        self.descend(1)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound, EncodeError> {
        self.descend(1)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant, EncodeError> {
        Ok(Variant { inner: self.descend(2)?, name: variant })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound, EncodeError> {
        self.descend(1)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound, EncodeError> {
        self.descend(1)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant, EncodeError> {
        Ok(Variant { inner: self.descend(2)?, name: variant })
    }
}

/// The members of a list, a map or a struct.
#[derive(Debug)]
pub(super) struct Compound {
    inner: Checker,
    index: usize,
}

impl Compound {
    fn check<T: Serialize + ?Sized>(&self, value: &T, segment: impl FnOnce() -> Segment) -> Checked {
        match value.serialize(self.inner) {
            Ok(_) => Ok(Shape::Value),
            Err(error) => Err(error.within(segment())),
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let index = self.index;
        self.index += 1;
        self.check(value, || Segment::Index(index)).map(drop)
    }
}

macro_rules! elements {
    ($($interface:ident::$method:ident),*) => {$(
        impl $interface for Compound {
            type Ok = Shape;
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.element(value)
            }

            fn end(self) -> Checked {
                Ok(Shape::Value)
            }
        }
    )*};
}
elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field
);

impl SerializeStruct for Compound {
    type Ok = Shape;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.check(value, || Segment::Field(key)).map(drop)
    }

    fn end(self) -> Checked {
        Ok(Shape::Value)
    }
}

impl SerializeMap for Compound {
    type Ok = Shape;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        key.serialize(KeyChecker).map(drop)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.element(value)
    }

    fn serialize_entry<K, V>(&mut self, key: &K, value: &V) -> Result<(), EncodeError>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        self.serialize_key(key)?;
        self.check(value, || Segment::Key(serde_json::to_string(key).unwrap_or_default())).map(drop)
    }

    fn end(self) -> Checked {
        Ok(Shape::Value)
    }
}

/// The members of an enum variant, which JSON wraps into a map with the variant's name.
#[derive(Debug)]
pub(super) struct Variant {
    inner: Compound,
    name: &'static str,
}

impl SerializeTupleVariant for Variant {
    type Ok = Shape;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.inner.element(value).map_err(|error| error.within(Segment::Field(self.name)))
    }

    fn end(self) -> Checked {
        Ok(Shape::Value)
    }
}

impl SerializeStructVariant for Variant {
    type Ok = Shape;
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let within = |error: EncodeError| error.within(Segment::Field(self.name));
        self.inner.check(value, || Segment::Field(key)).map(drop).map_err(within)
    }

    fn end(self) -> Checked {
        Ok(Shape::Value)
    }
}

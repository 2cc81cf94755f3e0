//! What the `Deserialize` of a type asks for, found out without a value.
//!
//! Whether a type can be read from postcard's bytes is seen in the calls that its `Deserialize`
//! makes: `deserialize_any` asks the bytes what they are, and postcard's do not know. So it is run
//! on a deserializer that has no bytes. Each run goes one way down into the type, the first field
//! of a struct, the second variant of an enum, and ends in an error at the first leaf, so that
//! **no code of the user's sees a value that nobody sent, and no value of a user's type is made**:
//! what a type does when it is read or dropped is its own affair. The runs are repeated until all
//! ways have been gone.
//!
//! Elements of a tuple come one after the other, and the second cannot be got at without the
//! first. A first one that consists of the standard library's types alone is made, of zeros and
//! empty strings; where it is one of the user's, what is behind it is not known, unless its name
//! tells.
//!
//! What cannot be seen is taken to ask for everything: that costs time, and is never wrong.

use crate::described::Container;
use crate::handle;
use crate::problem::Problem;
use crate::schema::schema_of_name;
use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};
use std::any::type_name;
use std::collections::BTreeSet;
use std::panic::catch_unwind;

/// The structs and enums that a type is read from.
#[derive(Default)]
pub(crate) struct Shape {
    /// Whether that is all, and postcard's bytes are enough for it.
    pub(crate) is_whole: bool,
    structs: BTreeSet<(&'static str, Names)>,
    tuples: BTreeSet<(&'static str, usize)>,
    enums: BTreeSet<(&'static str, Names)>,
    /// Those of the enums whose variants have several names, so that a variant's number is not the
    /// place of its name.
    aliased: BTreeSet<(&'static str, Names)>,
    struct_variants: BTreeSet<(&'static str, u32, Names)>,
    tuple_variants: BTreeSet<(&'static str, u32, usize)>,
}

type Names = &'static [&'static str];

impl Shape {
    /// Returns whether what was written is read as the same: as many fields, in the same order.
    pub(crate) fn admits(&self, container: &Container) -> bool {
        match container {
            Container::Struct(name, names) => self.structs.contains(&(*name, names)),
            Container::TupleStruct(name, len) => self.tuples.contains(&(*name, *len)),
            Container::Variant(name, index, variant) => {
                let mut enums = self.enums.difference(&self.aliased);
                enums.any(|(of, known)| of == name && known.get(*index as usize) == Some(variant))
            }
            Container::TupleVariant(name, index, len) => {
                self.tuple_variants.contains(&(*name, *index, *len))
            }
            Container::StructVariant(name, index, names) => {
                self.struct_variants.contains(&(*name, *index, names))
            }
        }
    }

    /// Returns whether something of this name is read, but as something else.
    pub(crate) fn contradicts(&self, container: &Container) -> bool {
        let is_known = match container {
            Container::Struct(name, _) => self.structs.iter().any(|known| known.0 == *name),
            Container::TupleStruct(name, _) => self.tuples.iter().any(|known| known.0 == *name),
            Container::Variant(name, ..)
            | Container::TupleVariant(name, ..)
            | Container::StructVariant(name, ..) => self.enums.iter().any(|known| known.0 == *name),
        };
        is_known && !self.admits(container)
    }
}

/// How many ways are gone before it is given up.
const MANY: usize = 10_000;

/// Finds out what a `T` is read from.
pub(crate) fn probe<T: DeserializeOwned>() -> Shape {
    // A `Deserialize` that panics is the receiver's affair.
    let shape = catch_unwind(|| handle::while_probing(probe_every_way::<T>));
    shape.unwrap_or_default()
}

fn probe_every_way<T: DeserializeOwned>() -> Shape {
    map_every_way::<T>().shape
}

fn map_every_way<T: DeserializeOwned>() -> Map {
    let mut map = Map::default();
    map.todo.push(Vec::new());
    let mut ways = 0;
    while let Some(way) = map.todo.pop() {
        (map.way, map.at) = (way, 0);
        let touched = map.touched;
        let _ = T::deserialize(Probe {
            map: &mut map,
            gives: false,
        });
        ways += 1;
        if map.touched == touched || map.is_blind || ways == MANY {
            return map;
        }
    }
    map.shape.is_whole = true;
    map
}

/// Returns a hash of what a `T` is read from: the names and numbers of fields and variants, and the kinds
/// of the values inside, in the order in which they are read.
///
/// It is equal in every program in which the type is read from the same, whatever the programs call
/// it. What can be found out only from bytes that somebody has written, as of a type that asks the bytes
/// what they are, makes no difference to the hash.
///
/// # Examples
///
/// ```
/// use procession_wire::fingerprint;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Point { x: f32, y: f32 }
///
/// mod later {
///     #[derive(serde::Deserialize)]
///     pub struct Point { x: f32, y: f64 }
/// }
///
/// assert_eq!(fingerprint::<Vec<Point>>(), fingerprint::<Vec<Point>>());
/// assert_ne!(fingerprint::<Vec<Point>>(), fingerprint::<Vec<later::Point>>());
/// ```
pub fn fingerprint<T: DeserializeOwned>() -> u64 {
    let trace = catch_unwind(|| handle::while_probing(|| map_every_way::<T>().trace));
    trace.unwrap_or_default()
}

/// Where the runs have been, and where they have still to go.
#[derive(Default)]
struct Map {
    shape: Shape,
    /// The hash of what was asked for.
    trace: u64,
    /// Which branch to take at each fork of this run.
    way: Vec<usize>,
    /// How many forks of it are passed.
    at: usize,
    /// The ways that are still to be gone.
    todo: Vec<Vec<usize>>,
    /// The visitors whose ways are known.
    seen: BTreeSet<(&'static str, usize, Option<Names>)>,
    /// How often a deserializer was asked for something.
    touched: usize,
    /// Whether something was asked for that only bytes could answer, or cannot be seen.
    is_blind: bool,
}

impl Map {
    /// Chooses one of `branches`; `None` where all of them are known already.
    fn fork<V>(&mut self, branches: usize, names: Option<Names>) -> Option<usize> {
        if let Some(&branch) = self.way.get(self.at) {
            self.at += 1;
            return Some(branch);
        }
        let key = (type_name::<V>(), branches, names);
        if branches == 0 || !self.seen.insert(key) {
            return None;
        }
        self.note(&branches.to_string());
        names.into_iter().flatten().for_each(|name| self.note(name));
        for branch in 1..branches {
            let mut way = self.way.clone();
            way.push(branch);
            self.todo.push(way);
        }
        self.way.push(0);
        self.at += 1;
        Some(0)
    }

    /// Adds something that was asked for to the trace.
    fn note(&mut self, what: &str) {
        const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
        self.trace = (self.trace.rotate_left(5) ^ schema_of_name(what)).wrapping_mul(MULTIPLIER);
    }

    fn blind(&mut self) -> Problem {
        self.is_blind = true;
        end()
    }
}

/// The end of a run.
fn end() -> Problem {
    Problem::new("nothing is being read")
}

/// A deserializer without bytes.
struct Probe<'a> {
    map: &'a mut Map,
    /// Whether a value of a type of the standard library is wanted.
    gives: bool,
}

impl Probe<'_> {
    fn again(&mut self) -> Probe<'_> {
        Probe {
            map: self.map,
            gives: self.gives,
        }
    }

    fn touch(&mut self) {
        self.map.touched += 1;
    }

    /// Reads from a sequence of `len` elements, of which the `branch`th is looked at.
    fn elements<'de, V: Visitor<'de>>(
        self,
        len: usize,
        branch: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_seq(Elements {
            may_give: self.gives || is_harmless::<V>(),
            name: type_name::<V::Value>(),
            probe: self,
            branch,
            next: 0,
            len,
        })
    }

    /// Looks at a value inside.
    fn explore<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        let touched = self.map.touched;
        let result = seed.deserialize(self.again());
        if self.map.touched == touched {
            // It needs no deserializer, or has ended before it got to it.
            self.map.is_blind = true;
        }
        result
    }

    /// Makes a value, if that is sure to do no harm.
    ///
    /// If it is not, whatever comes behind it cannot be seen.
    fn give<'de, S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
        may_give: bool,
        rest_is_known: bool,
    ) -> Result<S::Value, Problem> {
        if may_give && is_standard(type_name::<S::Value>()) {
            let gives = true;
            return seed.deserialize(Probe {
                map: self.map,
                gives,
            });
        }
        self.map.is_blind |= !rest_is_known;
        Err(end())
    }

    fn tuple<'de, V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Problem> {
        self.touch();
        if self.gives {
            return self.elements(len, len, visitor);
        }
        match self.map.fork::<V>(len, None) {
            Some(branch) => self.elements(len, branch, visitor),
            None => Err(end()),
        }
    }

    fn fields<'de, V: Visitor<'de>>(
        mut self,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.touch();
        if self.gives {
            return self.elements(fields.len(), fields.len(), visitor);
        }
        match self.map.fork::<V>(fields.len(), Some(fields)) {
            Some(branch) => self.field(fields[branch], visitor),
            None => Err(end()),
        }
    }

    /// Reads one field of a struct.
    fn field<'de, V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let mut is_read = false;
        let result = visitor.visit_map(Field {
            probe: self.again(),
            name: Some(name),
            is_read: &mut is_read,
        });
        // Otherwise the visitor takes no map, or has no such field.
        self.map.is_blind |= !is_read;
        result
    }
}

/// Returns whether a visitor does nothing with elements but keep them until all are there.
fn is_harmless<V>() -> bool {
    let name = type_name::<V>();
    ["serde::", "serde_core::", "indexmap::"]
        .iter()
        .any(|path| name.starts_with(path))
        || name.contains("::deserialize::__Visitor<")
}

/// Returns whether a type consists of the standard library's types alone. Their `Deserialize` asks
/// for nothing special, and their values do no harm when they are made and dropped.
fn is_standard(name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    name.split(|c| !is_part(c))
        .all(|path| match path.split_once("::") {
            None => !path.starts_with("dyn"),
            Some((root, _)) => ["std", "core", "alloc"].contains(&root),
        })
}

/// Returns whether all that a tuple or a map has behind the element at `index` is standard, or of
/// the same type as that element.
fn rest_is_known(name: &str, index: usize) -> bool {
    let maps = ["std::collections::", "alloc::collections::", "indexmap::"];
    let Some((outside, inside)) = name.split_once(['(', '<']) else {
        return false;
    };
    if !outside.is_empty() && !maps.iter().any(|path| outside.starts_with(path)) {
        return false;
    }
    let parts = parts(&inside[..inside.len() - 1]);
    let Some((this, rest)) = parts.get(index..).and_then(<[_]>::split_first) else {
        return false;
    };
    rest.iter().all(|part| part == this || is_standard(part))
}

/// Splits a list of types at its own commas, not at those inside of its types.
fn parts(list: &str) -> Vec<&str> {
    let mut level = 0_usize;
    let is_end = |c| {
        match c {
            '(' | '<' | '[' => level += 1,
            ')' | '>' | ']' => level = level.saturating_sub(1),
            _ => {}
        }
        c == ',' && level == 0
    };
    list.split(is_end).map(str::trim).collect()
}

macro_rules! leaves {
    ($($method:ident $visit:ident $value:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
            self.touch();
            if self.gives {
                return visitor.$visit($value);
            }
            self.map.note(stringify!($method));
            Err(end())
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Problem;

    leaves! {
        deserialize_bool visit_bool false;
        deserialize_char visit_char 'a';
        deserialize_i8 visit_i8 1;
        deserialize_i16 visit_i16 1;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_i128 visit_i128 1;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_u128 visit_u128 1;
        deserialize_f32 visit_f32 1.0;
        deserialize_f64 visit_f64 1.0;
        deserialize_str visit_borrowed_str "";
        deserialize_string visit_borrowed_str "";
        deserialize_bytes visit_borrowed_bytes &[0];
        deserialize_byte_buf visit_borrowed_bytes &[0];
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        self.touch();
        if self.gives {
            return visitor.visit_unit();
        }
        self.map.note("deserialize_unit");
        Err(end())
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Problem> {
        Err(self.map.blind())
    }

    forward_to_deserialize_any! { identifier ignored_any }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        self.touch();
        if self.gives {
            return visitor.visit_none();
        }
        self.map.note("deserialize_option");
        match self.map.fork::<V>(1, None) {
            Some(_) => visitor.visit_some(self),
            None => Err(end()),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.touch();
        if self.gives {
            return visitor.visit_newtype_struct(self);
        }
        self.map.note("deserialize_newtype_struct");
        match self.map.fork::<V>(1, None) {
            Some(_) => visitor.visit_newtype_struct(self),
            None => Err(end()),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        self.touch();
        if self.gives {
            return self.elements(0, 0, visitor);
        }
        self.map.note("deserialize_seq");
        match self.map.fork::<V>(1, None) {
            Some(_) => self.elements(1, 0, visitor),
            None => Err(end()),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        if !self.gives {
            self.map.note(&len.to_string());
        }
        // All elements of an array are of one type.
        let is_array = type_name::<V::Value>().starts_with('[') && !self.gives;
        self.tuple(if is_array { len.min(1) } else { len }, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.map.shape.tuples.insert((name, len));
        self.tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        self.touch();
        if self.gives {
            return visitor.visit_map(serde::de::value::MapDeserializer::<_, Problem>::new(
                std::iter::empty::<((), ())>(),
            ));
        }
        // The key, and the value.
        self.map.note("deserialize_map");
        match self.map.fork::<V>(2, None) {
            Some(branch) => visitor.visit_map(Entry {
                may_give: is_harmless::<V>(),
                name: type_name::<V::Value>(),
                wants_value: branch == 1,
                probe: self,
            }),
            None => Err(end()),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.map.shape.structs.insert((name, fields));
        self.fields(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: Names,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.touch();
        self.map.shape.enums.insert((name, variants));
        let branch = if self.gives {
            Some(0)
        } else {
            self.map.fork::<V>(variants.len(), Some(variants))
        };
        let index = branch.ok_or_else(end)? as u32;
        visitor.visit_enum(Variant {
            probe: self,
            name,
            variants,
            index,
        })
    }
}

/// The elements of a sequence or a tuple: one is looked at, those before it are made.
struct Elements<'a> {
    probe: Probe<'a>,
    may_give: bool,
    /// The name of the whole.
    name: &'static str,
    branch: usize,
    next: usize,
    len: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Problem;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        let index = self.next;
        self.next += 1;
        if index == self.len && self.probe.gives {
            return Ok(None);
        }
        if index < self.branch {
            let rest = rest_is_known(self.name, index);
            return self.probe.give(seed, self.may_give, rest).map(Some);
        }
        if index == self.branch && index < self.len {
            return self.probe.explore(seed).map(Some);
        }
        // Nothing is to be made of the elements.
        Err(end())
    }
}

/// A field of a struct.
struct Field<'a> {
    probe: Probe<'a>,
    name: Option<&'static str>,
    is_read: &'a mut bool,
}

impl<'de> MapAccess<'de> for Field<'_> {
    type Error = Problem;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        let name = self.name.take().ok_or_else(end)?;
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        *self.is_read = true;
        self.probe.explore(seed)
    }
}

/// An entry of a map.
struct Entry<'a> {
    probe: Probe<'a>,
    may_give: bool,
    /// The name of the whole.
    name: &'static str,
    wants_value: bool,
}

impl<'de> MapAccess<'de> for Entry<'_> {
    type Error = Problem;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Problem> {
        let key = if self.wants_value {
            let rest = rest_is_known(self.name, 0);
            self.probe.give(seed, self.may_give, rest)
        } else {
            self.probe.explore(seed)
        };
        key.map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Problem> {
        self.probe.explore(seed)
    }
}

/// A variant of an enum.
struct Variant<'a> {
    probe: Probe<'a>,
    name: &'static str,
    variants: Names,
    index: u32,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Problem> {
        let index: U32Deserializer<Problem> = self.index.into_deserializer();
        match seed.deserialize(index) {
            Ok(variant) => Ok((variant, self)),
            Err(problem) => {
                // There are fewer variants than names. If there are none, it goes by names alone.
                let shape = &mut self.probe.map.shape;
                shape.aliased.insert((self.name, self.variants));
                self.probe.map.is_blind |= self.index == 0;
                Err(problem)
            }
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        if self.probe.gives {
            return Ok(());
        }
        self.probe.map.note("unit_variant");
        Err(end())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<S::Value, Problem> {
        self.probe.explore(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Problem> {
        let tuples = &mut self.probe.map.shape.tuple_variants;
        tuples.insert((self.name, self.index, len));
        self.probe.tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let structs = &mut self.probe.map.shape.struct_variants;
        structs.insert((self.name, self.index, fields));
        self.probe.fields(fields, visitor)
    }
}

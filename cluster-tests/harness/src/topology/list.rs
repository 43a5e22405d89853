// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lists of which a number says enough.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};

use super::{Rail, MAX_NODES};

/// `3` is `[1, 2, 3]`.
pub(super) fn nodes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    from.deserialize_any(List(|count| (1..=count).collect()))
}

/// `3` is three ordinary ones.
pub(super) fn rails<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Rail>, D::Error> {
    from.deserialize_any(List(|count| vec![Rail::default(); count as usize]))
}

/// Takes a list as it is, and makes one of a number. Not serde's untagged enum, whose errors
/// don't say what is wrong inside the list.
struct List<T>(fn(u32) -> Vec<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Vec<T>, E> {
        // One too many is enough for the topology's check to refuse it.
        Ok(self.0(count.min(u64::from(MAX_NODES) + 1) as u32))
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<Vec<T>, E> {
        match u64::try_from(count) {
            Ok(count) => self.visit_u64(count),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(count), &self)),
        }
    }
}

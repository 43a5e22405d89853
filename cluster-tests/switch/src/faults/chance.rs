// SPDX-License-Identifier: MIT OR Apache-2.0

//! Probabilities.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A probability from never to always, in steps of 2^-32; as text a
/// percentage such as `5%` or `0.01%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Chance(u64);

/// The scale: this many are certainty.
const WHOLE: u64 = 1 << 32;

impl Chance {
    /// It does not happen.
    pub const NEVER: Self = Self(0);
    /// It always happens.
    pub const ALWAYS: Self = Self(WHOLE);

    /// So many of a hundred; what is outside 0 to 100 is taken to the nearer end.
    pub fn percent(percent: f64) -> Self {
        // A number that is not one becomes 0.
        Self((percent.clamp(0.0, 100.0) / 100.0 * WHOLE as f64).round() as u64)
    }

    /// Whether it happens, by an evenly drawn number.
    pub(crate) fn hits(self, drawn: u32) -> bool {
        u64::from(drawn) < self.0
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Four digits are as fine as anyone asks; finer ones are shown whole, so that reading
        // gives back what was written.
        let percent = self.0 as f64 * 100.0 / WHOLE as f64;
        let rounded = (percent * 1e4).round() / 1e4;
        let shown = match Self::percent(rounded) == *self {
            true => rounded,
            false => percent,
        };
        write!(f, "{shown}%")
    }
}

impl FromStr for Chance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|n| n.parse::<f64>().ok());
        match number {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::percent(percent)),
            _ => Err(format!("`{text}` is no chance: 0% to 100%, as 2.5%")),
        }
    }
}

impl TryFrom<String> for Chance {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Chance> for String {
    fn from(chance: Chance) -> Self {
        chance.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_ends_are_certain() {
        for drawn in [0, 1, u32::MAX] {
            assert!(!Chance::NEVER.hits(drawn));
            assert!(Chance::ALWAYS.hits(drawn));
        }
        assert_eq!(Chance::percent(100.0), Chance::ALWAYS);
        assert_eq!(Chance::percent(-1.0), Chance::NEVER);
        assert_eq!(Chance::percent(f64::NAN), Chance::NEVER);
    }

    #[test]
    fn text_is_a_percentage() {
        assert_eq!(Chance::percent(2.5).to_string(), "2.5%");
        assert_eq!("0.01%".parse::<Chance>().unwrap().to_string(), "0.01%");
        for bad in ["5", "%", "101%", "-1%", "NaN%", ""] {
            let error = bad.parse::<Chance>().unwrap_err();
            assert!(error.contains("no chance"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn text_comes_back(raw in 0..=WHOLE) {
            let chance = Chance(raw);
            prop_assert_eq!(chance.to_string().parse::<Chance>(), Ok(chance));
        }
    }
}

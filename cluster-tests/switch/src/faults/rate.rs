// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rates of links.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bits per second; as text `100mbit`, `1gbit` or `2500kbit`, as `tc` has it.
///
/// A link of this rate is a token bucket: a burst passes at once, and what
/// comes faster waits in a queue that has no room for more than a while's.
/// The length of a frame is counted from its Ethernet addresses to the end of
/// its data. A frame leaves when there is a token, however long it is, and
/// what it takes too much is paid back first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(u64);

/// Frames wait for so long at most.
const QUEUED: Duration = Duration::from_millis(50);

/// The same for slow links, in bytes: a CM circuit's window of short frames fits in.
const QUEUED_LEAST: u64 = 128 * 1024;

const UNITS: [(&str, u64); 3] = [
    ("gbit", 1_000_000_000),
    ("mbit", 1_000_000),
    ("kbit", 1_000),
];

impl Rate {
    /// The slowest, at which a jumbo frame takes a second and a bit.
    pub const LEAST: Self = Self(64_000);
    /// The fastest.
    pub const MOST: Self = Self(100_000_000_000);

    /// So many million bits per second, within [`Rate::LEAST`] and [`Rate::MOST`].
    pub fn mbit(count: u32) -> Self {
        Self(u64::from(count) * 1_000_000).clamp(Self::LEAST, Self::MOST)
    }

    /// Bits per second.
    pub fn bits_per_second(self) -> u64 {
        self.0
    }

    /// Bytes that pass at once after a pause: those of a millisecond, for timers are not much
    /// finer, and of two ordinary frames at least.
    pub fn burst(self) -> u64 {
        (self.0 / 8 / 1000).max(3000)
    }

    /// Bytes that wait at most: those of 50 ms, and 128 KiB at least.
    pub fn queue(self) -> u64 {
        (self.0 / 8 * QUEUED.as_millis() as u64 / 1000).max(QUEUED_LEAST)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, unit)| self.0 % unit == 0);
        match unit {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}bit", self.0),
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = UNITS.iter().copied().chain([("bit", 1)]);
        for (name, unit) in units {
            let Some(number) = text.strip_suffix(name) else {
                continue;
            };
            let bits = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
            if let Some(rate) = bits.map(Self) {
                if (Self::LEAST..=Self::MOST).contains(&rate) {
                    return Ok(rate);
                }
            }
            break;
        }
        let (least, most) = (Self::LEAST, Self::MOST);
        Err(format!(
            "`{text}` is no rate: {least} to {most}, as 100mbit or 1gbit"
        ))
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_tc_does() {
        for text in ["100mbit", "1gbit", "2500kbit", "64001bit"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for bad in ["", "100", "mbit", "1kbit", "-1mbit", "101gbit", "1.5mbit"] {
            let error = bad.parse::<Rate>().unwrap_err();
            assert!(error.contains("64kbit to 100gbit"), "{error}");
        }
    }

    #[test]
    fn a_queue_holds_a_jumbo_frame_at_any_rate() {
        for rate in [Rate::LEAST, Rate::mbit(10), Rate::mbit(1000), Rate::MOST] {
            assert!(rate.queue() > 9014, "{rate}");
        }
        assert_eq!(Rate::mbit(100).queue(), 625_000);
        assert_eq!(Rate::mbit(0), Rate::LEAST);
    }
}

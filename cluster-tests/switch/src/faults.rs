// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults of frames, as values.

mod chance;
mod place;
mod rate;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use chance::Chance;
pub use place::{Direction, Selector};
pub use rate::Rate;

/// What happens to the frames that pass a port of a switch in one direction.
///
/// The chances are drawn for each frame by itself, in the order of the
/// fields: a lost frame is neither corrupted nor duplicated, and both copies
/// of a duplicated one are corrupted alike.
///
/// ```
/// use podos_switch::{Chance, Faults};
/// let faults = Faults { loss: Chance::percent(5.0), ..Faults::default() };
/// assert!(!faults.is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Faults {
    /// A frame vanishes.
    pub loss: Chance,
    /// One to three bits of a frame flip, anywhere behind its Ethernet addresses.
    pub corruption: Chance,
    /// A frame comes twice.
    pub duplication: Chance,
    /// A frame is held back for [`Faults::held`], in which those behind it overtake it.
    pub reordering: Chance,
    /// How long a frame that is to be overtaken is held back.
    pub held: Duration,
    /// How long every frame takes.
    pub delay: Duration,
    /// How much longer, at most, a frame may take; evenly drawn. It reorders nothing: a frame
    /// leaves no earlier than the one before it.
    pub jitter: Duration,
    /// The chances concern only frames of PODOS; others pass whole.
    pub only_podos: bool,
}

impl Faults {
    /// Longest time by which a frame can be late.
    pub const LONGEST: Duration = Duration::from_secs(60);

    /// Whether frames pass as they are.
    pub fn is_none(&self) -> bool {
        let held = self.held;
        *self
            == Self {
                held,
                only_podos: self.only_podos,
                ..Self::default()
            }
    }

    /// The first of its times that is longer than [`Faults::LONGEST`], by the name of its field.
    pub fn too_long(&self) -> Option<(&'static str, Duration)> {
        let times = [
            ("delay", self.delay),
            ("jitter", self.jitter),
            ("held", self.held),
        ];
        times.into_iter().find(|(_, time)| *time > Self::LONGEST)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            loss: Chance::NEVER,
            corruption: Chance::NEVER,
            duplication: Chance::NEVER,
            reordering: Chance::NEVER,
            held: Duration::from_millis(2),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            only_podos: false,
        }
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words = Vec::new();
        for (name, chance) in [
            ("loss", self.loss),
            ("corruption", self.corruption),
            ("duplication", self.duplication),
            ("reordering", self.reordering),
        ] {
            if chance != Chance::NEVER {
                words.push(format!("{name} {chance}"));
            }
        }
        for (name, time) in [("delay", self.delay), ("jitter", self.jitter)] {
            if !time.is_zero() {
                words.push(format!("{name} {time:?}"));
            }
        }
        if words.is_empty() {
            return f.write_str("none");
        }
        if self.only_podos {
            words.push("of PODOS frames only".into());
        }
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_tell_what_they_do() {
        assert_eq!(Faults::default().to_string(), "none");
        let faults = Faults {
            loss: Chance::percent(5.0),
            delay: Duration::from_millis(3),
            only_podos: true,
            ..Faults::default()
        };
        let text = "loss 5%, delay 3ms, of PODOS frames only";
        assert_eq!(faults.to_string(), text);
        assert!(!faults.is_none());
        assert!(Faults {
            only_podos: true,
            held: Duration::ZERO,
            ..Faults::default()
        }
        .is_none());
    }

    #[test]
    fn a_frame_is_not_late_for_ever() {
        let faults = Faults {
            jitter: Duration::from_secs(61),
            ..Faults::default()
        };
        assert_eq!(faults.too_long(), Some(("jitter", faults.jitter)));
        assert_eq!(Faults::default().too_long(), None);
    }
}

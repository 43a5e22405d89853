// SPDX-License-Identifier: MIT OR Apache-2.0

//! Places of faults: rail, node and direction.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which way frames go, seen from the node at the port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// What the node sends.
    Sent,
    /// What the node is sent.
    Received,
}

impl FromStr for Direction {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "sent" => Ok(Self::Sent),
            "received" => Ok(Self::Received),
            "both" => Ok(Self::Both),
            _ => Err(format!(
                "there is no direction `{name}`; there are sent, received, both"
            )),
        }
    }
}

impl Direction {
    /// Whether what the node sends is meant.
    pub fn sent(self) -> bool {
        self != Self::Received
    }

    /// Whether what the node is sent is meant.
    pub fn received(self) -> bool {
        self != Self::Sent
    }
}

/// Which ports are meant: those that fit all that is given. The default is
/// every port, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Selector {
    /// Only on this rail.
    pub rail: Option<u8>,
    /// Only at this node.
    pub node: Option<u32>,
    /// Only this way.
    pub direction: Direction,
}

impl Selector {
    /// Every port, both ways.
    pub const ALL: Self = Self {
        rail: None,
        node: None,
        direction: Direction::Both,
    };

    /// All ports of a rail.
    pub fn rail(rail: u8) -> Self {
        Self {
            rail: Some(rail),
            ..Self::ALL
        }
    }

    /// All ports of a node.
    pub fn node(node: u32) -> Self {
        Self {
            node: Some(node),
            ..Self::ALL
        }
    }

    /// Of those only the ones on this rail.
    pub fn on_rail(self, rail: u8) -> Self {
        let rail = Some(rail);
        Self { rail, ..self }
    }

    /// Of those only this direction.
    pub fn going(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// The ports that a rate is for: with no direction given, what nodes receive.
    pub fn shaped(self) -> Self {
        match self.direction {
            Direction::Both => self.going(Direction::Received),
            _ => self,
        }
    }

    /// Whether a port is one of them.
    pub fn takes(&self, rail: u8, node: u32) -> bool {
        self.rail.is_none_or(|wanted| wanted == rail)
            && self.node.is_none_or(|wanted| wanted == node)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rail {
            Some(rail) => write!(f, "rail {rail}")?,
            None => f.write_str("every rail")?,
        }
        match self.node {
            Some(node) => write!(f, " at linus{node}")?,
            None => f.write_str(" at every node")?,
        }
        match self.direction {
            Direction::Both => Ok(()),
            Direction::Sent => f.write_str(", what is sent"),
            Direction::Received => f.write_str(", what is received"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_read() {
        for (name, direction) in [
            ("sent", Direction::Sent),
            ("received", Direction::Received),
            ("both", Direction::Both),
        ] {
            assert_eq!(name.parse(), Ok(direction));
        }
        assert!("up"
            .parse::<Direction>()
            .unwrap_err()
            .contains("sent, received"));
    }

    #[test]
    fn a_place_takes_what_fits_all_of_it() {
        assert!(Selector::ALL.takes(7, 254));
        let place = Selector::node(2).on_rail(1);
        assert!(place.takes(1, 2));
        assert!(!place.takes(0, 2) && !place.takes(1, 1));
        let text = place.going(Direction::Sent).to_string();
        assert_eq!(text, "rail 1 at linus2, what is sent");
    }
}

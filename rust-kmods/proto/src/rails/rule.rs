// SPDX-License-Identifier: GPL-2.0-only

//! How the device of a rail is recognised.

use core::fmt;

use super::Device;
use crate::tgroup::{PerRail, RailId, MAX_RAILS};

/// Most bytes of a device's name.
const NAME_MAX: usize = 15;
/// Most bytes of a path.
const PATH_MAX: usize = 31;

/// The rules of all rails.
pub type Rules = PerRail<Rule>;

/// A few bytes that are no blanks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Word<const MAX: usize> {
    len: u8,
    bytes: [u8; MAX],
}

impl<const MAX: usize> Word<MAX> {
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX];
        let is_proper = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let len = u8::try_from(text.len()).ok()?;
        is_proper.then_some(Self { len, bytes })
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const MAX: usize> fmt::Display for Word<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(self.text()).unwrap_or("?"))
    }
}

impl<const MAX: usize> fmt::Debug for Word<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// See the module. Text form: `none`, `name=eth0`, `mac=52:54:00:12:34:56`, `path=0000:00:03.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The rail has none.
    None,
    /// By its name.
    Name(Word<NAME_MAX>),
    /// By the hardware address that it was made with: what lies on top of a device (a VLAN, a bond)
    /// borrows addresses and is never meant.
    Mac([u8; 6]),
    /// By the place that it is plugged in, a PCI function above all.
    Path(Word<PATH_MAX>),
}

impl Rule {
    /// Where nobody says anything, rail N is `ethN`.
    pub const USUAL: Rules = {
        let mut rules = [Rule::None; MAX_RAILS];
        let mut rail = 0;
        while rail < MAX_RAILS {
            let mut bytes = [0; NAME_MAX];
            [bytes[0], bytes[1], bytes[2]] = *b"eth";
            bytes[3] = b'0' + rail as u8;
            rules[rail] = Rule::Name(Word { len: 4, bytes });
            rail += 1;
        }
        PerRail::new(rules)
    };

    /// Whether the device is the one that is meant.
    pub fn fits(&self, device: &impl Device) -> bool {
        match self {
            Rule::None => false,
            Rule::Name(name) => device.name() == name.text(),
            Rule::Mac(mac) => device.permanent_mac().as_ref() == Some(mac),
            Rule::Path(path) => device.is_at(path.text()),
        }
    }

    fn parse(text: &[u8]) -> Result<Self, RuleError> {
        if text == b"none" {
            return Ok(Rule::None);
        }
        let mut parts = text.splitn(2, |&byte| byte == b'=');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
            return Err(RuleError::Kind);
        };
        match key {
            b"name" => Word::new(value).map(Rule::Name).ok_or(RuleError::Name),
            b"mac" => parse_mac(value).map(Rule::Mac).ok_or(RuleError::Mac),
            b"path" => Word::new(value).map(Rule::Path).ok_or(RuleError::Path),
            _ => Err(RuleError::Kind),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::None => f.write_str("none"),
            Rule::Name(name) => write!(f, "name={name}"),
            Rule::Mac([a, b, c, d, e, g]) => {
                write!(f, "mac={a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Rule::Path(path) => write!(f, "path={path}"),
        }
    }
}

/// Why a line is no rule. Each says what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// It does not begin with the number of a rail.
    Rail,
    /// Something is missing, or too much.
    Words,
    /// The rule is none of those that there are.
    Kind,
    /// No device can have this name.
    Name,
    /// It is no hardware address of a device.
    Mac,
    /// No device can be there.
    Path,
    /// Another rail has the same rule.
    Twice(RailId),
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::Rail => write!(f, "it begins with no rail, 0 to {}", MAX_RAILS - 1),
            RuleError::Words => f.write_str("it is not a rail and one rule, as in `0 name=eth0`"),
            RuleError::Kind => f.write_str("a rule is name=, mac=, path= or none"),
            RuleError::Name => write!(f, "a name is 1 to {NAME_MAX} characters without blanks"),
            RuleError::Mac => f.write_str("an address is six bytes, as in 52:54:00:12:34:56"),
            RuleError::Path => write!(f, "a path is 1 to {PATH_MAX} characters, 0000:00:03.0"),
            RuleError::Twice(rail) => write!(f, "rail {rail} has the same rule"),
        }
    }
}

/// `rules` with those that `text` says, a line each: `RAIL RULE`.
///
/// # Errors
///
/// The first line that is none, counted from 1, and why.
pub fn changed(rules: &Rules, text: &[u8]) -> Result<Rules, (usize, RuleError)> {
    let mut rules = *rules;
    // What another rail has may be what a later line takes from it.
    let mut lines_of = PerRail::new([0; MAX_RAILS]);
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let blank = |byte: &u8| byte.is_ascii_whitespace();
        let mut words = line.split(blank).filter(|word| !word.is_empty());
        let Some(rail) = words.next() else {
            continue;
        };
        let rule = match (words.next(), words.next()) {
            (Some(rule), None) => Rule::parse(rule),
            _ => Err(RuleError::Words),
        };
        let rail = match rail {
            [digit @ b'0'..=b'9'] => RailId::new(usize::from(digit - b'0')),
            _ => None,
        };
        let rail = rail.ok_or((number, RuleError::Rail))?;
        rules[rail] = rule.map_err(|error| (number, error))?;
        lines_of[rail] = number;
    }
    for (rail, rule) in rules.iter().filter(|(_, rule)| **rule != Rule::None) {
        let mut before = rules.iter().take_while(|(other, _)| *other < rail);
        if let Some((other, _)) = before.find(|(_, other)| *other == rule) {
            let line = lines_of[rail].max(lines_of[other]);
            return Err((line, RuleError::Twice(other)));
        }
    }
    Ok(rules)
}

/// Six bytes in hexadecimal; none of a group, which no device has, and not zero.
fn parse_mac(text: &[u8]) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(|&byte| byte == b':');
    for byte in &mut mac {
        let part = core::str::from_utf8(parts.next()?).ok()?;
        let is_hex = part.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = (part.len() == 2 && is_hex).then(|| u8::from_str_radix(part, 16).ok())??;
    }
    let is_proper = mac[0] & 1 == 0 && mac != [0; 6];
    (parts.next().is_none() && is_proper).then_some(mac)
}

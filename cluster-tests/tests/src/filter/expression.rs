// SPDX-License-Identifier: MIT OR Apache-2.0

//! A set of tests, as a value.

use std::fmt;

use regex::Regex;

/// A set of tests. It prints as it is written, with the parentheses that it needs.
#[derive(Clone, Debug)]
pub enum Expression {
    All,
    None,
    Test(Matcher),
    Setting(Matcher),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    /// What is in the first and not in the second.
    Minus(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

/// Which names are meant.
#[derive(Clone, Debug)]
pub enum Matcher {
    Equals(String),
    Contains(String),
    Regex(Regex),
}

impl Expression {
    /// Whether a test of this name and setting is in it.
    pub fn takes(&self, test: &str, setting: &str) -> bool {
        let of = |set: &Self| set.takes(test, setting);
        match self {
            Self::All => true,
            Self::None => false,
            Self::Test(matcher) => matcher.fits(test),
            Self::Setting(matcher) => matcher.fits(setting),
            Self::Not(set) => !of(set),
            Self::And(one, other) => of(one) && of(other),
            Self::Minus(one, other) => of(one) && !of(other),
            Self::Or(one, other) => of(one) || of(other),
        }
    }

    /// How tightly it holds together: a looser one inside needs parentheses.
    fn level(&self) -> u8 {
        match self {
            Self::Or(..) => 0,
            Self::And(..) | Self::Minus(..) => 1,
            Self::Not(_) => 2,
            _ => 3,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, level: u8) -> fmt::Result {
        if self.level() < level {
            write!(f, "(")?;
            self.write(f, 0)?;
            return write!(f, ")");
        }
        // The second operand binds more tightly, for they are read from left to right.
        let mut two = |one: &Self, sign, other: &Self| {
            one.write(f, self.level())?;
            write!(f, " {sign} ")?;
            other.write(f, self.level() + 1)
        };
        match self {
            Self::All => write!(f, "all()"),
            Self::None => write!(f, "none()"),
            Self::Test(matcher) => write!(f, "test({matcher})"),
            Self::Setting(matcher) => write!(f, "setting({matcher})"),
            Self::And(one, other) => two(one, '&', other),
            Self::Minus(one, other) => two(one, '-', other),
            Self::Or(one, other) => two(one, '|', other),
            Self::Not(set) => {
                write!(f, "!")?;
                set.write(f, self.level())
            }
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl Matcher {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => name == text,
            Self::Contains(text) => name.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(name),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace(')', "\\)");
        match self {
            Self::Equals(text) => write!(f, "={}", escaped(text)),
            Self::Contains(text) => write!(f, "~{}", escaped(text)),
            Self::Regex(regex) => write!(f, "/{}/", regex.as_str().replace('/', "\\/")),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! The command that a caller writes into a GIPC descriptor.

use crate::codec::Malformed;

/// Longest command in bytes.
pub const MAX_COMMAND: usize = 128 * 1024;

/// A command: up to three sections of NUL-terminated strings.
///
/// The arguments, the first of them the program; then, if wanted, an empty string and the
/// environment; then, if wanted, an empty string and the working directory. The very last NUL may
/// be missing. An empty string ends its section, so none can be an argument there: a command that
/// needs one is written in the counted form, which begins with an empty string, then the number of
/// arguments and the number of environment strings in decimal, then these, then the working
/// directory, if wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    argv: &'a [u8],
    env: &'a [u8],
    cwd: &'a [u8],
}

impl<'a> Command<'a> {
    /// Takes a command apart.
    ///
    /// # Errors
    ///
    /// [`Malformed::Name`] without a program, [`Malformed::Length`] when longer than
    /// [`MAX_COMMAND`] or when there are fewer strings than counted, [`Malformed::Value`] for a
    /// count that is no number, [`Malformed::Trailing`] when something follows the working
    /// directory.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_COMMAND {
            return Err(Malformed::Length);
        }
        let command = match bytes.split_first() {
            Some((0, counted)) => Self::parse_counted(counted)?,
            _ => Self::parse_sections(bytes)?,
        };
        if command.program().is_empty() {
            return Err(Malformed::Name);
        }
        if (Strings { rest: command.cwd }).nth(1).is_some() {
            return Err(Malformed::Trailing);
        }
        Ok(command)
    }

    fn parse_sections(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (argv, rest) = section(bytes);
        let (env, rest) = section(rest);
        let (cwd, rest) = section(rest);
        if !rest.is_empty() {
            return Err(Malformed::Trailing);
        }
        Ok(Self { argv, env, cwd })
    }

    fn parse_counted(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut strings = Strings { rest: bytes };
        let argc = number(strings.next())?;
        let envc = number(strings.next())?;
        let argv = strings.take_raw(argc)?;
        let env = strings.take_raw(envc)?;
        let cwd = strings.rest;
        Ok(Self { argv, env, cwd })
    }

    /// The file to run: the first argument.
    pub fn program(&self) -> &'a [u8] {
        self.argv().next().unwrap_or(&[])
    }

    /// The arguments, the program among them: at least one, and the first one is not empty.
    pub fn argv(&self) -> Strings<'a> {
        Strings { rest: self.argv }
    }

    /// The environment: `NAME=value` strings, none when the caller gave none.
    pub fn env(&self) -> Strings<'a> {
        Strings { rest: self.env }
    }

    /// The working directory, if the caller gave one.
    pub fn cwd(&self) -> Option<&'a [u8]> {
        let cwd = Strings { rest: self.cwd }.next();
        cwd.filter(|directory| !directory.is_empty())
    }
}

/// Splits at the first empty string: what stands before it, and what behind it.
fn section(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or(&[]);
        match rest.iter().position(|&byte| byte == 0) {
            Some(0) => return (&bytes[..at], &rest[1..]),
            Some(len) => at += len + 1,
            None => return (bytes, &[]),
        }
    }
}

/// A count in decimal.
fn number(string: Option<&[u8]>) -> Result<usize, Malformed> {
    let digits = string.and_then(|s| core::str::from_utf8(s).ok());
    let count = digits
        .and_then(|s| s.parse::<u32>().ok())
        .ok_or(Malformed::Value)?;
    usize::try_from(count).map_err(|_| Malformed::Value)
}

/// The strings of one section, without their NULs.
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    rest: &'a [u8],
}

impl<'a> Strings<'a> {
    /// The bytes of the next `count` strings, which are passed over.
    fn take_raw(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let all = self.rest;
        for _ in 0..count {
            self.next().ok_or(Malformed::Length)?;
        }
        let len = all.len() - self.rest.len();
        Ok(all.get(..len).unwrap_or(&[]))
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&byte| byte == 0);
        let (string, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or(&[]);
        Some(string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::vec::Vec;

    /// Arguments, environment and directory.
    type Parts<'a> = (Vec<&'a [u8]>, Vec<&'a [u8]>, Option<&'a [u8]>);

    fn parts(bytes: &[u8]) -> Parts<'_> {
        let command = Command::parse(bytes).unwrap();
        (
            command.argv().collect(),
            command.env().collect(),
            command.cwd(),
        )
    }

    #[test]
    fn sections() {
        let argv: &[&[u8]] = &[b"uname", b"-n"];
        assert_eq!(parts(b"uname\0-n"), (argv.into(), [].into(), None));
        assert_eq!(parts(b"uname\0-n\0"), (argv.into(), [].into(), None));
        let env: &[&[u8]] = &[b"A=", b"B=1"];
        assert_eq!(
            parts(b"uname\0-n\0\0A=\0B=1\0"),
            (argv.into(), env.into(), None)
        );
        let expected = (argv.into(), env.into(), Some(&b"/tmp"[..]));
        assert_eq!(parts(b"uname\0-n\0\0A=\0B=1\0\0/tmp\0"), expected);
        let expected = (argv.into(), [].into(), Some(&b"/tmp"[..]));
        assert_eq!(parts(b"uname\0-n\0\0\0/tmp"), expected);
    }

    #[test]
    fn counted() {
        let argv: &[&[u8]] = &[b"grep", b"", b"f"];
        assert_eq!(
            parts(b"\x003\x000\0grep\0\0f\0"),
            (argv.into(), [].into(), None)
        );
        let env: &[&[u8]] = &[b"A=1"];
        let expected = (argv.into(), env.into(), Some(&b"/"[..]));
        assert_eq!(parts(b"\x003\x001\0grep\0\0f\0A=1\0/\0"), expected);
    }

    #[test]
    fn refusals() {
        for (bytes, error) in [
            (&b""[..], Malformed::Name),
            (b"\x000\x000\0", Malformed::Name),
            (b"\x001\x000\0\0", Malformed::Name),
            (b"\0", Malformed::Value),
            (b"\0x\x000\0a\0", Malformed::Value),
            (b"\x002\x000\0a\0", Malformed::Length),
            (b"\x004294967295\x000\0a\0", Malformed::Length),
            (b"\x001\x000\0a\0/\0b\0", Malformed::Trailing),
            (b"a\0\0\0/\0b\0", Malformed::Trailing),
            (b"a\0\0\0/\0\0b\0", Malformed::Trailing),
            (&[b'a'; MAX_COMMAND + 1], Malformed::Length),
        ] {
            assert_eq!(Command::parse(bytes), Err(error), "{bytes:?}");
        }
    }

    fn strings(least: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(1u8.., 1..9), least..6)
    }

    fn join(sections: [&[Vec<u8>]; 3]) -> Vec<u8> {
        let section = |strings: &[Vec<u8>]| strings.join(&0);
        let mut bytes = Vec::new();
        for (number, strings) in sections.into_iter().enumerate() {
            if number > 0 {
                bytes.push(0);
            }
            bytes.extend(section(strings));
            if !strings.is_empty() {
                bytes.push(0);
            }
        }
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_put_in_comes_out(
            argv in strings(1),
            env in strings(0),
            cwd in prop::option::of(prop::collection::vec(1u8.., 1..9)),
        ) {
            let cwd: Vec<Vec<u8>> = cwd.into_iter().collect();
            let bytes = join([&argv, &env, &cwd]);
            let command = Command::parse(&bytes).unwrap();
            prop_assert!(command.argv().eq(argv.iter().map(|string| &string[..])));
            prop_assert!(command.env().eq(env.iter().map(|string| &string[..])));
            prop_assert_eq!(command.cwd(), cwd.first().map(|s| &s[..]));
        }

        #[test]
        fn counted_strings_may_be_empty(
            argv in prop::collection::vec(prop::collection::vec(1u8.., 0..4), 1..6),
            env in prop::collection::vec(prop::collection::vec(1u8.., 0..4), 0..6),
        ) {
            let counts = format!("\0{}\0{}\0", argv.len(), env.len());
            let strings = argv.iter().chain(&env).flat_map(|string| string.iter().chain(&[0]));
            let bytes: Vec<u8> = counts.bytes().chain(strings.copied()).collect();
            match Command::parse(&bytes) {
                Ok(command) => {
                    prop_assert!(command.argv().eq(argv.iter().map(|string| &string[..])));
                    prop_assert!(command.env().eq(env.iter().map(|string| &string[..])));
                    prop_assert_eq!(command.cwd(), None);
                }
                Err(error) => prop_assert!(error == Malformed::Name && argv[0].is_empty()),
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![0u8..4, b'0'..b'5'], 0..40)) {
            if let Ok(command) = Command::parse(&bytes) {
                prop_assert!(!command.program().is_empty());
            }
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! A command as the first `write(2)` on a GIPC file takes it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::Error;

/// The longest command that GIPC takes, in bytes.
const MAX_LEN: usize = 128 * 1024;

/// What a program gets when an environment is given that lacks these.
const DEFAULT_ENVIRONMENT: [(&str, &str); 2] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/"),
];

/// A program with its arguments, environment and working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The arguments; the first one is the program, looked up in the remote `PATH` if it has no
    /// slash.
    pub args: Vec<OsString>,
    /// The environment; empty means the remote default (`PATH` and `HOME`), which also stand in
    /// for these two when other variables are given.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory on the remote node; `None` is its root.
    pub cwd: Option<OsString>,
}

impl Program {
    /// The bytes to write.
    ///
    /// The plain form is NUL-terminated strings: the arguments, an empty string, the environment,
    /// an empty string, the working directory; what follows the last needed part is left out.
    /// An empty argument has no place there, so such a command takes the counted form: an empty
    /// string, the number of arguments and of variables in decimal, then arguments, environment
    /// and the working directory, if any.
    ///
    /// # Errors
    ///
    /// [`Error::BadCommand`] for a NUL byte inside a string, a missing program name, a variable
    /// name that is empty or has an `=`, or more than 128 KiB in all.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let env = self.environment()?;
        let Some(program) = self.args.first() else {
            return Err(Error::BadCommand("there is no program name"));
        };
        if program.is_empty() {
            return Err(Error::BadCommand("the program name is empty"));
        }
        if self.cwd.as_ref().is_some_and(|cwd| cwd.is_empty()) {
            return Err(Error::BadCommand("the working directory is empty"));
        }
        let args = self.args.iter().map(|arg| arg.as_bytes());
        let cwd = self.cwd.iter().map(|cwd| cwd.as_bytes());
        let mut out = Encoder::default();
        if self.args.iter().any(|arg| arg.is_empty()) {
            out.string(b"")?;
            out.string(self.args.len().to_string().as_bytes())?;
            out.string(env.len().to_string().as_bytes())?;
            out.strings(args)?;
            out.strings(env.iter().map(Vec::as_slice))?;
        } else {
            out.strings(args)?;
            if !env.is_empty() || self.cwd.is_some() {
                out.string(b"")?;
                out.strings(env.iter().map(Vec::as_slice))?;
            }
            if self.cwd.is_some() {
                out.string(b"")?;
            }
        }
        out.strings(cwd)?;
        out.finish()
    }

    /// `NAME=VALUE` strings, the defaults filled in.
    fn environment(&self) -> Result<Vec<Vec<u8>>, Error> {
        let missing = DEFAULT_ENVIRONMENT
            .iter()
            .map(|&(name, value)| (OsStr::new(name), OsStr::new(value)))
            .filter(|(name, _)| !self.env.is_empty() && self.env.iter().all(|(n, _)| n != name));
        let given = self.env.iter().map(|(n, v)| (n.as_os_str(), v.as_os_str()));
        missing
            .chain(given)
            .map(|(name, value)| {
                if name.is_empty() || name.as_bytes().contains(&b'=') {
                    return Err(Error::BadCommand(
                        "a variable's name is empty or has an `=`",
                    ));
                }
                Ok([name.as_bytes(), b"=", value.as_bytes()].concat())
            })
            .collect()
    }
}

#[derive(Default)]
struct Encoder(Vec<u8>);

impl Encoder {
    fn string(&mut self, string: &[u8]) -> Result<(), Error> {
        if string.contains(&0) {
            return Err(Error::BadCommand("a string has a NUL byte inside"));
        }
        self.0.extend_from_slice(string);
        self.0.push(0);
        Ok(())
    }

    fn strings<'a>(&mut self, strings: impl Iterator<Item = &'a [u8]>) -> Result<(), Error> {
        strings.into_iter().try_for_each(|s| self.string(s))
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        if self.0.len() > MAX_LEN {
            return Err(Error::BadCommand("it is longer than 128 KiB"));
        }
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(args: &[&str]) -> Program {
        Program {
            args: args.iter().map(OsString::from).collect(),
            ..Program::default()
        }
    }

    #[test]
    fn arguments_alone() {
        assert_eq!(program(&["uname", "-n"]).encode().unwrap(), b"uname\0-n\0");
    }

    #[test]
    fn working_directory_without_environment() {
        let mut program = program(&["pwd"]);
        program.cwd = Some("/etc".into());
        assert_eq!(program.encode().unwrap(), b"pwd\0\0\0/etc\0");
    }

    #[test]
    fn environment_gets_what_it_lacks() {
        let mut program = program(&["env"]);
        program.env = vec![("PATH".into(), "/bin".into()), ("A".into(), "".into())];
        assert_eq!(program.encode().unwrap(), b"env\0\0HOME=/\0PATH=/bin\0A=\0");
        program.cwd = Some("/".into());
        assert!(program.encode().unwrap().ends_with(b"A=\0\0/\0"));
    }

    #[test]
    fn empty_argument_takes_the_counted_form() {
        let mut program = program(&["grep", "", "f"]);
        assert_eq!(program.encode().unwrap(), b"\x003\x000\0grep\0\0f\0");
        program.cwd = Some("/tmp".into());
        assert!(program.encode().unwrap().ends_with(b"f\0/tmp\0"));
    }

    #[test]
    fn refusals() {
        assert!(program(&[]).encode().is_err());
        assert!(program(&[""]).encode().is_err());
        assert!(program(&["a\0b"]).encode().is_err());
        assert!(program(&["a", &"x".repeat(MAX_LEN)]).encode().is_err());
        let mut odd = program(&["a"]);
        odd.env = vec![("A=B".into(), "c".into())];
        assert!(odd.encode().is_err());
        let mut odd = program(&["a"]);
        odd.cwd = Some("".into());
        assert!(odd.encode().is_err());
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Git, as the build system calls it: on the repository that is named, and on no other.
//!
//! `cargo xtask` may itself be called by git: a hook and `rebase --exec` have `GIT_DIR`,
//! `GIT_INDEX_FILE` and others set, which override the directory that git is started in. And a
//! user's settings (signatures, line ends, prefixes of a diff, names to ignore) would change what
//! is made here. So every call of git goes through this module, which passes none of that on.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{bail, Context as _, Result};

use crate::children;

/// What holds in every call, also against the settings of the repository itself.
const SETTINGS: &[&str] = &[
    "am.threeWay=false",
    "apply.ignoreWhitespace=no",
    "commit.gpgSign=false",
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.excludesFile=/dev/null",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.safecrlf=false",
    "diff.algorithm=default",
    "diff.context=3",
    "diff.interHunkContext=0",
    "diff.mnemonicPrefix=false",
    "diff.noprefix=false",
    "diff.orderFile=/dev/null",
    "diff.relative=false",
    "diff.renames=true",
    "diff.submodule=short",
    "diff.suppressBlankEmpty=false",
    "diff.wsErrorHighlight=none",
    "i18n.commitEncoding=UTF-8",
    "i18n.logOutputEncoding=UTF-8",
    "maintenance.auto=false",
    "tag.gpgSign=false",
];

/// Variables that are not git's own and reach it all the same: where it looks for settings, whom
/// it asks, and what words it uses.
const FOREIGN: &[&str] = &[
    "CDPATH",
    "EDITOR",
    "EMAIL",
    "HOME",
    "LANGUAGE",
    "PAGER",
    "SSH_ASKPASS",
    "VISUAL",
    "XDG_CONFIG_HOME",
];

/// The environment of a git, made of the caller's.
fn environment(
    caller: impl IntoIterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let own = |name: &OsStr| {
        let name = name.as_bytes();
        name.starts_with(b"GIT_")
            || name.starts_with(b"LC_")
            || FOREIGN.iter().any(|foreign| foreign.as_bytes() == name)
    };
    let mut environment: BTreeMap<_, _> =
        caller.into_iter().filter(|(name, _)| !own(name)).collect();
    let fixed = [
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
    ];
    environment.extend(fixed.map(|(name, value)| (name.into(), value.into())));
    environment
}

/// A git in one directory.
#[derive(Debug)]
pub struct Git<'a> {
    dir: &'a Path,
    /// Where the repository is, if it is not to be looked for.
    repository: Option<&'static str>,
    /// Whether it may be another user's.
    of_whomever: bool,
}

impl<'a> Git<'a> {
    /// Git in `dir`: the repository is the one that `dir` is in.
    pub fn at(dir: &'a Path) -> Self {
        Git {
            dir,
            repository: None,
            of_whomever: false,
        }
    }

    /// Git in `dir`, which is no repository, whatever is around it.
    pub fn outside(dir: &'a Path) -> Self {
        Git {
            dir,
            repository: Some("/nonexistent"),
            of_whomever: false,
        }
    }

    /// Also if the repository is another user's. For commands that run nothing that its settings
    /// could name, and for this checkout, whose code runs anyway.
    #[must_use]
    pub fn of_whomever(mut self) -> Self {
        self.of_whomever = true;
        self
    }

    /// Runs it to its end; what it says goes into the error, if there is one.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<()> {
        self.read(arguments).map(drop)
    }

    /// Reads what it prints.
    pub fn read<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Vec<u8>> {
        let arguments: Vec<OsString> = arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned())
            .collect();
        let safe = self.of_whomever.then_some("safe.directory=*");
        let settings = SETTINGS.iter().copied().chain(safe);
        let settings = settings.flat_map(|setting| ["-c", setting]);
        let all = settings.map(OsString::from).chain(arguments.clone());
        let mut environment = environment(env::vars_os());
        environment.extend(self.repository.map(|at| ("GIT_DIR".into(), at.into())));
        let git = duct::cmd("git", all)
            .dir(self.dir)
            .full_env(environment)
            .stdout_capture()
            .stderr_capture();
        let output = children::output(&git).context("cannot start git")?;
        if !output.status.success() {
            // Some refusals (nothing to commit) are told on standard output.
            let said = match output.stderr.is_empty() {
                true => &output.stdout,
                false => &output.stderr,
            };
            let said = String::from_utf8_lossy(said);
            let said: Vec<_> = said.trim().lines().collect();
            let word = arguments.first().map(|word| word.to_string_lossy());
            bail!(
                "cannot run git {}: {}",
                word.unwrap_or_default(),
                match said.as_slice() {
                    [] => output.status.to_string(),
                    said => said.join("; "),
                }
            );
        }
        Ok(output.stdout)
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs of the checkout that do a verb's work: one that does not compile must not take the
//! other verbs along.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::children;
use crate::context::Context;

/// A message of `cargo build`, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds a program (see [`build`]) and runs it where the caller stands; we end as it does.
pub fn run(ctx: &Context, name: &str, arguments: Vec<OsString>) -> Result<ExitCode> {
    let program = duct::cmd(build(ctx, name)?, arguments);
    let output = children::output(&program).with_context(|| format!("cannot start {name}"))?;
    Ok(code_of(output.status))
}

/// The cargo that runs us, or the one in PATH.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds the program that the package `name` has by the same name; where it is.
pub fn build(ctx: &Context, name: &str) -> Result<PathBuf> {
    // Of the whole workspace, so that crates have the same features as for its tests: what the one
    // has compiled the other need not.
    let arguments = ["build", "--quiet", "--locked", "--workspace", "--bin", name];
    let form = "--message-format=json-render-diagnostics";
    let offline = ctx.flags.offline.then_some("--offline");
    let build = duct::cmd(cargo(), arguments.into_iter().chain([form]).chain(offline));
    let what = format!("cargo {}", arguments.join(" "));
    let said = children::succeed(&what, &build.dir(ctx.root()).stdout_capture())?;
    executable(&said, name).with_context(|| format!("{what}: there is no program of that name"))
}

/// Where cargo says that it put the program.
fn executable(said: &[u8], name: &str) -> Option<PathBuf> {
    let messages = said.split(|byte| *byte == b'\n');
    let mut messages = messages.filter_map(|line| serde_json::from_slice::<Message>(line).ok());
    messages.find_map(|message| {
        let executable = message.executable?;
        (message.target?.name == name).then_some(executable)
    })
}

/// The status that a shell would show.
fn code_of(status: ExitStatus) -> ExitCode {
    let signalled = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(signalled);
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_where_cargo_says() {
        let said = br#"{"reason":"compiler-artifact","target":{"name":"libc"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"build-script-build"},"executable":"/t/build"}
{"reason":"build-script-executed","package_id":"libc"}
not a message
{"reason":"compiler-artifact","target":{"name":"podos-bench"},"executable":"/t/podos-bench"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(
            executable(said, "podos-bench"),
            Some("/t/podos-bench".into())
        );
        assert_eq!(executable(said, "libc"), None);
    }

    #[test]
    fn a_program_that_a_signal_ends_gives_what_a_shell_shows() {
        let code = |raw| code_of(ExitStatus::from_raw(raw));
        assert_eq!(code(7 << 8), ExitCode::from(7));
        assert_eq!(code(libc::SIGKILL), ExitCode::from(137));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tests that need no cluster, but for those of the documentation: run by nextest, if it is there.

use std::ffi::OsString;

use anyhow::Result;

use super::tally::Tally;
use crate::children;
use crate::context::Context;

/// The protocol and its simulation: state machines, whose time is their own. However slow a machine
/// is, their tests are the same.
const PROTOCOL: [&str; 2] = ["podos-proto", "podos-sim"];

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that no clock judges.
    Protocol,
    /// All others.
    Others,
}

/// Builds them.
///
/// # Errors
///
/// They don't compile.
pub fn build(ctx: &Context) -> Result<()> {
    let mut arguments = match has_nextest(ctx) {
        true => super::words("nextest run --locked --workspace --no-run"),
        false => super::words("test --locked --workspace --tests --no-run"),
    };
    arguments.extend(super::offline(ctx));
    super::succeed(ctx, "cargo", arguments)
}

/// Runs them; what passed and failed.
///
/// # Errors
///
/// They can't be run.
pub fn run(ctx: &Context, which: Which) -> Result<Tally> {
    let mut arguments = arguments(has_nextest(ctx), which);
    arguments.extend(super::offline(ctx));
    let (what, command) = super::command(ctx, "cargo".as_ref(), arguments);
    super::count(&what, &command, Tally::read_line)
}

fn has_nextest(ctx: &Context) -> bool {
    let nextest = duct::cmd!("cargo", "nextest", "--version").dir(ctx.root());
    children::succeed("cargo nextest", &nextest.stdout_null().stderr_null()).is_ok()
}

/// What cargo is told.
fn arguments(nextest: bool, which: Which) -> Vec<OsString> {
    if nextest {
        // Chosen when they run: to build others than those of the whole workspace, whose crates have
        // other features, would take its time.
        let protocol = PROTOCOL.map(|name| format!("package({name})")).join(" + ");
        let chosen = match which {
            Which::Protocol => protocol,
            Which::Others => format!("not ({protocol})"),
        };
        let line = "nextest run --locked --workspace --no-fail-fast --status-level fail -E";
        let mut arguments = super::words(line);
        arguments.push(chosen.into());
        return arguments;
    }
    let packages = match which {
        Which::Protocol => PROTOCOL.map(|name| format!("--package {name}")).join(" "),
        Which::Others => {
            let excluded = PROTOCOL.map(|name| format!("--exclude {name}")).join(" ");
            format!("--workspace {excluded}")
        }
    };
    super::words(&format!("test --locked {packages} --tests --no-fail-fast"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(nextest: bool, which: Which) -> String {
        let words = arguments(nextest, which);
        words.join(" ".as_ref()).into_string().expect("it is text")
    }

    #[test]
    fn all_are_run_by_the_one_or_the_other() {
        let [protocol, others] = [Which::Protocol, Which::Others].map(|which| line(true, which));
        assert!(protocol.ends_with("-E package(podos-proto) + package(podos-sim)"));
        assert!(others.ends_with("-E not (package(podos-proto) + package(podos-sim))"));
        let [protocol, others] = [Which::Protocol, Which::Others].map(|which| line(false, which));
        assert!(protocol.contains(" --package podos-proto --package podos-sim "));
        assert!(others.contains(" --workspace --exclude podos-proto --exclude podos-sim "));
    }
}

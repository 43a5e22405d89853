// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask test`: everything that CI checks.

mod allowlist;
mod beside;
mod broken_rule;
mod copy;
mod headers;
mod host_tests;
mod oldest;
mod recipes;
mod tally;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::{ensure, Context as _, Result};
use podos_harness::LAB;

use crate::children;
use crate::context::Context;
use crate::definitions::{Profile, NODE};
use crate::engine::job::StepFailed;
use crate::engine::progress::duration;
use crate::engine::Run;
use crate::{fs, host, pipeline, program, verbs, Xtask};
use beside::Beside;
use tally::Tally;

/// Run every check: format, lints, all tests, the patch series, the image, the cluster tests
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test --host-only\n  cargo xtask test --only recipes"
)]
pub struct Test {
    /// Leave out what needs a kernel: patches, modules, image, cluster
    #[arg(long)]
    host_only: bool,
    /// Leave out what boots clusters
    #[arg(long)]
    no_cluster: bool,
    /// Only the parts with this in their names; what others would have built has to be there
    #[arg(long, value_name = "PART")]
    only: Option<String>,
    /// Only the parts that can run beside clusters
    #[arg(long, hide = true)]
    patient: bool,
}

impl Xtask for Test {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        host::ensure_for(ctx, host::Purpose::Test)?;
        // Asked now: the tests may build this program anew under its feet.
        let program = std::env::current_exe().context("cannot find this program's file")?;
        let boots = !self.host_only && !self.no_cluster;
        let whole = boots && self.only.is_none();
        let mut report = Report::of(self.only);
        if self.patient {
            patient_parts(ctx, &mut report, true);
            return Ok(report.end());
        }
        report.check("format", || {
            succeed(ctx, "cargo", words("fmt --all --check"))?;
            let mut arguments = words("--check --edition 2021");
            arguments.extend(kernel_crates(ctx)?.into_iter().map(OsString::from));
            succeed(ctx, "rustfmt", arguments)
        });
        report.check("licence headers", || headers::check(ctx.root()));
        let mut image = false;
        if !self.host_only {
            report.check("patches", || verbs::patches::check(ctx, false));
            image = report.check("image", || verbs::image::build(ctx, LAB));
            report.check("node image", || {
                verbs::image::build(ctx, NODE)?;
                allowlist::check(ctx, NODE)
            });
        }
        if !whole {
            patient_parts(ctx, &mut report, !self.host_only);
        }
        if boots {
            // Built before the parts beside it have cargo's lock.
            let build = || program::build(ctx, verbs::cluster_test::PROGRAM);
            let built = whole.then(build);
            let beside = whole
                .then(|| Beside::patient_parts(ctx, &program))
                .transpose()?;
            report.check("a broken rule is noticed", || {
                ensure!(image, "there is no image to boot");
                broken_rule::check(ctx, true)
            });
            report.check("recipes", || {
                ensure!(image, "there is no image to boot");
                recipes::check(ctx)
            });
            report.tests("cluster tests", || {
                ensure!(image, "there is no image to boot");
                cluster_tests(ctx, &built.unwrap_or_else(build)?)
            });
            if let Some(beside) = beside {
                report.take(beside);
            }
        } else {
            report.check("a broken rule is noticed", || {
                broken_rule::check(ctx, false)
            });
        }
        // Theirs are limits of time, too: not beside the clusters.
        report.tests("host tests", || {
            host_tests::run(ctx, host_tests::Which::Others)
        });
        if boots {
            report.check("benches run", || {
                ensure!(image, "there is no image to boot");
                let mut arguments = words("bench --all --quick --image-dir");
                arguments.push(ctx.image_dir(LAB).into());
                arguments.extend(offline(ctx));
                // What they find out is not judged here: a machine that does other work as well
                // would decide.
                succeed(ctx, &program, arguments)
            });
        }
        Ok(report.end())
    }
}

/// The root files of the crates that only the kernel's build knows: rustfmt goes from them to the
/// rest.
fn kernel_crates(ctx: &Context) -> Result<Vec<PathBuf>> {
    let folders = fs::read_dir(ctx.path("rust-kmods"))?;
    let mut roots = Vec::new();
    for folder in folders {
        let folder = folder?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let root = folder.join(format!("podos_{name}.rs"));
        roots.extend(root.is_file().then_some(root));
    }
    roots.sort();
    ensure!(!roots.is_empty(), "there is no crate in rust-kmods");
    Ok(roots)
}

/// Runs those of the harness, which wait for what takes its time, beside all others.
fn cluster_tests(ctx: &Context, program: &Path) -> Result<Tally> {
    let those = |which: &str, folder: &str| {
        // Just the image that was built: no flag of this run is lost on it.
        let mut arguments = vec!["--image-dir".into(), ctx.image_dir(LAB).into()];
        arguments.extend(["--report-dir".into(), ctx.path(folder).into()]);
        arguments.extend(["--".into(), which.into()]);
        command(ctx, program.as_ref(), arguments)
    };
    let (what, harness) = those("setting:host", "target/cluster-test-host");
    let harness = Beside::start(what, harness)?;
    let (what, others) = those("!setting:host", "target/cluster-test");
    let others = count(&what, &others, Tally::read_total);
    let harness = harness.end()?;
    harness.lines.iter().for_each(|line| println!("{line}"));
    let mut all = others?;
    all.add(harness.tally);
    Ok(all)
}

/// The parts that no other waits for and no clock judges: in a whole run, [`Beside`] has them.
fn patient_parts(ctx: &Context, report: &mut Report, kernel: bool) {
    report.check("clippy", || clippy(ctx, "--workspace --all-targets"));
    report.check("firmware clippy", || {
        // For a bare machine, so the workspace's check leaves it out.
        let what = "--package podos-firmware --features machine --bin podos-firmware";
        clippy(ctx, &format!("--release {what}"))
    });
    report.check("host tests build", || host_tests::build(ctx));
    report.tests("host tests of the protocol", || {
        host_tests::run(ctx, host_tests::Which::Protocol)
    });
    report.tests("documentation tests", || {
        let arguments = of_workspace(ctx, "test", "--doc --no-fail-fast");
        let (what, command) = command(ctx, "cargo".as_ref(), arguments);
        count(&what, &command, Tally::read_line)
    });
    if kernel {
        report.check("oldest Rust", || oldest::check(ctx));
        report.check("modules clippy", || {
            let profile = Profile::load(ctx, LAB)?;
            pipeline::modules_clippy(&mut Run::build(ctx, LAB), &profile)
        });
    }
}

/// A command of cargo for the workspace as it is locked.
fn of_workspace(ctx: &Context, command: &str, options: &str) -> Vec<OsString> {
    let mut arguments = words(&format!("{command} --locked --workspace {options}"));
    arguments.extend(offline(ctx));
    arguments
}

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}

/// For a program that may use the network, if we may not.
fn offline(ctx: &Context) -> Option<OsString> {
    ctx.flags.offline.then(|| "--offline".into())
}

/// Runs a program in the checkout's folder to its good end.
fn succeed(ctx: &Context, program: impl AsRef<OsStr>, arguments: Vec<OsString>) -> Result<()> {
    let (what, command) = command(ctx, program.as_ref(), arguments);
    children::succeed(&what, &command).map(drop)
}

/// A command in the checkout's folder, and what it is called.
fn command(ctx: &Context, program: &OsStr, arguments: Vec<OsString>) -> (String, duct::Expression) {
    let words = [&[program.into()], arguments.as_slice()].concat();
    let what = format!("`{}`", words.join(OsStr::new(" ")).to_string_lossy());
    let command = duct::cmd(program, arguments).dir(ctx.root());
    (what, command.env("CARGO_TERM_COLOR", "never"))
}

/// Has clippy look at what these options say.
fn clippy(ctx: &Context, what: &str) -> Result<()> {
    let mut arguments = words(&format!("clippy --quiet --locked {what}"));
    arguments.extend(offline(ctx));
    arguments.extend(words("-- -D warnings"));
    succeed(ctx, "cargo", arguments)
}

/// Runs a command that ends with counts of tests, showing what it says.
fn count(what: &str, command: &duct::Expression, read: fn(&mut Tally, &str)) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = children::lines(what, command, |line| {
        println!("{line}");
        read(&mut tally, line);
    })?;
    judged(what, status, &tally)?;
    Ok(tally)
}

/// Whether this may be the count of a program that ended so: a crash after it, or before there was one,
/// must not pass.
fn judged(what: &str, status: ExitStatus, tally: &Tally) -> Result<()> {
    ensure!(
        status.success() || tally.failed() > 0,
        "cannot run {what}: {status}, without a failed test"
    );
    Ok(())
}

/// What passed and failed so far.
#[derive(Debug, Default)]
struct Report {
    total: Tally,
    failures: Vec<String>,
    /// What the names of wanted parts have in them.
    only: Option<String>,
    /// The parts that there are.
    parts: Vec<String>,
}

impl Report {
    fn of(only: Option<String>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// Does a check that counts as one; tells whether it passed, or is left out.
    fn check(&mut self, name: &str, check: impl FnOnce() -> Result<()>) -> bool {
        let before = self.failures.len();
        self.tests(name, || check().map(|()| Tally::new(1, 0)));
        self.failures.len() == before
    }

    /// Does something that counts for itself.
    fn tests(&mut self, name: &str, tests: impl FnOnce() -> Result<Tally>) {
        self.parts.push(name.to_owned());
        if self.only.as_ref().is_some_and(|only| !name.contains(only)) {
            return;
        }
        println!("== {name}");
        let begin = Instant::now();
        let outcome = tests();
        println!("{name}: {}", duration(begin.elapsed()));
        match outcome {
            Ok(tally) => {
                if tally.failed() > 0 {
                    self.failures
                        .push(format!("{name}: {} failed", tally.failed()));
                }
                self.failures.extend_from_slice(tally.failures());
                self.total.add(tally);
            }
            Err(error) => {
                self.total.add(Tally::new(0, 1));
                println!("error: {error:#}");
                if let Some(failed) = error.downcast_ref::<StepFailed>() {
                    println!("{}", failed.report());
                }
                self.failures.push(format!("{name}: {error:#}"));
            }
        }
    }

    /// Waits for the parts beside, and takes over what they say.
    fn take(&mut self, beside: Beside) {
        self.tests("the parts beside", || {
            let said = beside.end()?;
            said.lines.iter().for_each(|line| println!("{line}"));
            Ok(said.tally)
        });
    }

    fn end(mut self) -> ExitCode {
        if let Some(only) = self.only.filter(|_| self.total == Tally::default()) {
            let parts = self.parts.join(", ");
            self.failures.push(format!(
                "no part has `{only}` in its name; there are: {parts}"
            ));
        }
        println!("==");
        for failure in &self.failures {
            println!("FAILED {}", failure.lines().next().unwrap_or_default());
        }
        println!("{}", self.total);
        match self.failures.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_check_that_fails_is_counted_and_does_not_stop_the_rest() {
        let mut report = Report::default();
        assert!(report.check("good", || Ok(())));
        assert!(!report.check("bad", || bail!("broken")));
        report.tests("tests", || Ok(Tally::new(5, 2)));
        assert_eq!(report.total.to_string(), "6 passed, 3 failed");
        assert_eq!(report.failures, ["bad: broken", "tests: 2 failed"]);
    }

    #[test]
    fn parts_are_left_out_by_name() {
        let mut report = Report::of(Some("goo".to_owned()));
        assert!(report.check("good", || Ok(())));
        assert!(report.check("bad", || bail!("it is not wanted")));
        assert_eq!(report.total.to_string(), "1 passed, 0 failed");
        let mut report = Report::of(Some("x".to_owned()));
        assert!(report.check("good", || Ok(())));
        assert_eq!(report.end(), ExitCode::FAILURE);
    }

    #[test]
    fn a_command_that_dies_without_a_failed_test_is_an_error() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let ctx = Context::for_test(dir.path());
        fs::create_dir(ctx.root())?;
        // Not as cargo's tests tell it: what is shown here is read by who counts this test.
        let run = |script: &str| {
            let (what, command) = command(&ctx, "sh".as_ref(), vec!["-c".into(), script.into()]);
            count(&what, &command, Tally::read_total)
        };
        let good = run("echo 3 passed, 0 failed")?;
        assert_eq!(good, Tally::new(3, 0));
        let failed = run("echo 3 passed, 1 failed; exit 1")?;
        assert_eq!(failed, Tally::new(3, 1));
        assert!(run("echo 3 passed, 0 failed; kill -9 $$").is_err());
        Ok(())
    }
}

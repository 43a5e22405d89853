// SPDX-License-Identifier: MIT OR Apache-2.0

//! Alarms of kernels: the test that runs ends at once, wherever it waits.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};
use podos_harness::Cluster;

use super::nested::Nested;
use super::PAIR;
use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::Test;

/// Longer than any test may take.
const FOR_EVER: Duration = Duration::from_secs(100_000);

/// Crashes linus2 when the caller waits already.
const CRASH: &str = "sleep 1; echo c > /proc/sysrq-trigger";

const PANIC: &str = "Kernel panic - not syncing: sysrq triggered crash";

pub fn panic(lab: &Lab<'_>) -> Result<()> {
    let expects = Test {
        name: "nested.expects_a_panic",
        setting: PAIR,
        limit: None,
        run: |lab| {
            let panic = lab.expect_alarm(2, PANIC)?;
            let two = lab.node(2)?.harness();
            let _crash = two.command("sh").args(["-c", CRASH]).spawn()?;
            let line = panic.wait(lab.terms().limits.scale(Duration::from_secs(20)))?;
            ensure!(line.contains(PANIC), "it saw {line}");
            // The others are none the worse, and so is the next boot.
            lab.node(1)?
                .until("grep -qx 0 /sys/kernel/podos/sst/2/alive")?;
            lab.revive()
        },
    };
    let panics = Test {
        name: "nested.panics",
        run: |lab| {
            let two = lab.node(2)?.harness();
            let _crash = two.command("sh").args(["-c", CRASH]).spawn()?;
            let one = lab.node(1)?.harness().command("sleep").arg("86405");
            one.limit(FOR_EVER).run().map(drop).map_err(Into::into)
        },
        ..expects
    };
    let mut nested = Nested::begin(lab, false, &[expects, panics])?;
    nested.green(expects)?;
    let begin = Instant::now();
    let red = nested.red(panics)?;
    is_at_once(lab, begin, &panics)?;
    let reason = &red.failure.reason;
    let wanted = "alarm of the kernel of linus2: ";
    ensure!(reason.starts_with(wanted), "it failed by {reason}");
    red.is_because(PANIC)?;
    red.tells(&["linus2 * ALARM: "])?;
    nested.end().map(drop)
}

pub fn warning(lab: &Lab<'_>) -> Result<()> {
    let warns = Test {
        name: "nested.warns",
        setting: PAIR,
        limit: None,
        run: |lab| {
            let line = "<4>WARNING: a_test.c:1 at on_purpose+0x1/0x2, CPU#0: sh/9";
            let (one, two) = (lab.node(1)?, lab.node(2)?);
            let never = one.harness().command("sleep").arg("86406");
            let never = never.limit(FOR_EVER).spawn()?;
            let warning = format!("sleep 1; echo '{line}' > /dev/kmsg");
            let two = two.harness().command("sh").args(["-c", &warning]);
            let _warning = two.spawn()?;
            Ok(never.wait_for_stdout("never", FOR_EVER)?)
        },
    };
    let unbegun = Test {
        name: "nested.is_not_begun",
        ..warns
    };
    let mut nested = Nested::begin(lab, true, &[warns, unbegun])?;
    let begin = Instant::now();
    let red = nested.red(warns)?;
    is_at_once(lab, begin, &warns)?;
    red.is_because("on_purpose+0x1/0x2, CPU#0: sh/9\n")?;
    let kept = nested.session().kept().map(str::to_owned);
    let kept = kept.unwrap_or_default();
    let skipped = nested.skipped(unbegun)?;
    ensure!(skipped.contains(&kept), "it was skipped by {skipped}");
    let words = nested.end()?.join("\n");
    // As the words say.
    for verb in ["exec", "console", "down"] {
        let line = format!("cargo xtask cluster {verb} --name {kept}");
        ensure!(words.contains(&line), "no `{line}` in {words}");
    }
    let cluster = Cluster::find(&kept)?;
    let name = cluster.node(1)?.exec(["hostname"])?;
    ensure_eq!(name.text(), "linus1", "a node of the kept cluster");
    ensure!(Cluster::down_named(&kept)?, "{kept} is gone already");
    Ok(())
}

/// Checks that a verdict did not wait for the time limit.
fn is_at_once(lab: &Lab<'_>, begin: Instant, test: &Test) -> Result<()> {
    let (taken, limit) = (begin.elapsed(), lab.terms().limits.of(test));
    ensure!(taken < limit / 2, "{} took {taken:?} to fail", test.name);
    Ok(())
}

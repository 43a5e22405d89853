// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a process may not at its own node, it may not at another one.

use anyhow::{ensure, Context, Result};

use crate::answers::Answers;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine, TOOL};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "sandbox.capabilities_stay_dropped",
        setting: SHARED,
        limit: None,
        run: dropped_capabilities,
    },
    Test {
        name: "sandbox.a_user_keeps_its_capability",
        setting: SHARED,
        limit: None,
        run: kept_capability,
    },
    Test {
        name: "sandbox.no_new_privs_holds",
        setting: SHARED,
        limit: None,
        run: no_new_privs,
    },
    Test {
        name: "sandbox.limits_and_umask_hold",
        setting: SHARED,
        limit: None,
        run: limits,
    },
    Test {
        name: "sandbox.root_without_capabilities_has_no_rights_to_files",
        setting: SHARED,
        limit: None,
        run: files,
    },
    Test {
        name: "sandbox.root_of_a_user_namespace_gains_nothing",
        setting: SHARED,
        limit: None,
        run: user_namespace,
    },
    Test {
        name: "sandbox.fences_are_not_left_by_a_program",
        setting: SHARED,
        limit: None,
        run: fences,
    },
];

/// Ids and what may be done with them, in /proc/PID/status.
const PRIVILEGES: [&str; 8] = [
    "Uid",
    "Gid",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
];

/// The number of a capability.
const CAP_SETFCAP: u32 = 31;

/// What a program on linus2 has that `confined` processes of `node` start.
fn privileges(node: Machine<'_>, confined: &str) -> Result<Answers> {
    let line = format!("{confined} podos run linus2 -- cat /proc/self/status");
    answers(node, &line)
}

/// The lines of /proc/PID/status that `line` shows.
fn answers(node: Machine<'_>, line: &str) -> Result<Answers> {
    let status = node.sh(line)?.replace(":\t", "=");
    let answers = Answers::parse(line, &status);
    for key in PRIVILEGES {
        answers.text(key)?;
    }
    Ok(answers)
}

/// The same, which are those of a program at the node itself.
fn as_here(node: Machine<'_>, confined: &str) -> Result<Answers> {
    let here = answers(node, &format!("{confined} cat /proc/self/status"))?;
    let there = privileges(node, confined)?;
    for key in PRIVILEGES {
        there.expect(key, here.text(key)?)?;
    }
    Ok(there)
}

fn confine(options: &str) -> String {
    format!("{TOOL} confine {options} --")
}

fn dropped_capabilities(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let full = as_here(node, "")?;
    full.expect("Uid", "0\t0\t0\t0")?;
    ensure!(full.text("CapEff")? != NONE, "root has no capabilities");
    let nothing = as_here(node, &confine("--keep 0"))?;
    nothing.expect("Uid", "0\t0\t0\t0")?;
    for set in &PRIVILEGES[2..7] {
        nothing.expect(set, NONE)?;
    }
    // None because it is root.
    as_here(node, &confine("--no-root"))?.expect("CapEff", NONE)?;
    // Some of them, and as a user.
    as_here(node, &confine("--keep 3"))?.expect("CapEff", "0000000000000003")?;
    as_here(node, &confine("--uid 1000"))?.expect("CapEff", NONE)
}

const NONE: &str = "0000000000000000";

fn kept_capability(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    // CAP_DAC_READ_SEARCH
    let confined = confine("--uid 1000 --keep 4");
    let kept = as_here(one, &confined)?;
    kept.expect("Uid", "1000\t1000\t1000\t1000")?;
    kept.expect("CapAmb", "0000000000000004")?;
    kept.expect("CapEff", "0000000000000004")?;
    two.sh(&format!("echo secret >{dir}/f; chmod 600 {dir}/f"))?;
    let path = format!("/linus2{dir}/f");
    ensure_eq!(
        one.sh(&format!("{confined} cat {path}"))?,
        "secret",
        "{path}"
    );
    one.fails(&format!("{confined} sh -c 'echo >{path}'"))?;
    one.fails(&format!("{} cat {path}", confine("--uid 1000")))?;
    // What it starts there has it as well.
    let line = format!("{confined} podos run linus2 -- cat {dir}/f");
    ensure_eq!(one.sh(&line)?, "secret", "`{line}`");
    Ok(())
}

fn no_new_privs(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    as_here(node, "")?.expect("NoNewPrivs", 0)?;
    as_here(node, &confine("--no-new-privs"))?.expect("NoNewPrivs", 1)?;
    as_here(node, &confine("--no-new-privs --uid 1000"))?.expect("NoNewPrivs", 1)
}

fn limits(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let shown = "podos run linus2 -- sh -c 'ulimit -n; ulimit -H -n; ulimit -f; umask'";
    let line = format!("ulimit -n 300; ulimit -S -n 77; ulimit -f 9; umask 027; {shown}");
    ensure_eq!(node.sh(&line)?, "77\n300\n9\n0027", "`{line}`");
    Ok(())
}

fn files(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!(
        "cd {dir}; echo theirs >f; mkdir -m 755 d; chown 1000:1000 f d; chmod 600 f; \
         echo own >own; chmod 600 own"
    ))?;
    let there = format!("/linus2{dir}");
    let [nothing, all, dac] = [confine("--keep 0"), String::new(), confine("--keep 2")];
    // What root may by its capabilities alone.
    let by_capability = ["cat f", "sh -c 'echo x >>f'", "mkdir d/made", "chmod 644 f"];
    for call in by_capability {
        one.fails(&format!("cd {there} && {nothing} {call}"))?;
    }
    one.fails(&format!("cd {there} && {nothing} chown 1000 own"))?;
    one.fails(&format!("cd {there} && {nothing} mknod null c 1 3"))?;
    ensure_eq!(
        two.sh(&format!(
            "cat {dir}/f; ls {dir}/d; stat -c %a.%u {dir}/f {dir}/own"
        ))?,
        "theirs\n600.1000\n600.0",
        "the files after all that"
    );
    // What it may as their owner, and as one of the others.
    for call in ["cat own", "sh -c 'echo x >>own'", "chmod 640 own", "ls d"] {
        one.sh(&format!("cd {there} && {nothing} {call}"))?;
    }
    // It is not the user id that gives rights, nor its being another one that takes them.
    one.sh(&format!("cd {there} && {dac} cat f"))?;
    one.fails(&format!("cd {there} && {dac} chmod 644 f"))?;
    for call in by_capability {
        one.sh(&format!("cd {there} && {all} {call}"))?;
    }
    Ok(())
}

fn user_namespace(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!(
        "cd {dir}; echo root >root; echo user >user; chmod 600 root user; chown 1000:1000 user"
    ))?;
    let there = format!("/linus2{dir}");
    // The node's root may be mapped by those alone who may set capabilities of files.
    for (id, keep, own, other) in [
        (1000, 0_u64, "user", "root"),
        (0, 1 << CAP_SETFCAP, "root", "user"),
    ] {
        // Root of the namespace, with all capabilities in it.
        let inside = format!(
            "{} {}",
            confine(&format!("--uid {id} --keep {keep:x}")),
            confine("--fence user")
        );
        ensure_eq!(one.sh(&format!("{inside} id -u"))?, "0", "`{inside} id -u`");
        ensure_eq!(
            one.sh(&format!("{inside} cat {there}/{own}"))?,
            own,
            "the file of {id}"
        );
        one.fails(&format!("{inside} cat {there}/{other}"))?;
        one.fails(&format!("{inside} chown 7 {there}/{own}"))?;
        expect_open(one, &inside, libc::EPERM)?;
    }
    Ok(())
}

/// Opens linus2 for a program on it, in a process that is confined.
fn expect_open(node: Machine<'_>, confined: &str, errno: i32) -> Result<()> {
    let line = format!("{confined} {TOOL} call open-gipc /linus2");
    let answers = Answers::parse(&line, &node.sh(&line)?);
    answers.expect_errno(errno)
}

fn fences(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    for namespace in ["mount", "pid", "network", "ipc"] {
        let fence = format!("--fence {namespace}");
        // Who may enter other namespaces is not kept by its own.
        expect_open(node, &confine(&fence), 0)?;
        expect_open(node, &confine(&format!("{fence} --keep 0")), libc::EPERM)?;
        expect_open(node, &confine(&format!("{fence} --uid 1000")), libc::EPERM)?;
    }
    // No capability lifts a filter.
    expect_open(node, &confine("--fence seccomp"), libc::EPERM)?;
    expect_open(node, &confine("--fence seccomp --uid 1000"), libc::EPERM)?;
    let log = node.sh("dmesg")?;
    let said = log
        .lines()
        .rev()
        .find(|line| line.contains("may start no program"));
    let said = said.context("the log does not say who was refused, and why")?;
    ensure!(said.contains("linus2"), "the log says {said:?}");
    // And all the others may.
    expect_open(node, "", 0)?;
    expect_open(node, &confine("--uid 1000 --no-new-privs"), 0)
}

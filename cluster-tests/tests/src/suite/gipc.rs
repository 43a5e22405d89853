// SPDX-License-Identifier: MIT OR Apache-2.0

//! Remote programs through the bare file interface.

use anyhow::{ensure, Result};

use crate::answers::Answers;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine, TOOL};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "gipc.output_and_status",
        setting: SHARED,
        limit: None,
        run: output_and_status,
    },
    Test {
        name: "gipc.records_tell_streams_apart",
        setting: SHARED,
        limit: None,
        run: records,
    },
    Test {
        name: "gipc.8_mib_of_output",
        setting: SHARED,
        limit: None,
        run: large_output,
    },
    Test {
        name: "gipc.input",
        setting: SHARED,
        limit: None,
        run: input,
    },
    Test {
        name: "gipc.environment_and_directory",
        setting: SHARED,
        limit: None,
        run: environment,
    },
    Test {
        name: "gipc.what_cannot_be_run",
        setting: SHARED,
        limit: None,
        run: cannot_be_run,
    },
    Test {
        name: "gipc.commands_in_odd_forms",
        setting: SHARED,
        limit: None,
        run: odd_commands,
    },
    Test {
        name: "gipc.signals",
        setting: SHARED,
        limit: None,
        run: signals,
    },
    Test {
        name: "gipc.program_of_the_caller",
        setting: SHARED,
        limit: None,
        run: program_of_caller,
    },
    Test {
        name: "gipc.identity_of_the_program",
        setting: SHARED,
        limit: None,
        run: identity,
    },
    Test {
        name: "gipc.many_at_once",
        setting: SHARED,
        limit: None,
        run: many,
    },
    Test {
        name: "gipc.nothing_stays_of_a_killed_caller",
        setting: SHARED,
        limit: None,
        run: killed_caller,
    },
    Test {
        name: "gipc.parent_is_a_thread_of_its_own",
        setting: SHARED,
        limit: None,
        run: parent,
    },
    Test {
        name: "gipc.how_many_programs",
        setting: SHARED,
        limit: None,
        run: how_many,
    },
    Test {
        name: "gipc.process_limit_of_the_caller",
        setting: SHARED,
        limit: None,
        run: process_limit,
    },
    Test {
        name: "gipc.only_directories_of_nodes",
        setting: SHARED,
        limit: None,
        run: only_nodes,
    },
];

/// A program on linus2, told by the tool on `node`.
fn gipc(node: Machine<'_>, options: &[&str], program: &[&str]) -> Result<Answers> {
    node.tool(&[&["gipc", "/linus2"], options, &["--"], program].concat())
}

/// The same, which has to come to its end.
fn done(node: Machine<'_>, options: &[&str], program: &[&str]) -> Result<Answers> {
    let answers = gipc(node, options, program)?;
    answers.expect("step", "done")?;
    answers.expect_errno(0)?;
    Ok(answers)
}

fn output_and_status(lab: &Lab<'_>) -> Result<()> {
    for (from, to) in [(1, 2), (2, 3), (3, 1)] {
        let path = format!("/linus{to}");
        let answers = lab
            .node(from)?
            .tool(&["gipc", &path, "--", "uname", "-n"])?;
        answers.expect("step", "done")?;
        answers.expect("stdout", format!("linus{to}\\n"))?;
        answers.expect("exit", 0)?;
    }
    let node = lab.node(1)?;
    let answers = done(node, &[], &["sh", "-c", "echo out; echo err >&2; exit 7"])?;
    answers.expect("stdout", "out\\nerr\\n")?;
    answers.expect("exit", 7)?;
    done(node, &[], &["true"])?.expect("stdout_bytes", 0)?;
    done(node, &[], &["false"])?.expect("exit", 1)
}

fn records(lab: &Lab<'_>) -> Result<()> {
    let script = "echo out; echo err >&2; echo more; exit 3";
    let answers = done(lab.node(1)?, &["--records"], &["sh", "-c", script])?;
    answers.expect("stdout", "out\\nmore\\n")?;
    answers.expect("stderr", "err\\n")?;
    answers.expect("record_exit", 3)?;
    answers.expect("exit", 3)
}

fn large_output(lab: &Lab<'_>) -> Result<()> {
    let size = lab.terms().at_least(8 << 20);
    let path = format!("{}/f", lab.scratch()?);
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let written = two.tool(&["write", &path, "--size", &size.to_string()])?;
    for options in [&[][..], &["--records"]] {
        let answers = done(one, options, &["cat", &path])?;
        answers.expect("stdout_bytes", size)?;
        answers.expect("stdout_sha256", written.text("sha256")?)?;
    }
    Ok(())
}

fn input(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    done(node, &["--input", "some words"], &["cat"])?.expect("stdout", "some words")?;
    // Its end is told at once.
    done(node, &[], &["wc", "-c"])?.expect("stdout", "0\\n")?;
    // There and back again, more than all windows hold.
    let path = format!("{}/f", lab.scratch()?);
    let size = (3 << 20).to_string();
    let written = node.tool(&["write", &path, "--size", &size])?;
    let answers = done(node, &["--input-size", &size], &["cat"])?;
    answers.expect("input_errno", 0)?;
    answers.expect("stdout_sha256", written.text("sha256")?)?;
    // A program that does not care for its input.
    let answers = done(node, &["--input-size", &size], &["echo", "done"])?;
    answers.expect("stdout", "done\\n")
}

fn environment(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let answers = done(
        node,
        &["--env", "A=b c", "--env", "PATH=/bin"],
        &["sh", "-c", "echo $A,$PATH,$HOME"],
    )?;
    answers.expect("stdout", "b c,/bin,\\n")?;
    let answers = done(
        node,
        &[],
        &[
            "sh",
            "-c",
            "echo $PATH; echo $HOME; pwd; id -u; echo $GIPC_CDT",
        ],
    )?;
    let text = answers.text("stdout")?;
    let lines: Vec<_> = text.split("\\n").collect();
    ensure!(
        lines[0].split(':').any(|dir| dir == "/bin"),
        "PATH is {}",
        lines[0]
    );
    ensure_eq!(
        lines[1..4],
        ["/", "/", "0"],
        "home, directory and user of {text}"
    );
    ensure!(lines[4].parse::<u32>().is_ok(), "GIPC_CDT is {}", lines[4]);
    done(node, &["--cwd", "/etc"], &["cat", "hostname"])?.expect("stdout", "linus2\\n")?;
    let answers = gipc(node, &["--cwd", "/none"], &["true"])?;
    answers.expect_errno(libc::ENOENT)?;
    // The caller's user is the program's.
    let line = format!("su user -c '{TOOL} gipc /linus2 -- id -u'");
    let answers = Answers::parse(&line, &node.sh(&line)?);
    answers.expect("stdout", "1000\\n")
}

fn cannot_be_run(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("echo junk > {dir}/junk; chmod +x {dir}/junk"))?;
    let junk = format!("{dir}/junk");
    let cases = [
        ("no-such-program", libc::ENOENT),
        ("/no/such/program", libc::ENOENT),
        ("/etc/hostname", libc::EACCES),
        ("/etc/hostname/x", libc::ENOTDIR),
        ("/etc", libc::EACCES),
        (junk.as_str(), libc::ENOEXEC),
    ];
    for (program, errno) in cases {
        for options in [&[][..], &["--records"]] {
            let answers = gipc(one, options, &[program])?;
            answers.expect("step", "read")?;
            answers.expect_errno(errno)?;
        }
        // It may or may not have had one, but the end is the same.
        gipc(one, &["--gpid"], &[program])?.expect_errno(errno)?;
    }
    Ok(())
}

fn odd_commands(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let raw = |text: &str| node.tool(&["gipc", "/linus2", "--raw", text]);
    // The last null byte may be missing.
    raw("uname\\0-n")?.expect("stdout", "linus2\\n")?;
    raw("uname\\0-n\\0")?.expect("stdout", "linus2\\n")?;
    raw("pwd\\0\\0\\0/etc")?.expect("stdout", "/etc\\n")?;
    for nothing in ["\\0", "\\0\\0", "\\0A=1\\0"] {
        let answers = raw(nothing)?;
        ensure!(
            answers.text("errno")? != "0",
            "{nothing:?} is run: {answers:?}"
        );
    }
    // A long one.
    let fits = "x".repeat(100_000);
    let answers = gipc(node, &[], &["sh", "-c", "echo ${#0}", &fits])?;
    answers.expect("stdout", "100000\\n")?;
    // A node is asked again after all that.
    done(node, &[], &["uname", "-n"])?.expect("stdout", "linus2\\n")
}

fn signals(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let sleeper = ["sh", "-c", "echo ready; exec sleep 86402"];
    for signal in ["15", "9", "2", "-15"] {
        let answers = done(node, &["--no-end", "--signal", signal], &sleeper)?;
        answers.expect("signal_errno", 0)?;
        answers.expect("killed", signal.trim_start_matches('-'))?;
    }
    let trap = "trap 'echo caught; exit 5' USR1; echo ready; while :; do sleep 0.1; done";
    let answers = done(node, &["--no-end", "--signal", "10"], &["sh", "-c", trap])?;
    answers.expect("stdout", "ready\\ncaught\\n")?;
    answers.expect("exit", 5)?;
    let answers = done(
        node,
        &["--signal", "4000"],
        &["sh", "-c", "echo ready; sleep 0.2"],
    )?;
    answers.expect("signal_errno", libc::EINVAL)
}

fn program_of_caller(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    // busybox goes by the name it is called by.
    one.sh(&format!("cp /bin/busybox {dir}/uname"))?;
    two.sh(&format!("[ ! -e {dir}/uname ]"))?;
    let program = format!("{dir}/uname");
    done(one, &["--caller"], &[&program, "-n"])?.expect("stdout", "linus2\\n")?;
    gipc(one, &[], &[&program, "-n"])?.expect_errno(libc::ENOENT)?;
    gipc(one, &["--caller"], &["/no/such/program"])?.expect_errno(libc::ENOENT)
}

fn identity(lab: &Lab<'_>) -> Result<()> {
    let script = "cat /proc/$$/gpid; echo $GIPC_GPID";
    let answers = done(lab.node(1)?, &["--gpid"], &["sh", "-c", script])?;
    let gpid = answers.text("gpid")?;
    let text = answers.text("stdout")?;
    let (own, caller) = text.split_once("\\n").unwrap_or_default();
    ensure_eq!(
        own,
        gpid,
        "the program's GPID, and the circuit's word for it"
    );
    ensure!(gpid.starts_with("00000002"), "{gpid} is none of node 2");
    ensure!(
        caller.starts_with("00000001"),
        "the caller's GPID is {caller}"
    );
    Ok(())
}

fn many(lab: &Lab<'_>) -> Result<()> {
    let mut running = Vec::new();
    for node in lab.nodes() {
        let others: Vec<_> = lab
            .nodes()
            .iter()
            .filter(|o| o.host() != node.host())
            .map(|o| format!("/{}", o.name()))
            .collect();
        let mut args = vec!["many", "--threads", "8", "--rounds", "3"];
        args.extend(others.iter().map(String::as_str));
        running.push(node.start_tool(&args)?);
    }
    for many in running {
        let answers = many.finish()?;
        answers.expect("ok", 24)?;
    }
    Ok(())
}

fn killed_caller(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let program = ["sh", "-c", "echo ready; sleep 86403"];
    let sleeper = "sleep 86403";
    let args = [&["gipc", "/linus2", "--no-end", "--"], &program[..]].concat();
    let caller = one.start_tool(&args)?;
    caller.ready()?;
    two.until_runs(sleeper)?;
    caller.kill()?;
    two.until_gone(sleeper)?;
    // One that closes its file.
    gipc(one, &["--no-end", "--close"], &program)?.expect("closed", 1)?;
    two.until_gone(sleeper)?;
    // Programs that don't want to hear of it are ended all the same.
    let deaf = [
        "sh",
        "-c",
        "trap '' HUP TERM; echo ready; sleep 86403; sleep 86403",
    ];
    gipc(one, &["--no-end", "--close"], &deaf)?.expect("closed", 1)?;
    two.until_gone(sleeper)
}

/// A work item of the kernel's for every program would be one that others wait for.
fn parent(lab: &Lab<'_>) -> Result<()> {
    let run = |program: &str| {
        let line = format!("{TOOL} confine --uid 1000 -- podos run linus2 -- {program}");
        lab.node(1)?.sh(&line)
    };
    ensure_eq!(
        run("sh -c 'cat /proc/$PPID/comm; stat -c %u /proc/self/fd'")?,
        "podos_run\n1000",
        "a program's parent, and who may look at it"
    );
    // A shell would set some of them itself.
    ensure_eq!(
        run("grep SigIgn /proc/self/status")?,
        "SigIgn:\t0000000000000000",
        "the signals that a program ignores"
    );
    Ok(())
}

/// Where a node says how many programs it runs for others.
const LIMITS: &str = "/sys/kernel/podos/gipc/limits";

/// As a user, a program of the guest's tool.
fn as_user<'t>(args: &[&'t str]) -> Vec<&'t str> {
    [&["confine", "--uid", "1000", "--", TOOL], args].concat()
}

fn how_many(lab: &Lab<'_>) -> Result<()> {
    let (one, two, three) = (lab.node(1)?, lab.node(2)?, lab.node(3)?);
    let before = two.sh(&format!("cat {LIMITS}"))?;
    ensure!(before.lines().count() == 4, "{LIMITS} has {before:?}");
    for nonsense in ["user", "user x", "nobody 3", "user 3 4"] {
        two.fails(&format!("echo {nonsense} >{LIMITS}"))?;
    }
    two.sh(&format!("echo user 2 >{LIMITS}"))?;
    let result = up_to_two(one, two, three);
    for line in before.lines() {
        two.sh(&format!("echo {line} >{LIMITS}"))?;
    }
    result
}

fn up_to_two(one: Machine<'_>, two: Machine<'_>, three: Machine<'_>) -> Result<()> {
    let sleeper = ["gipc", "/linus2", "--no-end", "--", "sh", "-c"];
    let sleeper = [&sleeper[..], &["echo ready; exec sleep 86404"]].concat();
    let short = ["gipc", "/linus2", "--", "true"];
    let refused = || -> Result<u64> {
        let line = "sed -n 's/^refused //p' /sys/kernel/podos/gipc/programs";
        Ok(two.sh(line)?.parse()?)
    };
    let before = refused()?;
    let mut running = Vec::new();
    for node in [one, three] {
        let program = node.start_tool(&as_user(&sleeper))?;
        program.ready()?;
        running.push(program);
    }
    // From whichever node: it is the user who has enough.
    for node in [one, three] {
        node.tool(&as_user(&short))?.expect_errno(libc::EUSERS)?;
    }
    let said = two.sh("cat /sys/kernel/podos/gipc/programs; dmesg | grep 'refused a program'")?;
    ensure_eq!(refused()?, before + 2, "how many were refused");
    ensure!(said.contains("linus1 uid 1000 1"), "linus2 says {said:?}");
    ensure!(said.contains("limit \"user\" of 2"), "linus2 says {said:?}");
    // Others do not feel it.
    done(one, &[], &["true"])?;
    let other = ["confine", "--uid", "1001", "--", TOOL];
    one.tool(&[&other[..], &short].concat())?
        .expect("exit", 0)?;
    // Who waits for nothing learns it as well.
    let line = format!("{TOOL} confine --uid 1000 -- podos run linus2 -- true");
    one.fails(&line)?;
    for program in running {
        program.kill()?;
    }
    two.until_gone("sleep 86404")?;
    one.until(&line)?;
    Ok(())
}

fn process_limit(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let sleepers = (0..3).map(|_| {
        let own = ["confine", "--uid", "1000", "--", "sh", "-c"];
        two.start_tool(&[&own[..], &["echo ready=1; exec sleep 86405"]].concat())
    });
    let sleepers = sleepers.collect::<Result<Vec<_>>>()?;
    sleepers.iter().try_for_each(|sleeper| sleeper.ready())?;
    let call = |limit: u32| -> Result<Answers> {
        let tool = as_user(&["gipc", "/linus2", "--", "true"]).join(" ");
        let line = format!("ulimit -u {limit}; exec {TOOL} {tool}");
        Ok(Answers::parse(&line, &one.sh(&line)?))
    };
    call(3)?.expect_errno(libc::EUSERS)?;
    call(4)?.expect("exit", 0)?;
    sleepers.into_iter().try_for_each(|sleeper| sleeper.kill())
}

fn only_nodes(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    for path in [
        "/tmp",
        "/etc/hostname",
        "/",
        "/proc/1",
        "/linus1",
        "/linus2/etc",
        "/linus2/etc/hostname",
    ] {
        node.call("open-gipc", path)?.expect_errno(libc::EINVAL)?;
    }
    node.call("open-gipc", "/linus4")?
        .expect_errno(libc::ENOENT)?;
    node.call("open-gipc", "/linus2")?.expect_errno(0)
}

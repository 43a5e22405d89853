// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a node's files do not let through: a path that leads elsewhere by now, a file that was not
//! asked for, a promise that was not kept.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::cm;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "doors.an_exchanged_directory_opens_nobody_elses_file",
        setting: SHARED,
        limit: Some(Duration::from_secs(120)),
        run: exchanged_directory,
    },
    Test {
        name: "doors.a_replaced_directory_is_gone",
        setting: SHARED,
        limit: None,
        run: replaced_directory,
    },
    Test {
        name: "doors.what_procfs_makes_up_is_read",
        setting: SHARED,
        limit: None,
        run: procfs_is_read,
    },
    Test {
        name: "doors.what_procfs_takes_is_written",
        setting: SHARED,
        limit: None,
        run: procfs_is_written,
    },
    Test {
        name: "doors.procfs_asks_who_reads",
        setting: SHARED,
        limit: None,
        run: procfs_asks_who,
    },
    Test {
        name: "doors.to_open_is_not_to_read",
        setting: SHARED,
        limit: None,
        run: opening_reads_nothing,
    },
    Test {
        name: "doors.a_file_to_be_emptied_is_asked_first",
        setting: SHARED,
        limit: None,
        run: emptied,
    },
    Test {
        name: "doors.syncs_reach_the_file_system",
        setting: SHARED,
        limit: None,
        run: syncs,
    },
    Test {
        name: "doors.many_open_at_once",
        setting: SHARED,
        limit: None,
        run: many_at_once,
    },
    Test {
        name: "doors.threads_end_behind_the_last_caller",
        setting: SHARED,
        limit: None,
        run: threads_end,
    },
];

/// The user whom the nodes know beside root.
const USER: &str = "1000";

/// How long it may take to open hundreds of files.
const ALL_OPEN: Duration = Duration::from_secs(100);

/// How long the race is run.
const RACE: Duration = Duration::from_secs(60);

/// A user's own directory and a link to /etc change places while he makes a file in it from another
/// node. The file's name is one of /etc's, too.
fn exchanged_directory(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let digest = "sha256sum /etc/passwd";
    let before = two.sh(digest)?;
    two.sh(&format!(
        "cd {dir} && mkdir u && chown {USER}:{USER} u && su user -c 'cd u && mkdir d && ln -s /etc l'"
    ))?;
    let time = RACE.as_millis().to_string();
    let (first, second) = (format!("{dir}/u/d"), format!("{dir}/u/l"));
    let exchange = ["--uid", USER, "exchange", &first, &second, "--time", &time];
    let limit = lab.terms().kernel.scale(RACE * 2);
    let exchange = two.start_long_tool(&exchange, limit)?;
    exchange.ready()?;
    let path = format!("/linus2{dir}/u/d/passwd");
    let grab = ["--uid", USER, "grab", &path, "--time", &time];
    let grabbed = one.start_long_tool(&grab, limit)?.finish()?;
    let exchanges: u64 = exchange.finish()?.number("exchanges")?;
    grabbed.expect("wrong", 0)?;
    let (made, least) = (grabbed.number::<u64>("ok")?, lab.terms().at_least(50));
    ensure!(
        made >= least && exchanges >= least,
        "there was no race: {made} files were made during {exchanges} exchanges"
    );
    ensure_eq!(two.sh(digest)?, before, "node 2's /etc/passwd");
    Ok(())
}

/// Where a program works, its directory is replaced by a link to another one, in which there are
/// files of the same names.
fn replaced_directory(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!(
        "cd {dir} && mkdir d other d/sub other/sub && echo own > d/f && echo other > other/f"
    ))?;
    let replace = format!("cd {dir} && mv d moved && ln -s {dir}/other d");
    let denied = [
        "cat f",
        "rm f",
        "mv f g",
        "echo x > new",
        "echo x >> f",
        "ln f g",
        "ln -s f g",
        "mkdir g",
        "mkfifo g",
        "rmdir sub",
        "chmod 600 f",
        "touch f",
        "ls sub",
        "cat sub/../f",
    ];
    // In one shell, which stays where it is.
    let mut script = format!("cd /linus2{dir}/d && cat f && podos run linus2 -- sh -c '{replace}'");
    for line in denied {
        script += &format!("; ({line}) 2>&1 && echo 'done: {line}'");
    }
    let said = one.try_sh(&script)?;
    let mut lines = said.stdout.lines();
    ensure_eq!(lines.next(), Some("own"), "the file before");
    let rest: Vec<_> = lines.collect();
    ensure!(
        rest.iter().all(|line| !line.starts_with("done:")),
        "something was done in another directory: {rest:?}"
    );
    ensure!(
        rest.len() >= denied.len() && rest.iter().all(|line| is_missing(line)),
        "other errors than ENOENT: {rest:?}"
    );
    ensure_eq!(
        two.sh(&format!(
            "cd {dir}/other && find . | sort | xargs && stat -c %a f && cat f"
        ))?,
        ". ./f ./sub\n644\nother",
        "the other directory"
    );
    Ok(())
}

/// Whether a program says ENOENT; the shell has words of its own for where it can't make something.
fn is_missing(line: &str) -> bool {
    line.contains("No such file") || line.contains("nonexistent directory")
}

/// Files that know programs' memory only, and are 0 bytes large.
fn procfs_is_read(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    for file in [
        "1/cmdline",
        "1/comm",
        "1/environ",
        "1/auxv",
        "1/limits",
        "1/oom_score_adj",
        "1/timerslack_ns",
        "devices",
        "filesystems",
        "kallsyms",
        "version",
        "sys/kernel/hostname",
        "sys/kernel/random/boot_id",
    ] {
        let digest = |path: &str| {
            format!("cat {path} > /tmp/read && sha256sum < /tmp/read && wc -c < /tmp/read")
        };
        let local = two.sh(&digest(&format!("/proc/{file}")))?;
        let remote = one.sh(&digest(&format!("/linus2/proc/{file}")))?;
        ensure_eq!(remote, local, "/proc/{file} of node 2");
        ensure!(!local.ends_with("\n0"), "/proc/{file} is empty");
    }
    let status = one.sh("cat /linus2/proc/1/status")?;
    ensure!(
        status.starts_with("Name:") && status.contains("\nVmRSS:"),
        "the status of node 2's PID 1 is {status:?}"
    );
    // In pieces that fit nothing, and from the middle.
    ensure_eq!(
        one.sh("dd if=/linus2/proc/kallsyms bs=777 skip=100 count=50 2>/dev/null | sha256sum")?,
        two.sh("dd if=/proc/kallsyms bs=777 skip=100 count=50 2>/dev/null | sha256sum")?,
        "pieces of kallsyms"
    );
    // What can't be read fails as it does there.
    for path in ["/proc/1/mem", "/proc/1/clear_refs"] {
        let errno = two.call("read", path)?.number::<i32>("errno")?;
        ensure!(errno != 0, "{path} can be read");
        one.call("read", &format!("/linus2{path}"))?
            .expect_errno(errno)?;
    }
    Ok(())
}

fn procfs_is_written(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let pid = two.sh("sleep 300 >/dev/null 2>&1 & echo $!")?;
    let done = (|| {
        for (file, value, shown) in [
            ("oom_score_adj", "77", "77"),
            ("timerslack_ns", "60000", "60000"),
        ] {
            let path = format!("/proc/{pid}/{file}");
            one.sh(&format!("echo {value} > /linus2{path}"))?;
            ensure_eq!(two.sh(&format!("cat {path}"))?, shown, "{file}");
        }
        let said = one.fails(&format!("echo nonsense > /linus2/proc/{pid}/oom_score_adj"))?;
        ensure!(said.contains("Invalid argument"), "nonsense gives {said:?}");
        // Such a file can't promise to be on a disk.
        let path = format!("/proc/{pid}/oom_score_adj");
        for path in [format!("/linus2{path}"), path] {
            one_or_two(&path, one, two)
                .call("write-dsync", &path)?
                .expect_errno(libc::EOPNOTSUPP)?;
        }
        Ok(())
    })();
    two.sh(&format!("kill {pid}"))?;
    done
}

/// Node 1 for the paths of node 2's files there, node 2 for its own.
fn one_or_two<'a>(path: &str, one: Machine<'a>, two: Machine<'a>) -> Machine<'a> {
    if path.starts_with("/linus2/") {
        one
    } else {
        two
    }
}

/// What a user may not read of root's processes he may not read from another node.
fn procfs_asks_who(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    for file in ["environ", "auxv", "maps", "mem"] {
        for (node, root) in [(two, ""), (one, "/linus2")] {
            let line = format!("su user -c 'cat {root}/proc/1/{file}'");
            let output = node.try_sh(&line)?;
            ensure!(
                output.stdout.is_empty() && output.stderr.contains("denied"),
                "on {}: `{line}` gives {output:?}",
                node.name()
            );
        }
    }
    Ok(())
}

/// A file that changes by being read is not read before somebody does.
fn opening_reads_nothing(lab: &Lab<'_>) -> Result<()> {
    cm::load_modules(lab)?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let path = "/sys/kernel/podos/test/reads";
    let before: u64 = two.sh(&format!("cat {path}"))?.parse()?;
    one.sh(&format!(
        ": < /linus2{path} && : < /linus2{path} && cat /linus2{path} >/dev/null"
    ))?;
    ensure_eq!(
        two.sh(&format!("cat {path}"))?,
        (before + 2).to_string(),
        "reads, of which one was at node 1"
    );
    // What is on its way to a page cache may be read ahead, to its end and not beyond.
    let dir = lab.scratch()?;
    for size in ["0", "1", "4096", "4097", "100000"] {
        one.tool(&["write", &format!("/linus2{dir}/f"), "--size", size])?;
        one.tool(&["check", &format!("/linus2{dir}/f"), "--size", size])?;
    }
    Ok(())
}

/// To empty a file takes the right to write to it, also where the open is one for reading.
fn emptied(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("cd {dir} && echo root > r && chmod 644 r"))?;
    let said = one.fails(&format!("su user -c ': > /linus2{dir}/r'"))?;
    ensure!(said.contains("denied"), "it says {said:?}");
    ensure_eq!(two.sh(&format!("cat {dir}/r"))?, "root", "what is in it");
    // What somebody else's set-id file has been made of does not act for its owner any more.
    two.sh(&format!(
        "cd {dir} && echo program > s && chown 0:{USER} s && chmod 4775 s"
    ))?;
    one.sh(&format!("su user -c ': > /linus2{dir}/s'"))?;
    ensure_eq!(
        two.sh(&format!("stat -c '%a %s' {dir}/s"))?,
        "775 0",
        "the file"
    );
    Ok(())
}

/// A file system that has no fsync for something says so through another node, too.
fn syncs(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("mkdir {dir}/d && echo x > {dir}/f"))?;
    for (path, errno) in [
        (format!("{dir}/d"), 0),
        (format!("{dir}/f"), 0),
        ("/".to_owned(), 0),
        ("/proc".to_owned(), libc::EINVAL),
        ("/proc/1".to_owned(), libc::EINVAL),
        ("/proc/version".to_owned(), libc::EINVAL),
        (format!("{dir}/none"), libc::ENOENT),
    ] {
        two.call("fsync", &path)?.expect_errno(errno)?;
        one.call("fsync", &format!("/linus2{path}"))?
            .expect_errno(errno)?;
    }
    one.call("write-dsync", &format!("/linus2{dir}/f"))?
        .expect_errno(0)
}

/// Nobody is turned away because others came at the same moment.
fn many_at_once(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    lab.node(2)?.sh(&format!("echo x > {dir}/f"))?;
    let path = format!("/linus2{dir}/f");
    let holding = lab
        .node(1)?
        .start_tool(&["hold", &path, "--count", "600", "--at-once"])?;
    holding.ready_within(lab.terms().kernel.scale(ALL_OPEN))?;
    holding.kill()
}

/// As many threads as there are open files, and few of them a little later.
fn threads_end(lab: &Lab<'_>) -> Result<()> {
    const FILES: usize = 200;
    /// Those that stay for the next caller, and those that serve other nodes' kept circuits.
    const FEW: usize = 24;
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("echo x > {dir}/f"))?;
    let files = FILES.to_string();
    let hold = ["hold", &format!("/linus2{dir}/f"), "--count", &files];
    let holding = one.start_tool(&hold)?;
    holding.ready()?;
    let count = "ps -o comm | grep -c '^pdfsd'";
    let threads: usize = two.sh(count)?.parse()?;
    ensure!(threads >= FILES, "{threads} threads for {FILES} files");
    holding.kill()?;
    two.until(&format!("[ $({count}) -le {FEW} ]"))?;
    // And there are threads again for who comes then.
    ensure_eq!(one.sh(&format!("cat /linus2{dir}/f"))?, "x", "the file");
    Ok(())
}

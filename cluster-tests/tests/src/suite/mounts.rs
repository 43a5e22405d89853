// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a node's mounts forbid, asked for from another node.

use anyhow::{ensure, Result};

use crate::answers::Answers;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine, TOOL};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "mounts.without_set_id_bits",
        setting: SHARED,
        limit: None,
        run: no_suid,
    },
    Test {
        name: "mounts.without_execution",
        setting: SHARED,
        limit: None,
        run: no_exec,
    },
    Test {
        name: "mounts.without_changes",
        setting: SHARED,
        limit: None,
        run: read_only,
    },
    Test {
        name: "mounts.devices_are_the_node_s_own",
        setting: SHARED,
        limit: None,
        run: devices,
    },
    Test {
        name: "mounts.pipes_are_the_reader_s_own",
        setting: SHARED,
        limit: None,
        run: pipes,
    },
];

/// Has node 2 mount a file system with these options in the test's directory.
fn mount(lab: &Lab<'_>, name: &str, options: &str) -> Result<String> {
    let dir = format!("{}/{name}", lab.scratch()?);
    lab.node(2)?.sh(&format!(
        "mkdir -p {dir} && mount -t tmpfs -o mode=1777,{options} tmpfs {dir}"
    ))?;
    Ok(dir)
}

fn remount(lab: &Lab<'_>, dir: &str, options: &str) -> Result<()> {
    let line = format!("mount -o remount,{options} {dir}");
    lab.node(2)?.sh(&line).map(drop)
}

fn unmount(lab: &Lab<'_>, dir: &str) -> Result<()> {
    lab.node(2)?.sh(&format!("umount {dir}")).map(drop)
}

/// For whom a copy of the tool runs that an ordinary user starts.
fn ids(node: Machine<'_>, program: &str) -> Result<Answers> {
    let text = node.sh(&format!("su user -c '{program} ids'"))?;
    Ok(Answers::parse(program, &text))
}

fn no_suid(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let dir = mount(lab, "m", "nosuid")?;
    let copy = |mode: &str, place: &str| {
        two.sh(&format!(
            "cp {TOOL} {place}/{mode} && chown 0:0 {place}/{mode} && chmod {mode} {place}/{mode}"
        ))
    };
    let other = mount(lab, "other", "suid")?;
    let (user, group) = ("4755", "2755");
    for place in [&dir, &other] {
        copy(user, place)?;
        copy(group, place)?;
    }
    let forbidden = |when: &str| -> Result<()> {
        for mode in [user, group] {
            let program = format!("/linus2{dir}/{mode}");
            let found = ids(one, &program)?;
            found.expect("euid", 1000)?;
            found.expect("egid", 1000)?;
            let shown = one.sh(&format!("stat -c %a {program}"))?;
            ensure_eq!(shown, mode, "the mode that is shown {when}");
        }
        Ok(())
    };
    let allowed = |place: &str| -> Result<()> {
        ids(one, &format!("/linus2{place}/{user}"))?.expect("euid", 0)?;
        ids(one, &format!("/linus2{place}/{group}"))?.expect("egid", 0)
    };
    forbidden("at first")?;
    allowed(&other)?;
    // The same files after the mount has become another one, which is nothing to who has one open.
    one.sh(&format!(
        "exec 3< /linus2{dir}/{user}; podos run linus2 -- mount -o remount,suid {dir}; \
         stat -L -c %a /proc/self/fd/3 && cmp - {TOOL} <&3"
    ))?;
    allowed(&dir)?;
    remount(lab, &dir, "nosuid")?;
    forbidden("at last")?;
    // Given by another node, they mean as little.
    one.sh(&format!(
        "chmod 755 /linus2{dir}/{user} && chmod 4755 /linus2{dir}/{user}"
    ))?;
    forbidden("after chmod")?;
    unmount(lab, &other)?;
    unmount(lab, &dir)
}

fn no_exec(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let dir = mount(lab, "m", "noexec")?;
    two.sh(&format!(
        "cp {TOOL} {dir}/t; echo 'echo run' > {dir}/s; chmod 755 {dir}/s"
    ))?;
    for (node, dir) in [(two, dir.clone()), (one, format!("/linus2{dir}"))] {
        for program in ["t", "s"] {
            let said = node.fails(&format!("{dir}/{program} ids"))?;
            ensure!(said.contains("denied"), "execution says {said:?}");
            node.call("access-execute", &format!("{dir}/{program}"))?
                .expect_errno(libc::EACCES)?;
        }
        let file = format!("{dir}/t");
        node.tool(&["map", &file, "--execute"])?
            .expect_errno(libc::EPERM)?;
        node.tool(&["map", &file])?.expect_errno(0)?;
        ensure_eq!(
            node.sh(&format!("sh {dir}/s"))?,
            "run",
            "a script that is read"
        );
        // A directory is searched all the same.
        node.sh(&format!("mkdir {dir}/{} && cd {dir}/{0}", node.name()))?;
    }
    remount(lab, &dir, "exec")?;
    one.sh(&format!("/linus2{dir}/t ids"))?;
    one.tool(&["map", &format!("/linus2{dir}/t"), "--execute"])?
        .expect_errno(0)?;
    unmount(lab, &dir)
}

fn read_only(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let dir = mount(lab, "m", "rw")?;
    two.sh(&format!("cd {dir} && echo x > f && mkdir d"))?;
    remount(lab, &dir, "ro")?;
    for (node, dir) in [(two, dir.clone()), (one, format!("/linus2{dir}"))] {
        for line in [
            "echo y > f",
            "echo y > g",
            "chmod 600 f",
            "rm f",
            "mkdir e",
            "rmdir d",
            "mv f g",
            "ln f g",
            "ln -s f g",
            "mkfifo p",
            "touch f",
        ] {
            let said = node.fails(&format!("cd {dir} && {line}"))?;
            ensure!(said.contains("Read-only"), "`{line}` says {said:?}");
        }
        for name in ["f", "d"] {
            node.call("access-write", &format!("{dir}/{name}"))?
                .expect_errno(libc::EROFS)?;
        }
        ensure_eq!(node.sh(&format!("cat {dir}/f"))?, "x", "what can be read");
    }
    remount(lab, &dir, "rw")?;
    one.call("access-write", &format!("/linus2{dir}/f"))?
        .expect_errno(0)?;
    one.sh(&format!("echo y > /linus2{dir}/f"))?;
    unmount(lab, &dir)
}

fn devices(lab: &Lab<'_>) -> Result<()> {
    let dir = mount(lab, "m", "dev")?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let said = one.fails("echo x > /linus2/dev/null")?;
    ensure!(said.contains("denied"), "writing to a device says {said:?}");
    one.call("open", "/linus2/dev/zero")?
        .expect_errno(libc::EACCES)?;
    one.sh("ls /linus2/ > /dev/null && grep -q '^linus2 /linus2 pdfs .*\\bnodev\\b' /proc/mounts")?;
    one.sh(&format!("mknod /linus2{dir}/n c 1 3"))?;
    let numbers = "stat -c '%F %t:%T' ";
    for (node, path) in [(one, format!("/linus2{dir}/n")), (two, format!("{dir}/n"))] {
        ensure_eq!(
            node.sh(&format!("{numbers} {path}"))?,
            "character special file 1:3",
            "a device that was made from {}",
            one.name()
        );
    }
    two.sh(&format!("echo x > {dir}/n"))?;
    unmount(lab, &dir)
}

/// What is written at one end is read at the other one by processes of one node.
fn pipes(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    one.sh(&format!("mkfifo /linus2{dir}/p"))?;
    for (node, path) in [(one, format!("/linus2{dir}/p")), (two, format!("{dir}/p"))] {
        let through = node.sh(&format!("(echo {} > {path}) & cat {path}", node.name()))?;
        ensure_eq!(through, node.name(), "through the pipe");
    }
    Ok(())
}

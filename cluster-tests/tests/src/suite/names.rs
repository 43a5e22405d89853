// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names, directories and what `stat` says of them, across nodes.

use anyhow::{ensure, Result};

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "names.every_node_from_every_node",
        setting: SHARED,
        limit: None,
        run: every_node,
    },
    Test {
        name: "names.dots_and_the_working_directory",
        setting: SHARED,
        limit: None,
        run: dots,
    },
    Test {
        name: "names.directories_are_changed",
        setting: SHARED,
        limit: None,
        run: directories,
    },
    Test {
        name: "names.long_directories_are_listed_whole",
        setting: SHARED,
        limit: None,
        run: long_directory,
    },
    Test {
        name: "names.links",
        setting: SHARED,
        limit: None,
        run: links,
    },
    Test {
        name: "names.attributes",
        setting: SHARED,
        limit: None,
        run: attributes,
    },
    Test {
        name: "names.errors",
        setting: SHARED,
        limit: None,
        run: errors,
    },
    Test {
        name: "names.permissions_are_the_users",
        setting: SHARED,
        limit: None,
        run: permissions,
    },
    Test {
        name: "names.file_system_numbers",
        setting: SHARED,
        limit: None,
        run: file_system,
    },
    Test {
        name: "names.no_way_through_a_third_node",
        setting: SHARED,
        limit: None,
        run: third_node,
    },
];

fn every_node(lab: &Lab<'_>) -> Result<()> {
    for node in lab.nodes() {
        for other in lab.nodes() {
            let found = node.sh(&format!("cat /{}/etc/hostname", other.name()))?;
            ensure_eq!(
                found,
                other.name(),
                "the host name that {} reads",
                node.name()
            );
        }
        let own = node.sh(&format!("readlink /{}", node.name()))?;
        ensure_eq!(own, "/", "/{} at itself", node.name());
        node.call("stat", "/linus4")?.expect_errno(libc::ENOENT)?;
    }
    Ok(())
}

fn dots(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let cases = [
        // /bin/pwd is asked for, which calls getcwd(2): the shell's own remembers what it was told.
        ("cd /linus2/etc && /bin/pwd", "/linus2/etc"),
        (
            "cd /linus2/proc/../etc/./ && /bin/pwd && cat hostname",
            "/linus2/etc\nlinus2",
        ),
        ("cd /linus2/etc && cd .. && /bin/pwd", "/linus2"),
        ("cd /linus2 && cd -P .. && /bin/pwd", "/"),
        (
            "cd /linus2/etc && cat ../etc/hostname ../../etc/hostname ../../linus3/etc/hostname",
            "linus2\nlinus1\nlinus3",
        ),
        (
            "cat /linus2/../etc/hostname /linus2/etc/../../linus3/etc/hostname",
            "linus1\nlinus3",
        ),
    ];
    for (script, expected) in cases {
        ensure_eq!(node.sh(script)?, expected, "`{script}`");
    }
    let inodes = node.sh("stat -c %d:%i / /linus2/.. /linus3/..")?;
    let mut inodes: Vec<_> = inodes.lines().collect();
    inodes.dedup();
    ensure_eq!(inodes.len(), 1, "directories above the nodes' directories");
    let dir = lab.scratch()?;
    let script = format!("mkdir /linus2{dir}/d && cd /linus2{dir}/d && mv ../d ../e && /bin/pwd");
    ensure_eq!(
        node.sh(&script)?,
        format!("/linus2{dir}/e"),
        "a directory that was renamed"
    );
    Ok(())
}

fn directories(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let remote = format!("/linus2{dir}");
    one.sh(&format!(
        "mkdir -p {remote}/a/b/c && echo x > {remote}/a/b/f"
    ))?;
    ensure_eq!(
        two.sh(&format!("cd {dir} && find . | sort | xargs"))?,
        ". ./a ./a/b ./a/b/c ./a/b/f",
        "made"
    );
    one.sh(&format!(
        "mv {remote}/a/b/f {remote}/g && mv {remote}/a/b/c {remote}/c"
    ))?;
    ensure_eq!(
        two.sh(&format!("cd {dir} && find . | sort | xargs"))?,
        ". ./a ./a/b ./c ./g",
        "renamed"
    );
    ensure_eq!(
        two.sh(&format!("cat {dir}/g"))?,
        "x",
        "what was in the renamed file"
    );
    two.sh(&format!("mv {dir}/g {dir}/h && mkdir {dir}/i"))?;
    ensure_eq!(
        one.sh(&format!("ls {remote} | xargs"))?,
        "a c h i",
        "changes by node 2"
    );
    one.sh(&format!(
        "[ ! -e {remote}/g ] && [ -d {remote}/i ] && [ -f {remote}/h ]"
    ))?;
    // A file over a file.
    one.sh(&format!("echo y > {remote}/y && mv {remote}/y {remote}/h"))?;
    ensure_eq!(
        two.sh(&format!("cat {dir}/h; ls {dir} | xargs"))?,
        "y\na c h i",
        "renamed over a file"
    );
    // Between nodes it is a copy.
    one.sh(&format!(
        "mv {remote}/h {dir}/h && mv {dir}/h /linus3{dir}/h"
    ))?;
    ensure_eq!(
        lab.node(3)?.sh(&format!("cat {dir}/h"))?,
        "y",
        "moved to a third node"
    );
    one.sh(&format!("rm -r {remote}/a {remote}/c && rmdir {remote}/i"))?;
    ensure_eq!(two.sh(&format!("ls -A {dir}"))?, "", "removed");
    Ok(())
}

fn long_directory(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let long = "n".repeat(200);
    two.sh(&format!(
        "cd {dir} && for i in $(seq 700); do : > $i-{long}; done"
    ))?;
    let digest = |dir: &str| format!("ls {dir} | sort | sha256sum; ls {dir} | wc -l");
    ensure_eq!(
        one.sh(&digest(&format!("/linus2{dir}")))?,
        two.sh(&digest(&dir))?,
        "the names"
    );
    ensure_eq!(
        one.call("list", &format!("/linus2{dir}"))?.text("result")?,
        "700",
        "entries"
    );
    let longest = "m".repeat(255);
    one.sh(&format!(": > /linus2{dir}/{longest}"))?;
    two.sh(&format!("[ -f {dir}/{longest} ]"))?;
    one.call("write", &format!("/linus2{dir}/{longest}m"))?
        .expect_errno(libc::ENAMETOOLONG)
}

fn links(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let remote = format!("/linus2{dir}");
    // A link that is absolute means what it means at its node.
    two.sh(&format!(
        "ln -s /etc/hostname {dir}/absolute && ln -s absolute {dir}/relative"
    ))?;
    let read = one.sh(&format!(
        "cd {remote} && cat absolute relative && readlink absolute && readlink relative"
    ));
    ensure_eq!(
        read?,
        "linus2\nlinus2\n/etc/hostname\nabsolute",
        "links of node 2"
    );
    one.sh(&format!("ln -s target {remote}/made"))?;
    ensure_eq!(
        two.sh(&format!("readlink {dir}/made"))?,
        "target",
        "a link by node 1"
    );
    // What is read is what was stored, as long as it is said to be.
    one.sh(&format!(
        "ln -s /etc/hostname {remote}/by-one && ln -s by-one {remote}/nested && mkdir {remote}/d && \
         ln -s {dir}/d {remote}/to-d && ln -s ../nested {remote}/d/up"
    ))?;
    for (link, target) in [
        ("absolute", "/etc/hostname"),
        ("by-one", "/etc/hostname"),
        ("relative", "absolute"),
    ] {
        let read = one.sh(&format!(
            "readlink {remote}/{link} && stat -c %s {remote}/{link}"
        ))?;
        let expected = format!("{target}\n{}", target.len());
        ensure_eq!(read, expected, "the text and the size of {link}");
        ensure_eq!(
            two.sh(&format!("readlink {dir}/{link}"))?,
            target,
            "the text that node 2 has of {link}"
        );
    }
    // Followed, an absolute one leads to the node that it is of, also in the middle and by others.
    ensure_eq!(
        one.sh(&format!(
            "cat {remote}/nested {remote}/to-d/up && cd {remote}/to-d && /bin/pwd"
        ))?,
        format!("linus2\nlinus2\n{remote}/d"),
        "links that are followed"
    );
    // Copies are the same links.
    one.sh(&format!(
        "mkdir {dir}/copy && cp -a {remote}/by-one {remote}/nested {dir}/copy && \
         (cd {remote} && tar cf - by-one nested) | (cd {remote}/d && tar xf -)"
    ))?;
    for copy in [format!("{dir}/copy"), format!("{remote}/d")] {
        ensure_eq!(
            one.sh(&format!("readlink {copy}/by-one && readlink {copy}/nested"))?,
            "/etc/hostname\nby-one",
            "copies in {copy}"
        );
    }
    // Hard links.
    one.sh(&format!(
        "echo x > {remote}/f && ln {remote}/f {remote}/g && echo y >> {remote}/g"
    ))?;
    ensure_eq!(
        two.sh(&format!("cat {dir}/f; stat -c %h {dir}/f"))?,
        "x\ny\n2",
        "a file of two names"
    );
    ensure_eq!(
        one.sh(&format!("stat -c %h {remote}/f"))?,
        "2",
        "its links that node 1 sees"
    );
    let inodes = one.sh(&format!("stat -c %i {remote}/f {remote}/g"))?;
    let inodes: Vec<_> = inodes.lines().collect();
    ensure_eq!(inodes[0], inodes[1], "inode numbers of the two names");
    two.sh(&format!("ln -s loop {dir}/loop"))?;
    one.call("open", &format!("{remote}/loop"))?
        .expect_errno(libc::ELOOP)
}

fn attributes(lab: &Lab<'_>) -> Result<()> {
    const FORMAT: &str = "%a %u %g %s %h %Y %X %F";
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let remote = format!("/linus2{dir}");
    two.sh(&format!("cd {dir}; echo abc > f; chmod 640 f; chown 1000:1000 f; touch -d '2001-02-03 04:05:06' f; mkdir d; mkfifo p"))?;
    for name in ["f", "d", "p", "."] {
        let stat = |dir: &str| format!("stat -c '{FORMAT}' {dir}/{name}");
        ensure_eq!(
            one.sh(&stat(&remote))?,
            two.sh(&stat(&dir))?,
            "attributes of {name}"
        );
    }
    one.sh(&format!(
        "chmod 4711 {remote}/f; touch -d '2011-12-13 14:15:16' {remote}/f"
    ))?;
    ensure_eq!(
        two.sh(&format!("stat -c %a {dir}/f"))?,
        "4711",
        "mode by node 1"
    );
    ensure_eq!(
        two.sh(&format!("date -r {dir}/f +%Y%m%d%H%M%S"))?,
        "20111213141516",
        "time by node 1"
    );
    one.sh(&format!("chown 1000:65534 {remote}/d"))?;
    ensure_eq!(
        two.sh(&format!("stat -c %u:%g {dir}/d"))?,
        "1000:65534",
        "owner by node 1"
    );
    Ok(())
}

fn errors(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let node = lab.node(1)?;
    let remote = format!("/linus2{dir}");
    node.sh(&format!("mkdir -p {remote}/d/e && : > {remote}/f"))?;
    let cases = [
        ("stat", "/none", libc::ENOENT),
        ("open", "/none/none", libc::ENOENT),
        ("open", "/f/none", libc::ENOTDIR),
        ("list", "/f", libc::ENOTDIR),
        ("mkdir", "/d", libc::EEXIST),
        ("mkdir", "/none/d", libc::ENOENT),
        ("write", "/d", libc::EISDIR),
        ("read", "/d", libc::EISDIR),
    ];
    for (operation, name, errno) in cases {
        node.call(operation, &format!("{remote}{name}"))?
            .expect_errno(errno)?;
    }
    let said = node.fails(&format!("rmdir {remote}/d"))?;
    ensure!(
        said.contains("not empty"),
        "rmdir of a directory with something in it says {said:?}"
    );
    let said = node.fails(&format!("ln {remote}/f /tmp/link"))?;
    ensure!(
        said.contains("ross-device"),
        "a link between nodes says {said:?}"
    );
    let said = node.fails(&format!("rmdir {remote}/f"))?;
    ensure!(
        said.contains("Not a directory"),
        "rmdir of a file says {said:?}"
    );
    Ok(())
}

/// User 1000 of one node is user 1000 of all.
fn permissions(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let remote = format!("/linus2{dir}");
    two.sh(&format!(
        "cd {dir}; echo root > r; chmod 600 r; echo all > a; chmod 644 a; mkdir d; chmod 700 d"
    ))?;
    let as_user = |line: &str| format!("su user -c '{line}'");
    ensure_eq!(
        one.sh(&as_user(&format!("cat {remote}/a")))?,
        "all",
        "a file for all"
    );
    for line in [
        format!("cat {remote}/r"),
        format!("echo x >> {remote}/a"),
        format!("ls {remote}/d"),
        format!("touch {remote}/d/x"),
        "touch /linus2/etc/x".to_owned(),
    ] {
        let said = one.fails(&as_user(&line))?;
        ensure!(said.contains("denied"), "`{line}` says {said:?}");
    }
    one.sh(&as_user(&format!("echo mine > {remote}/u")))?;
    ensure_eq!(
        two.sh(&format!("stat -c %u:%g {dir}/u"))?,
        "1000:1000",
        "owner of a new file"
    );
    ensure_eq!(
        one.sh(&format!("cat {remote}/r"))?,
        "root",
        "what root reads"
    );
    Ok(())
}

fn file_system(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let numbers = |path: &str| format!("stat -f -c '%s %b %l' {path}");
    ensure_eq!(
        one.sh(&numbers("/linus2/"))?,
        two.sh(&numbers("/"))?,
        "statfs of node 2's root"
    );
    let shown = one.sh("df -a /linus2/ | tail -n 1")?;
    ensure!(
        shown.split_whitespace().last() == Some("/linus2"),
        "df says {shown:?}"
    );
    let devices = one.sh("stat -c %d / /linus2/ /linus3/")?;
    let mut devices: Vec<_> = devices.lines().collect();
    devices.sort_unstable();
    devices.dedup();
    ensure_eq!(devices.len(), 3, "different devices");
    let mounts = one.sh("grep -c ' /linus[23] pdfs ' /proc/mounts")?;
    ensure_eq!(mounts, "2", "mounts of pdfs");
    Ok(())
}

fn third_node(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    for path in ["/linus2/linus3/etc/hostname", "/linus2/linus1/etc/hostname"] {
        node.call("open", path)?.expect_errno(libc::ELOOP)?;
    }
    // At itself its name is a link to its root, which leads back to where it is read from.
    ensure_eq!(
        node.sh("cat /linus2/linus2/etc/hostname")?,
        "linus2",
        "node 2 by itself"
    );
    Ok(())
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is in files, read and written across nodes.

use anyhow::Result;
use podos_harness::Exit;

use crate::answers::Answers;
use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "files.small_ones_are_read",
        setting: SHARED,
        limit: None,
        run: |lab| read(lab, &SMALL),
    },
    Test {
        name: "files.small_ones_are_written",
        setting: SHARED,
        limit: None,
        run: |lab| write(lab, &SMALL),
    },
    Test {
        name: "files.large_ones_are_read",
        setting: SHARED,
        limit: None,
        run: |lab| read(lab, &[lab.terms().at_least(LARGE)]),
    },
    Test {
        name: "files.large_ones_are_written",
        setting: SHARED,
        limit: None,
        run: |lab| write(lab, &[lab.terms().at_least(LARGE)]),
    },
    Test {
        name: "files.all_nodes_read_from_all_others",
        setting: SHARED,
        limit: None,
        run: all_from_all,
    },
    Test {
        name: "files.far_offsets",
        setting: SHARED,
        limit: None,
        run: far_offsets,
    },
    Test {
        name: "files.odd_pieces",
        setting: SHARED,
        limit: None,
        run: odd_pieces,
    },
    Test {
        name: "files.mappings",
        setting: SHARED,
        limit: None,
        run: mappings,
    },
    Test {
        name: "files.of_the_host_s_folder",
        setting: SHARED,
        limit: None,
        run: host_folder,
    },
    Test {
        name: "files.a_full_disk_takes_what_fits",
        setting: SHARED,
        limit: None,
        run: full_disk,
    },
    Test {
        name: "files.a_read_error_is_no_end",
        setting: SHARED,
        limit: None,
        run: read_error,
    },
];

/// Nothing, a byte, a frame's worth of data and one byte around it, and many frames.
const SMALL: [u64; 6] = [0, 1, 1399, 1400, 1401, 1 << 20];

/// More than all windows and read-ahead hold.
const LARGE: u64 = 16 << 20;

/// Arguments for the tool's pattern verbs.
fn pattern(node: Machine<'_>, verb: &str, path: &str, size: u64, seed: u64) -> Result<Answers> {
    let (size, seed) = (size.to_string(), seed.to_string());
    node.tool(&[verb, path, "--size", &size, "--seed", &seed])
}

/// Written at the node that has the file, read from another one.
fn read(lab: &Lab<'_>, sizes: &[u64]) -> Result<()> {
    across(lab, sizes, |path, size| {
        let written = pattern(lab.node(2)?, "write", path, size, lab.seed())?;
        let read = pattern(
            lab.node(1)?,
            "check",
            &format!("/linus2{path}"),
            size,
            lab.seed(),
        )?;
        read.expect("sha256", written.text("sha256")?)
    })
}

/// Written from another node, read at the one that has the file.
fn write(lab: &Lab<'_>, sizes: &[u64]) -> Result<()> {
    across(lab, sizes, |path, size| {
        let written = pattern(
            lab.node(1)?,
            "write",
            &format!("/linus2{path}"),
            size,
            lab.seed(),
        )?;
        let read = pattern(lab.node(2)?, "check", path, size, lab.seed())?;
        read.expect("sha256", written.text("sha256")?)
    })
}

/// Does it for each size, then compares what both nodes have by programs that are not ours.
fn across(lab: &Lab<'_>, sizes: &[u64], transfer: impl Fn(&str, u64) -> Result<()>) -> Result<()> {
    let dir = lab.scratch()?;
    for &size in sizes {
        let path = format!("{dir}/{size}");
        transfer(&path, size)?;
        let local = lab.node(2)?.sh(&format!("sha256sum < {path}"))?;
        let remote = lab.node(1)?.sh(&format!("sha256sum < /linus2{path}"))?;
        ensure_eq!(remote, local, "digest of {size} bytes");
        let shown = lab.node(1)?.sh(&format!("stat -c %s /linus2{path}"))?;
        ensure_eq!(shown, size.to_string(), "size that node 1 sees");
    }
    Ok(())
}

fn all_from_all(lab: &Lab<'_>) -> Result<()> {
    let size = lab.terms().at_least(4 << 20);
    let path = format!("{}/f", lab.scratch()?);
    let seed = |host: u32| lab.seed() + u64::from(host);
    for node in lab.nodes() {
        pattern(node, "write", &path, size, seed(node.host()))?;
    }
    let mut readers = Vec::new();
    for reader in lab.nodes() {
        for other in lab
            .nodes()
            .iter()
            .filter(|other| other.host() != reader.host())
        {
            let path = format!("/{}{path}", other.name());
            let (size, seed) = (size.to_string(), seed(other.host()).to_string());
            let args = ["check", &path, "--size", &size, "--seed", &seed];
            readers.push(reader.start_tool(&args)?);
        }
    }
    ensure_eq!(readers.len(), 6, "readers");
    readers
        .into_iter()
        .try_for_each(|reader| reader.finish()?.expect("bytes", size))
}

/// Positions that need more than 32 bits.
fn far_offsets(lab: &Lab<'_>) -> Result<()> {
    const FAR: u64 = (5 << 30) + 3;
    let path = format!("{}/f", lab.scratch()?);
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    one.sh(&format!("echo -n begin > /linus2{path}"))?;
    let offset = FAR.to_string();
    one.tool(&[
        "write",
        &format!("/linus2{path}"),
        "--size",
        "3000",
        "--offset",
        &offset,
    ])?;
    let end = FAR + 3000;
    ensure_eq!(
        two.sh(&format!("stat -c %s {path}"))?,
        end.to_string(),
        "size"
    );
    let tail = |node: Machine<'_>, path: &str| node.sh(&format!("tail -c 3001 {path} | sha256sum"));
    ensure_eq!(
        tail(one, &format!("/linus2{path}"))?,
        tail(two, &path)?,
        "the far end"
    );
    ensure_eq!(
        one.sh(&format!("head -c 5 /linus2{path}"))?,
        "begin",
        "the begin"
    );
    Ok(())
}

/// System calls of sizes that fit nothing.
fn odd_pieces(lab: &Lab<'_>) -> Result<()> {
    let path = format!("{}/f", lab.scratch()?);
    let remote = format!("/linus2{path}");
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    for chunk in ["1399", "4097", "65537", "300007"] {
        let args = |verb, path| [verb, path, "--size", "700001", "--chunk", chunk];
        one.tool(&args("write", &remote))?;
        two.tool(&args("check", &path))?;
        one.tool(&args("check", &remote))?;
    }
    one.tool(&["write", &remote, "--size", "1000", "--chunk", "1", "--sync"])?;
    two.tool(&["check", &path, "--size", "1000"])?;
    one.tool(&["check", &remote, "--size", "1000", "--chunk", "1"])?;
    Ok(())
}

/// A write of several pieces ends where the disk does, and what comes later goes on from there.
fn full_disk(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let full = format!("{}/full", lab.scratch()?);
    two.sh(&format!(
        "mkdir {full} && mount -t tmpfs -o size=256k full {full} && \
         dd if=/dev/zero of={full}/ballast bs=64k count=1"
    ))?;
    let line = format!(
        "exec 3> /linus2{full}/f
         dd if=/dev/urandom bs=1M count=1 >&3 && exit 1
         rm /linus2{full}/ballast
         echo more >&3 && sync /linus2{full}/f"
    );
    let output = one.try_sh(&line)?;
    ensure_eq!(output.exit, Exit::Code(0), "{output:?}");
    let expected = format!("{}", 192 * 1024 + "more\n".len());
    let size = format!("stat -c %s {full}/f");
    ensure_eq!(two.sh(&size)?, expected, "the file's size on its node");
    ensure_eq!(two.sh(&format!("tail -c 5 {full}/f"))?, "more", "its end");
    two.sh(&format!("umount {full}")).map(drop)
}

fn mappings(lab: &Lab<'_>) -> Result<()> {
    let path = format!("{}/f", lab.scratch()?);
    let remote = format!("/linus2{path}");
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    // A page and a half, and another content of the same size.
    for seed in 1..=2 {
        let written = pattern(two, "write", &path, 300_001, lab.seed() + seed)?;
        let mapped = one.tool(&["map", &remote])?;
        mapped.expect_errno(0)?;
        mapped.expect("sha256", written.text("sha256")?)?;
    }
    one.tool(&["map", &remote, "--shared"])?
        .expect_errno(libc::EINVAL)?;
    // What is made up as it is read has no pages that stay.
    one.tool(&["map", "/linus2/proc/version", "--len", "1"])?
        .expect_errno(libc::ENODEV)?;
    // The page is gone before anybody looks at it.
    let cuts = format!("podos run linus2 -- sh -c ': > {path}'");
    let output = one.try_tool(&["between", "map", &remote, &cuts])?;
    ensure_eq!(
        output.exit,
        Exit::Signal(libc::SIGBUS as u8),
        "who looks at a page that was cut off: {output:?}"
    );
    one.tool(&["between", "syncfs", &remote, "true"])?
        .expect_errno(libc::EOPNOTSUPP)?;
    Ok(())
}

/// A file of which the node that has it can read the beginning only: that much is read, and then comes
/// the error. It lies on an NFS mount whose server ends once some pages of it are cached.
fn read_error(lab: &Lab<'_>) -> Result<()> {
    const PAGE: usize = 4096;
    const CACHED: usize = 25 * PAGE;
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let dir = lab.scratch()?;
    let (served, mounted) = (format!("{dir}/served"), format!("{dir}/nfs"));
    two.sh(&format!("mkdir {served} && mount -t tmpfs served {served}"))?;
    pattern(two, "write", &format!("{served}/f"), 1 << 20, lab.seed())?;
    two.tool(&["bench", "nfs-export", &served, "--to", "2"])?;
    two.tool(&["bench", "nfs-mount", "2", &mounted, "--from", "2", "--soft"])?;
    // Nothing is read ahead by NFS.
    two.sh(&format!(
        "device=$(grep ' {mounted} ' /proc/self/mountinfo | cut -d ' ' -f 3)
         echo 0 > /sys/class/bdi/$device/read_ahead_kb
         dd if={mounted}/f of={dir}/cached bs={PAGE} count={}",
        CACHED / PAGE
    ))?;
    // The file is open when the server ends.
    let status = one.sh(&format!(
        "exec 3< /linus2{mounted}/f
         podos run --on linus2 -- sh -c 'echo 0 > /proc/fs/nfsd/threads' 3<&-
         dd bs={PAGE} <&3 > {dir}/got; echo $?"
    ))?;
    ensure_eq!(status, "1", "dd's status, which sees an error");
    let got = one.sh(&format!(
        "wc -c < {dir}/got; cmp {dir}/got /linus2{dir}/cached"
    ))?;
    ensure_eq!(got, CACHED.to_string(), "bytes before the error");
    two.sh(&format!("umount -l {mounted} && umount -l {served}"))
        .map(drop)
}

/// The folder that the harness shares is a 9p mount: another network file system, without a cache of
/// its own, served to a third.
fn host_folder(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let name = format!("mnt/host/served-{}", lab.seed());
    let _removed = Removed(one, format!("/{name}"));
    for size in [2, 4096, 70_001] {
        one.sh(&format!("head -c {size} /dev/urandom > /tmp/sent"))?;
        let sum = one.sh("sha256sum < /tmp/sent")?;
        let line = format!("timeout 20 cp /tmp/sent /linus2/{name} && sync /linus2/{name}");
        one.sh(&line)?;
        ensure_eq!(two.sh(&format!("sha256sum < /{name}"))?, sum, "was written");
        // Read by a node that has none of it in its cache.
        let read = format!("timeout 20 cat /linus2/{name} | sha256sum");
        ensure_eq!(lab.node(3)?.sh(&read)?, sum, "is read");
    }
    Ok(())
}

/// A file that goes when the value does.
struct Removed<'a>(Machine<'a>, String);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = self.0.try_sh(&format!("rm -f {}", self.1));
    }
}

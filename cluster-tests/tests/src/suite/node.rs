// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a node is, as its programs find it: its files' modes, its processor.

use std::collections::BTreeSet;

use anyhow::{ensure, Result};

use crate::check::ensure_eq;
use crate::support::Lab;
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "node.modes_are_those_of_a_system",
        setting: SHARED,
        limit: None,
        run: modes,
    },
    Test {
        name: "node.processor_is_one_that_could_be",
        setting: SHARED,
        limit: None,
        run: processor,
    },
];

fn modes(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    for (mode, paths) in [
        (
            "755",
            "/ /bin /dev /etc /etc/podos /mnt /run /usr/bin /var/lib/podos /var/log",
        ),
        ("755", "/init /bin/busybox /usr/bin/podos /usr/sbin/podosd"),
        (
            "644",
            "/etc/passwd /etc/group /etc/profile /etc/podos/cm.toml",
        ),
        ("1777", "/tmp /dev/shm"),
        ("700", "/root"),
    ] {
        let script = format!("stat -c '%a %u:%g %n' {paths}");
        let wanted: Vec<_> = paths
            .split(' ')
            .map(|path| format!("{mode} 0:0 {path}"))
            .collect();
        ensure_eq!(node.sh(&script)?, wanted.join("\n"), "`{script}`");
    }
    let open = "find / -xdev \\( -type f -o -type d \\) -perm -0002 ! -perm -1000";
    ensure_eq!(node.sh(open)?, "", "what everybody may change");
    // An ordinary user sees the system, and can put nothing into it.
    let script =
        "su -s /bin/sh user -c 'ls / /etc > /dev/null && cat /etc/passwd > /dev/null && id -u; \
                  mkdir /mine; touch /etc/mine; ls /root'";
    let output = node.try_sh(script)?;
    ensure_eq!(
        output.stdout.trim_end(),
        "1000",
        "an ordinary user: {}",
        output.stderr
    );
    ensure_eq!(
        output.stderr.lines().count(),
        3,
        "refusals: {}",
        output.stderr
    );
    node.sh("[ ! -e /mine ] && [ ! -e /etc/mine ]").map(drop)
}

/// Flags of `/proc/cpuinfo` that no processor has without the others: programs look at one and use
/// the instructions of all.
const IMPLIED: &[(&str, &[&str])] = &[
    ("lm", &["sse2", "fxsr", "cmov", "cx8", "syscall"]),
    ("sse2", &["sse", "mmx"]),
    ("pni", &["sse2"]),
    ("ssse3", &["pni"]),
    ("sse4_1", &["ssse3"]),
    ("sse4_2", &["sse4_1", "popcnt"]),
    ("sse4a", &["pni"]),
    ("pclmulqdq", &["ssse3"]),
    ("aes", &["ssse3"]),
    ("sha_ni", &["sse4_1"]),
    ("avx", &["sse4_2", "xsave"]),
    ("f16c", &["avx"]),
    ("fma", &["avx"]),
    ("avx2", &["avx", "fma", "movbe", "bmi1", "bmi2"]),
    ("vaes", &["avx", "aes"]),
    ("vpclmulqdq", &["avx", "pclmulqdq"]),
    ("gfni", &["ssse3"]),
    ("avx512f", &["avx2", "f16c"]),
    // No maker has put these into a processor without vectors.
    ("bmi1", &["sse4_2"]),
    ("bmi2", &["bmi1"]),
    ("adx", &["bmi2", "aes"]),
    ("rdseed", &["rdrand"]),
    ("rdrand", &["aes"]),
    ("xsavec", &["xsaveopt"]),
    ("xsaves", &["xsavec"]),
    ("xsaveopt", &["xsave"]),
    ("smap", &["smep"]),
    ("pku", &["xsave"]),
];

fn processor(lab: &Lab<'_>) -> Result<()> {
    let node = lab.node(1)?;
    let line = node.sh("grep -m 1 '^flags' /proc/cpuinfo")?;
    let flags: BTreeSet<_> = line.split_ascii_whitespace().skip(2).collect();
    ensure!(flags.contains("lm"), "no flags of a processor: {line}");
    let lacking: Vec<_> = IMPLIED
        .iter()
        .filter(|(flag, _)| flags.contains(flag))
        .flat_map(|(flag, implied)| implied.iter().map(move |other| (flag, other)))
        .filter(|(_, other)| !flags.contains(*other))
        .map(|(flag, other)| format!("{flag} without {other}"))
        .collect();
    ensure!(lacking.is_empty(), "{}: {line}", lacking.join(", "));
    Ok(())
}

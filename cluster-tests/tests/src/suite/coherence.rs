// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files that several nodes use at once are one file.

use std::time::Duration;

use anyhow::Result;
use podos_random::SplitMix64;

use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, SHARED};

pub const TESTS: &[Test] = &[
    Test {
        name: "coherence.changes_are_seen_at_once",
        setting: SHARED,
        limit: None,
        run: changes_are_seen,
    },
    Test {
        name: "coherence.open_files_see_changes",
        setting: SHARED,
        limit: None,
        run: open_files_see_changes,
    },
    Test {
        name: "coherence.appenders_lose_nothing",
        setting: SHARED,
        limit: None,
        run: appenders,
    },
    Test {
        name: "coherence.appends_by_flag",
        setting: SHARED,
        limit: None,
        run: appends_by_flag,
    },
    Test {
        name: "coherence.truncation",
        setting: SHARED,
        limit: None,
        run: truncation,
    },
    Test {
        name: "coherence.removed_while_open",
        setting: SHARED,
        limit: None,
        run: removed_while_open,
    },
    Test {
        name: "coherence.any_operations_by_any_node",
        setting: SHARED,
        limit: None,
        run: any_operations,
    },
];

/// A file of linus2 as each node names it.
fn name_at(node: Machine<'_>, path: &str) -> String {
    match node.host() {
        2 => path.to_owned(),
        _ => format!("/linus2{path}"),
    }
}

/// Each node writes in turn, with contents of equal and of different lengths.
fn changes_are_seen(lab: &Lab<'_>) -> Result<()> {
    let path = format!("{}/f", lab.scratch()?);
    for content in ["a", "b", "longer", "c", ""] {
        for writer in lab.nodes() {
            let content = format!("{content}{}", writer.host());
            writer.sh(&format!("echo {content} > {}", name_at(writer, &path)))?;
            for reader in lab.nodes() {
                let name = name_at(reader, &path);
                let found = reader.sh(&format!("cat {name}; stat -c %s {name}"))?;
                let expected = format!("{content}\n{}", content.len() + 1);
                ensure_eq!(
                    found,
                    expected,
                    "at {}, by {}",
                    reader.name(),
                    writer.name()
                );
            }
        }
    }
    Ok(())
}

/// What was read ahead may be given for 20 ms; after that an open file shows what is there.
fn open_files_see_changes(lab: &Lab<'_>) -> Result<()> {
    let path = format!("{}/f", lab.scratch()?);
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("echo first > {path}"))?;
    // Reads to the end, waits for the change, reads on from the same open file.
    let script = format!(
        "exec 3< /linus2{path}; cat <&3; echo go; \
         until [ -e /linus2{path}.go ]; do :; done; usleep 20000; cat <&3"
    );
    let reader = one.harness().command("sh").args(["-c", &script]).spawn()?;
    reader.wait_for_stdout("go", Duration::from_secs(15))?;
    two.sh(&format!("echo second >> {path}; touch {path}.go"))?;
    ensure_eq!(reader.wait()?.text(), "first\ngo\nsecond", "an open file");
    Ok(())
}

fn appenders(lab: &Lab<'_>) -> Result<()> {
    const LINES: usize = 60;
    let path = format!("{}/f", lab.scratch()?);
    lab.node(2)?.sh(&format!(": > {path}"))?;
    let mut running = Vec::new();
    for node in lab.nodes() {
        let (name, host) = (name_at(node, &path), node.host());
        let script = format!("for i in $(seq {LINES}); do echo line $i of {host} >> {name}; done");
        running.push(node.harness().command("sh").args(["-c", &script]).spawn()?);
    }
    for appender in running {
        let output = appender.wait()?;
        ensure_eq!(
            String::from_utf8_lossy(&output.stderr),
            "",
            "what an appender tells"
        );
    }
    let lines = LINES * lab.nodes().len();
    let counts = lab.node(2)?.sh(&format!(
        "wc -l < {path}; sort -u {path} | grep -c '^line .* of .$'"
    ))?;
    ensure_eq!(
        counts,
        format!("{lines}\n{lines}"),
        "lines, and different ones"
    );
    Ok(())
}

/// Whether a write appends is what its file's flags and its own say then, not what the file was opened
/// with; node 2 appends in between.
fn appends_by_flag(lab: &Lab<'_>) -> Result<()> {
    let path = format!("{}/f", lab.scratch()?);
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    let appends = format!("podos run linus2 -- sh -c 'echo second >> {path}'");
    for (operation, expected) in [
        ("append-once", "first\nsecond\nbetween"),
        ("append-from-now-on", "first\nsecond\nbetween"),
        ("append-no-more", "fbetween\nond"),
    ] {
        two.sh(&format!("echo first > {path}"))?;
        let remote = format!("/linus2{path}");
        one.tool(&["between", operation, &remote, &appends])?
            .expect_errno(0)?;
        let found = two.sh(&format!("cat {path}"))?;
        ensure_eq!(found, expected, "the file after {operation}");
    }
    Ok(())
}

fn truncation(lab: &Lab<'_>) -> Result<()> {
    let path = format!("{}/f", lab.scratch()?);
    let remote = format!("/linus2{path}");
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("printf 0123456789 > {path}"))?;
    one.sh(&format!("truncate -s 4 {remote}"))?;
    ensure_eq!(two.sh(&format!("cat {path}"))?, "0123", "cut by node 1");
    one.sh(&format!("truncate -s 6 {remote}"))?;
    ensure_eq!(
        two.sh(&format!("od -An -c {path} | tr -d ' '"))?,
        "0123\\0\\0",
        "made longer"
    );
    two.sh(&format!("truncate -s 2 {path}"))?;
    ensure_eq!(
        one.sh(&format!("cat {remote}; wc -c < {remote}"))?,
        "012",
        "cut by node 2"
    );
    one.sh(&format!(": > {remote}"))?;
    ensure_eq!(
        two.sh(&format!("stat -c %s {path}"))?,
        "0",
        "emptied by an open"
    );
    Ok(())
}

fn removed_while_open(lab: &Lab<'_>) -> Result<()> {
    let path = format!("{}/f", lab.scratch()?);
    let (one, two) = (lab.node(1)?, lab.node(2)?);
    two.sh(&format!("echo content > {path}"))?;
    let script = format!("exec 3<> /linus2{path}; rm /linus2{path}; cat <&3; echo more >&3");
    ensure_eq!(one.sh(&script)?, "content", "a removed file that is open");
    two.sh(&format!("[ ! -e {path} ]"))?;
    // Removed by its own node this time.
    two.sh(&format!("echo content > {path}"))?;
    let script =
        format!("exec 3< /linus2{path}; echo go; while [ -e /linus2{path} ]; do :; done; cat <&3");
    let reader = one.harness().command("sh").args(["-c", &script]).spawn()?;
    reader.wait_for_stdout("go", Duration::from_secs(15))?;
    two.sh(&format!("rm {path}"))?;
    ensure_eq!(
        reader.wait()?.text(),
        "go\ncontent",
        "a file that its node removed"
    );
    Ok(())
}

/// Writes of any size at any place by any node, as the seed has it, and the same to a file that
/// is local to one node: both have to stay equal.
fn any_operations(lab: &Lab<'_>) -> Result<()> {
    let dir = lab.scratch()?;
    let (path, model) = (format!("{dir}/f"), format!("{dir}/model"));
    let keeper = lab.node(3)?;
    lab.node(2)?.sh(&format!(": > {path}"))?;
    keeper.sh(&format!(": > {model}"))?;
    let nodes = lab.nodes();
    let mut random = Random::new(lab.seed());
    let mut history = Vec::new();
    for _ in 0..12 {
        let node = nodes[random.below(nodes.len() as u64) as usize];
        let (offset, size, seed) = (
            random.below(200_000),
            random.below(70_000),
            random.below(1000),
        );
        let cut = random.below(4) == 0;
        history.push(format!(
            "{} {} {offset}+{size}",
            node.name(),
            if cut { "cut" } else { "write" }
        ));
        for (node, file) in [(node, name_at(node, &path)), (keeper, model.clone())] {
            if cut {
                node.sh(&format!("truncate -s {offset} {file}"))?;
            } else {
                let [size, offset, seed] = [size, offset, seed].map(|n| n.to_string());
                node.tool(&[
                    "write", &file, "--size", &size, "--offset", &offset, "--seed", &seed,
                ])?;
            }
        }
        let reader = nodes[random.below(nodes.len() as u64) as usize];
        let digest = |node: Machine<'_>, file: &str| node.sh(&format!("sha256sum < {file}"));
        let found = digest(reader, &name_at(reader, &path))?;
        ensure_eq!(
            found,
            digest(keeper, &model)?,
            "{} after {history:?}",
            reader.name()
        );
    }
    Ok(())
}

/// Numbers below a limit.
pub struct Random(SplitMix64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    /// A remainder: seeds of runs that failed are to mean what they meant then.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0.draw() % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_from_the_seed() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [(); 8].map(|()| random.below(1000))
        };
        assert_eq!(draw(7), [487, 804, 346, 203, 674, 305, 798, 182]);
        assert_ne!(draw(7), draw(8));
    }
}

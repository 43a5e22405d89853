// SPDX-License-Identifier: MIT OR Apache-2.0

//! Breaks a rule of the dispatcher in a copy of this tree, and checks that all who run it notice:
//! the simulation, its fuzz target, and two nodes. Without this, their silence would prove nothing,
//! nor that they run the same code.

use std::fs;
use std::path::Path;

use anyhow::{ensure, Context as _, Result};

use crate::context::Context;
use crate::engine::key::list_files;

/// Where the rule stands, and what takes its place: an OPEN that was seen before opens nothing.
const FILE: &str = "rust-kmods/proto/src/endpoint/route.rs";
const BROKEN: [(&str, &str); 2] = [
    (
        "OpenCheck::Fresh => {}",
        "OpenCheck::Fresh | OpenCheck::Duplicate => {}",
    ),
    (
        "OpenCheck::Duplicate | OpenCheck::Old =>",
        "OpenCheck::Old =>",
    ),
];

/// Who is to notice: a cargo command, and what it says then.
struct Witness {
    name: &'static str,
    command: &'static str,
    charge: &'static str,
}

const SIMULATION: Witness = Witness {
    name: "the simulation",
    command: "run --quiet --release --locked -p podos-sim -- --nodes 12 --seed 4 --load-ms 60000 \
              --circuits 3000",
    charge: "accepted twice",
};
const FUZZ_TARGET: Witness = Witness {
    name: "the fuzz target",
    command: "run --quiet --locked -p podos-proto-fuzz -- endpoint --seconds 5",
    charge: "an OPEN that is accepted twice",
};
const NODES: Witness = Witness {
    name: "two nodes",
    command: "run --quiet --locked -p xtask -- cluster-test cm.late_copies_of_an_open_open_nothing",
    charge: "circuits were opened, and",
};

/// See the module; `with_nodes`: boot some, too.
///
/// # Errors
///
/// Who noticed nothing, or something else.
pub fn check(ctx: &Context, with_nodes: bool) -> Result<()> {
    let copy = tempfile::tempdir().context("a folder for the copy")?;
    copy_tree(ctx.root(), copy.path())?;
    let path = copy.path().join(FILE);
    let mut text = fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
    for (rule, broken) in BROKEN {
        ensure!(
            text.matches(rule).count() == 1,
            "`{rule}` is not in {FILE} once: this test has to follow what changed there"
        );
        text = text.replace(rule, broken);
    }
    fs::write(&path, text).with_context(|| format!("cannot write the copy of {FILE}"))?;
    notices(ctx, copy.path(), &SIMULATION)?;
    notices(ctx, copy.path(), &FUZZ_TARGET)?;
    if with_nodes {
        notices(ctx, copy.path(), &NODES)?;
    }
    Ok(())
}

/// Copies the sources, as they are now.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in list_files(from, ".")? {
        // Where there is no git, what was built is among them.
        if file.starts_with("target") {
            continue;
        }
        let target = to.join(&file);
        let folder = target.parent().context("a file is in a folder")?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::copy(from.join(&file), &target))
            .with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

fn notices(ctx: &Context, copy: &Path, witness: &Witness) -> Result<()> {
    let mut arguments: Vec<_> = witness.command.split_whitespace().collect();
    if ctx.flags.offline {
        arguments.insert(1, "--offline");
    }
    let output = duct::cmd("cargo", &arguments)
        .dir(copy)
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .stdin_null()
        .stderr_to_stdout()
        .stdout_capture()
        .unchecked()
        .run()
        .context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let name = witness.name;
    ensure!(!output.status.success(), "{name} noticed nothing:\n{said}");
    ensure!(
        said.contains(witness.charge),
        "{name} took it for something else:\n{said}"
    );
    println!("{name} noticed");
    Ok(())
}

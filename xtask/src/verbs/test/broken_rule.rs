// SPDX-License-Identifier: MIT OR Apache-2.0

//! Breaks a rule of the dispatcher in a copy of this tree, and checks that all who run it notice:
//! the simulation, its fuzz target, and two nodes. Without this, their silence would prove nothing,
//! nor that they run the same code.

use anyhow::{ensure, Result};

use super::copy::{self, Copy};
use crate::context::Context;
use crate::fs;

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
    command: "run --quiet --locked -p podos-sim -- --nodes 12 --seed 4 --load-ms 60000 \
              --circuits 3000",
    charge: "accepted twice",
};
const FUZZ_TARGET: Witness = Witness {
    name: "the fuzz target",
    command: "run --quiet --locked -p podos-proto-fuzz -- endpoint --seconds 5",
    charge: "an OPEN that is accepted twice",
};
/// Of the copy's images, the one that they boot.
const IMAGE: &str = "run --quiet --locked -p xtask -- image --profile lab";
const NODES: Witness = Witness {
    name: "two nodes",
    command:
        "run --quiet --locked -p xtask -- cluster-test cm.late_copies_of_an_open_open_nothing \
              --image-dir target/images/lab",
    charge: "circuits were opened, and",
};

/// See the module; `with_nodes`: boot some, too.
///
/// # Errors
///
/// Who noticed nothing, or something else.
pub fn check(ctx: &Context, with_nodes: bool) -> Result<()> {
    let copy = copy::of_tree(ctx)?;
    let path = copy.path().join(FILE);
    let mut text = fs::read_to_string(&path)?;
    for (rule, broken) in BROKEN {
        ensure!(
            text.matches(rule).count() == 1,
            "`{rule}` is not in {FILE} once: this test has to follow what changed there"
        );
        text = text.replace(rule, broken);
    }
    fs::write(&path, text)?;
    notices(&copy, &SIMULATION)?;
    notices(&copy, &FUZZ_TARGET)?;
    if with_nodes {
        let output = copy.cargo(IMAGE)?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "cannot build the image:\n{said}");
        notices(&copy, &NODES)?;
    }
    Ok(())
}

fn notices(copy: &Copy, witness: &Witness) -> Result<()> {
    let output = copy.cargo(witness.command)?;
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

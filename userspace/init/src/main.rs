// SPDX-License-Identifier: MIT OR Apache-2.0

//! `/init` of a node whose root is its initramfs: process 1.
//!
//! Process 1 itself only mounts, reaps, and keeps services running; whatever may hang (modules, the
//! host's folder) is done by the boot process, its child, so that a node whose boot fails can still
//! be asked why.

#[macro_use]
extern crate podos_terminal;

mod boot;
mod console;
mod init;
mod links;
mod modules;
mod mounts;
mod node;
mod power;
mod programs;
mod services;

use std::process::ExitCode;

fn main() -> ExitCode {
    let pid = std::process::id();
    if pid != 1 {
        eprintln!(
            "podos-init: this is process {pid}, and only process 1 of a node can be its init; \
             to end the node, run `poweroff`"
        );
        return ExitCode::FAILURE;
    }
    if let Err(error) = init::run() {
        console::say(&format!("the node can't go on: {error:#}"));
    }
    // The kernel panics when process 1 ends, which is what a node without one deserves.
    ExitCode::FAILURE
}

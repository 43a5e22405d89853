// SPDX-License-Identifier: GPL-2.0-only

//! PODOS global inter-process communication: remote execution (paper, section 5).
//!
//! The active end is a file: a node's directory opened with `O_GIPC`. The passive end is a service
//! thread that runs the program, whose standard streams are the circuit.

mod abi;
mod active;
mod control;
mod convert;
mod execution;
mod inbox;
mod launch;
mod passive;
mod programs;
mod received;
mod sender;
mod service;
mod streams;
mod sys;

use kernel::prelude::*;
use kernel::sync::Arc;
use podos_pdfs::root_open::{self, RootOpenGuard};

use control::Control;
use passive::PassiveEnd;
use programs::Programs;

module! {
    type: Gipc,
    name: "podos_gipc",
    authors: ["The PODOS Project"],
    description: "PODOS global inter-process communication",
    license: "GPL",
}

/// The module. The fields are dropped in this order: first nobody opens any more, then nobody is
/// served.
struct Gipc {
    _active: RootOpenGuard,
    _passive: PassiveEnd,
    _control: Control,
}

impl kernel::Module for Gipc {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let programs = Arc::pin_init(Programs::new(), GFP_KERNEL)?;
        Ok(Self {
            _control: Control::new(programs.clone())?,
            _passive: PassiveEnd::new(programs)?,
            _active: root_open::register(sys::open_root)?,
        })
    }
}

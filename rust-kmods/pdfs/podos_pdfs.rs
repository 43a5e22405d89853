// SPDX-License-Identifier: GPL-2.0-only

//! PODOS Distributed File System (paper, section 4).
//!
//! The tree of every other node is in this node's tree, in a directory of the node's name. Walking
//! in mounts it: nothing has to be mounted by anybody.

mod attachments;
mod client;
mod convert;
pub mod root_open;
mod server;
mod sys;

use kernel::prelude::*;
use podos_sys::GlobalGuard;

use attachments::Control;
use client::{Kept, Pdfs, KEPT};
use root_open::Takers;
use server::Server;
use sys::{FileSystem, Registration, Shrinker};

module! {
    type: Module,
    name: "podos_pdfs",
    authors: ["The PODOS Project"],
    description: "PODOS Distributed File System",
    license: "GPL",
}

/// The module. The fields are dropped in this order: first the ways in, then what they lead to.
struct Module {
    _control: Control,
    _file_system: Registration,
    _server: Server,
    _shrinker: Shrinker<Kept>,
    _kept: GlobalGuard<Kept>,
    _takers: GlobalGuard<Takers>,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let takers = root_open::TAKERS.set(Takers::new()?)?;
        let kept = Kept::new()?;
        let shrinker = Shrinker::new(c"podos_pdfs-read_ahead", kept.clone())?;
        let kept = KEPT.set(kept)?;
        let server = Server::start()?;
        let file_system = Pdfs::file_system_type().register()?;
        let control = Control::new()?;
        Ok(Self {
            _control: control,
            _file_system: file_system,
            _server: server,
            _shrinker: shrinker,
            _kept: kept,
            _takers: takers,
        })
    }
}

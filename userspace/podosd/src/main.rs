// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podosd`: the policy of a PODOS node that the kernel leaves to userspace.
//!
//! It keeps a directory for every node that the Resource Manager has seen (paper, section 4.3.2)
//! and, started with `--set-node`, gives the kernel the node's host id and boot sequence number.
//! To the Communication Manager it gives rails, mode and cluster keys: at boot, started with
//! `--load-keys`, and when the modules were loaded anew.

#[macro_use]
extern crate podos_terminal;

mod boot;
mod directories;
mod keys;
mod log;
mod rails;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::directories::{Directories, KernelFiles};
use crate::watch::Event;

/// Keep the node directories of a PODOS node, or set its identity or its keys
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  podosd --set-node 2\n  podosd --load-keys\n  podosd"
)]
struct Arguments {
    /// Set this node's host id and boot sequence number, and exit
    #[arg(long, value_name = "HOST", value_parser = clap::value_parser!(u32).range(1..))]
    set_node: Option<u32>,

    /// The boot sequence number; from a counter on disk or the clock if left out
    #[arg(long, value_name = "SEQ", requires = "set_node",
          value_parser = clap::value_parser!(u16).range(1..))]
    boot: Option<u16>,

    /// Give the Communication Manager its rails (/etc/podos/rails.conf), its mode (podos.cm-mode= of
    /// the kernel command line, or /etc/podos/cm.toml) and the keys in /etc/podos/cluster.key, and
    /// exit
    #[arg(long, conflicts_with_all = ["set_node", "root"])]
    load_keys: bool,

    /// Where the node directories are made
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.set_node {
        Some(host) => boot::set_node(host, arguments.boot),
        None if arguments.load_keys => keys::load(),
        None => serve(arguments.root),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Keeps the directories until a signal ends the daemon.
fn serve(root: PathBuf) -> Result<()> {
    let own = podos::own_node()
        .context("cannot read this node's host id (is it a PODOS kernel?)")?
        .context("this node has no host id yet: run `podosd --set-node HOST` first")?;
    load_keys();
    let kernel = KernelFiles::in_sysfs();
    let mut watch = watch::Watch::new(&kernel.sst)?;
    let mut directories = Directories::new(own, root.clone(), kernel);
    loop {
        let is_done = directories.update()?;
        match watch.wait(is_done)? {
            Event::News => {}
            Event::Ended => break,
            Event::Gone => {
                log::info("the modules are gone");
                directories = Directories::new(own, root.clone(), KernelFiles::in_sysfs());
                if watch.wait(true)? == Event::Ended {
                    break;
                }
                log::info("the modules are back");
                load_keys();
            }
            Event::Back => {}
        }
    }
    directories.remove();
    Ok(())
}

/// Modules that were loaded by hand have no mode yet. A node whose keys are no good keeps its
/// directories: it can be mended.
fn load_keys() {
    if let Err(error) = keys::load_anew() {
        log::warning(&format!("{error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn identities_that_nobody_has() {
        for line in [
            &["podosd", "--set-node", "0"][..],
            &["podosd", "--set-node", "2", "--boot", "0"],
            &["podosd", "--set-node", "2", "--boot", "65536"],
            &["podosd", "--boot", "2"],
            &["podosd", "--load-keys", "--set-node", "2"],
        ] {
            assert!(Arguments::try_parse_from(line).is_err(), "{line:?}");
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The boot process: everything between mounting /proc and a node of the cluster.

use std::fs::File;
use std::io::{self, Read, Write};

use podos_init::{CommandLine, Config};
use podos_process::{child, Exit};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::Pid;

use crate::{console, links, modules, mounts, node};

/// A boot under way.
#[derive(Debug)]
pub struct Boot {
    /// The boot process.
    pub pid: Pid,
    problems: File,
}

impl Boot {
    /// Starts the boot process.
    pub fn start(line: &CommandLine, config: &Config) -> io::Result<Self> {
        let (problems, report) = pipe_with(PipeFlags::CLOEXEC)?;
        let pid = child::fork(move || {
            let mut report = File::from(report);
            let mut told = true;
            boot(line, config, |problem| {
                console::say(problem);
                told &= writeln!(report, "{}", problem.replace('\n', " ")).is_ok();
            });
            u8::from(!told)
        })?;
        Ok(Self {
            pid,
            problems: problems.into(),
        })
    }

    /// What went wrong in a boot whose process has ended so.
    pub fn finish(mut self, exit: Exit) -> Vec<String> {
        let mut text = String::new();
        let read = self.problems.read_to_string(&mut text);
        let mut problems: Vec<_> = text.lines().map(str::to_owned).collect();
        if let Err(error) = read {
            problems.push(format!("cannot read the boot's problems: {error}"));
        }
        if !exit.success() {
            problems.push(format!("the boot process ended early: {exit}"));
        }
        problems
    }
}

fn boot(line: &CommandLine, config: &Config, mut problem: impl FnMut(&str)) {
    let mut note = |done: Result<(), String>| {
        if let Err(what) = done {
            problem(&what);
        }
    };
    match line.node {
        None => note(Err(
            "this node has no host id: start it with podos.node=N on the kernel command line"
                .to_owned(),
        )),
        Some(node) => note(node::set_name(node)),
    }
    for what in links::bring_up(line.node, config.network.as_ref()) {
        note(Err(what));
    }
    match &config.host_folder {
        Some(place) if line.share => note(mounts::mount_share(place)),
        None if line.share => note(Err(
            "there is no place for the host's folder: this image's profile has no `host-folder`"
                .to_owned(),
        )),
        _ => {}
    }
    if let Some(node) = line.node {
        let podosd = config.podosd();
        note(podosd.and_then(|podosd| node::identify(podosd, node, line.boot)));
    }
    for name in &config.modules.load {
        let directory = &config.modules.directory;
        note(modules::load(directory, name, &line.parameters_of(name)));
        if name == modules::CM {
            // Before anything needs the network: CM says nothing until it has its mode.
            note(config.podosd().and_then(node::load_keys));
        }
    }
    note(console::restore_level());
}

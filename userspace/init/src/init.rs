// SPDX-License-Identifier: MIT OR Apache-2.0

//! Process 1's life: one loop that waits for everything at once.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use podos_init::config::{self, Start};
use podos_init::{boot_report, CommandLine, Config};
use podos_process::signals::Signals;
use podos_process::watch::{self, Watch};
use podos_process::{reaper, Exit};
use rustix::event::PollFlags;
use rustix::process::Pid;

use crate::boot::Boot;
use crate::power::{self, Power};
use crate::services::Service;
use crate::{console, mounts};

/// Boots the node, serves until it is to end, and ends it; returns only if the kernel refuses.
pub fn run() -> Result<()> {
    let mut problems = mounts::mount_base();
    let line = CommandLine::of_kernel();
    problems.extend(line.problems.iter().cloned());
    let config = Config::read(Path::new(config::FILE)).unwrap_or_else(|problem| {
        problems.push(problem);
        Config::rescue()
    });
    for problem in &problems {
        console::say(problem);
    }
    let signals = Signals::take_over(&[&[libc::SIGCHLD], &power::SIGNALS[..]].concat());
    let signals = signals.context("cannot take signals through a descriptor")?;
    let boot = Boot::start(&line, &config).context("cannot start the boot process")?;
    let services = config.services.into_iter();
    let mut init = Init {
        problems: Some(problems),
        signals,
        boot: Some(boot),
        services: services
            .map(|(name, one)| Service::new(name, one))
            .collect(),
    };
    let power = init.serve()?;
    power::end(power);
    Ok(())
}

struct Init {
    /// What went wrong, until that was reported at the end of the boot.
    problems: Option<Vec<String>>,
    signals: Signals,
    boot: Option<Boot>,
    services: Vec<Service>,
}

impl Init {
    fn serve(&mut self) -> Result<Power> {
        self.turn_on(Start::AtOnce);
        loop {
            self.start_what_is_due();
            self.wait()?;
            let pending = self.signals.take().context("cannot take signals")?;
            // Of several the last one that is known: they come in the order of their numbers.
            if let Some(power) = pending.into_iter().filter_map(Power::asked_by).next_back() {
                return Ok(power);
            }
            reaper::reap(|pid, exit| self.ended(pid, exit)).context("cannot reap children")?;
        }
    }

    fn turn_on(&mut self, start: Start) {
        let now = Instant::now();
        let services = self.services.iter_mut();
        services
            .filter(|one| one.start() == start)
            .for_each(|one| one.turn_on(now));
    }

    fn ended(&mut self, pid: Pid, exit: Exit) {
        let now = Instant::now();
        for service in &mut self.services {
            if let Some(said) = service.ended(pid, exit, now) {
                console::say(&said);
            }
        }
        if let Some(boot) = self.boot.take_if(|boot| boot.pid == pid) {
            self.turn_on(Start::Booted);
            // One that can't be started is a problem of the boot.
            self.start_what_is_due();
            let mut problems = self.problems.take().unwrap_or_default();
            problems.extend(boot.finish(exit));
            if let Err(error) = boot_report::write(&problems) {
                console::say(&format!("cannot write {}: {error}", boot_report::FILE));
            }
        }
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        let services = self.services.iter_mut();
        let said: Vec<_> = services.filter_map(|one| one.tick(now)).collect();
        for problem in said {
            console::say(&problem);
            if let Some(problems) = &mut self.problems {
                problems.push(problem);
            }
        }
    }

    fn wait(&self) -> Result<()> {
        let signals = Watch {
            token: (),
            fd: self.signals.as_fd(),
            events: PollFlags::IN,
        };
        let deadline = self.services.iter().filter_map(Service::deadline).min();
        watch::wait(&[signals], deadline).context("cannot wait for descriptors")?;
        Ok(())
    }
}

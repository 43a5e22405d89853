// SPDX-License-Identifier: MIT OR Apache-2.0

//! Process 1's life: one loop that waits for everything at once.

use std::os::fd::AsFd;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::event::PollFlags;

use crate::agent::{self, Agent};
use crate::boot::Boot;
use crate::cmdline::CommandLine;
use crate::power::{self, Power};
use crate::services::Service;
use crate::signals::Signals;
use crate::watch::{self, Watch};
use crate::{console, mounts, process, reaper};

#[derive(Clone, Copy)]
enum Token {
    Signals,
    Agent(agent::Token),
}

/// Boots the node, serves until it is to end, and ends it; returns only if the kernel refuses.
pub fn run() -> Result<()> {
    let mut problems = mounts::mount_base();
    let line = CommandLine::of_kernel();
    problems.extend(line.problems.iter().cloned());
    if let Err(error) = process::take_precedence() {
        problems.push(format!("init runs with ordinary priority: {error}"));
    }
    for problem in &problems {
        console::say(problem);
    }
    let signals = Signals::take_over().context("signals can't be taken through a descriptor")?;
    // Started before the agent, so that the boot process inherits nothing of it.
    let boot = Boot::start(&line).context("the boot process can't be started")?;
    let agent = Agent::new(line.node.unwrap_or(0))
        .context("the kernel's device events can't be listened to")?;
    let mut init = Init {
        problems,
        signals,
        agent,
        boot: Some(boot),
        podosd: Service::podosd(),
        shell: Service::shell(),
    };
    let power = init.serve()?;
    // While the pipes of the agent's commands are open: one that says something as it ends is not
    // to die of it.
    power::end(power);
    Ok(())
}

struct Init {
    /// Until the boot is over.
    problems: Vec<String>,
    signals: Signals,
    agent: Agent,
    boot: Option<Boot>,
    podosd: Service,
    shell: Service,
}

impl Init {
    fn serve(&mut self) -> Result<Power> {
        self.shell.turn_on(Instant::now());
        loop {
            self.start_what_is_due();
            if self.agent.wants_poweroff() {
                return Ok(Power::Off);
            }
            for token in self.wait()? {
                match token {
                    Token::Agent(token) => self.agent.handle(token),
                    Token::Signals => {
                        let pending = self.signals.take().context("signals can't be taken")?;
                        if let Some(power) = pending.power {
                            return Ok(power);
                        }
                        if pending.port {
                            self.agent.port_changed();
                        }
                    }
                }
            }
            reaper::reap(|pid, exit| {
                let now = Instant::now();
                self.agent.ended(pid, exit);
                let services = [&mut self.podosd, &mut self.shell];
                for said in services.map(|one| one.ended(pid, exit, now)) {
                    said.iter().for_each(|said| console::say(said));
                }
                if let Some(boot) = self.boot.take_if(|boot| boot.pid == pid) {
                    self.problems.extend(boot.finish(exit));
                    self.podosd.turn_on(now);
                }
            })
            .context("children can't be reaped")?;
        }
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        let services = [&mut self.shell, &mut self.podosd];
        for said in services.into_iter().filter_map(|one| one.tick(now)) {
            console::say(&said);
            if !self.agent.is_ready() {
                self.problems.push(said);
            }
        }
        if self.boot.is_none() && !self.agent.is_ready() {
            self.agent.ready(std::mem::take(&mut self.problems));
        }
        self.agent.tick(now);
    }

    fn wait(&self) -> Result<Vec<Token>> {
        let mut watches = vec![Watch {
            token: Token::Signals,
            fd: self.signals.as_fd(),
            events: PollFlags::IN,
        }];
        watches.extend(self.agent.watches().into_iter().map(|watch| Watch {
            token: Token::Agent(watch.token),
            fd: watch.fd,
            events: watch.events,
        }));
        let deadlines = [
            self.agent.deadline(),
            self.podosd.deadline(),
            self.shell.deadline(),
        ];
        watch::wait(&watches, deadlines.into_iter().flatten().min())
            .context("descriptors can't be waited for")
    }
}

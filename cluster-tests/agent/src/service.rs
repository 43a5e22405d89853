// SPDX-License-Identifier: MIT OR Apache-2.0

//! The agent as a service of init: one loop that waits for everything at once.

use std::os::fd::AsFd;
use std::time::Instant;

use anyhow::{Context, Result};
use podos_init::CommandLine;
use podos_process::signals::Signals;
use podos_process::watch::{self, Watch};
use podos_process::{reaper, take_precedence};
use rustix::event::PollFlags;
use rustix::process::{kill_process, Pid, Signal};

use crate::agent::{self, Agent};
use crate::boot::BootReport;
use crate::journal;

/// Children that ended, changes of the port, and the end of the node.
const SIGNALS: [i32; 3] = [libc::SIGCHLD, libc::SIGIO, libc::SIGTERM];

#[derive(Clone, Copy)]
enum Token {
    Signals,
    Boot,
    Agent(agent::Token),
}

/// Serves until the node ends.
pub fn run() -> Result<()> {
    // A node that is busy is one that the harness wants to ask about. And the port tells whether a
    // host is there, not whether it is another one: the agent should look between the two.
    if let Err(error) = take_precedence() {
        journal::say(&format!("the agent runs with ordinary priority: {error}"));
    }
    let signals = Signals::take_over(&SIGNALS);
    let signals = signals.context("cannot take signals through a descriptor")?;
    let boot = BootReport::expect().context("cannot wait for the end of the boot")?;
    let line = CommandLine::of_kernel();
    let agent = Agent::new(line.node.unwrap_or(0));
    let agent = agent.context("cannot listen to the kernel's device events")?;
    let mut service = Service {
        signals,
        boot: Some(boot),
        agent,
        ending: false,
    };
    service.serve()
}

struct Service {
    signals: Signals,
    /// Until the boot is over.
    boot: Option<BootReport>,
    agent: Agent,
    /// The node ends. The commands were told so, too; their pipes stay open until they have ended:
    /// one that says something as it ends is not to die of it.
    ending: bool,
}

impl Service {
    fn serve(&mut self) -> Result<()> {
        self.look_for_report()?;
        loop {
            self.agent.tick(Instant::now());
            if self.agent.take_poweroff() {
                // As busybox's poweroff does.
                kill_process(Pid::INIT, Signal::USR2).context("cannot tell init to power off")?;
            }
            if self.ending && self.agent.is_idle() {
                return Ok(());
            }
            for token in self.wait()? {
                match token {
                    Token::Agent(token) => self.agent.handle(token),
                    Token::Boot => self.look_for_report()?,
                    Token::Signals => self.take_signals()?,
                }
            }
            reaper::reap(|pid, exit| self.agent.ended(pid, exit))
                .context("cannot reap children")?;
        }
    }

    fn take_signals(&mut self) -> Result<()> {
        for signal in self.signals.take().context("cannot take signals")? {
            match signal {
                libc::SIGIO => self.agent.port_changed(),
                libc::SIGTERM => self.ending = true,
                // SIGCHLD: the reaper is asked after every wake-up, whatever it was.
                _ => {}
            }
        }
        Ok(())
    }

    fn look_for_report(&mut self) -> Result<()> {
        let Some(boot) = &self.boot else {
            return Ok(());
        };
        let report = boot.read().context("cannot read the report of the boot")?;
        if let Some(problems) = report {
            self.agent.ready(problems);
            self.boot = None;
        }
        Ok(())
    }

    fn wait(&self) -> Result<Vec<Token>> {
        let own = [
            Some((Token::Signals, self.signals.as_fd())),
            self.boot.as_ref().map(|boot| (Token::Boot, boot.as_fd())),
        ];
        let own = own.into_iter().flatten().map(|(token, fd)| Watch {
            token,
            fd,
            events: PollFlags::IN,
        });
        let mut watches: Vec<_> = own.collect();
        watches.extend(self.agent.watches().into_iter().map(|watch| Watch {
            token: Token::Agent(watch.token),
            fd: watch.fd,
            events: watch.events,
        }));
        watch::wait(&watches, self.agent.deadline()).context("cannot wait for descriptors")
    }
}

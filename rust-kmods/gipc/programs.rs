// SPDX-License-Identifier: GPL-2.0-only

//! The programs that run for other nodes: how many there may be, and which is which by its GPID.

use core::fmt::{self, Write};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use podos_proto::gipc::{OnBehalf, ProgramLimits};
use podos_proto::Gpid;

use crate::execution::Execution;
use crate::sys;

/// See the module.
#[pin_data]
pub(crate) struct Programs {
    #[pin]
    state: Mutex<State>,
}

struct State {
    list: KVVec<Program>,
    limits: ProgramLimits,
    /// How often a caller was refused for one of the limits.
    refused: u64,
}

struct Program {
    on_behalf: OnBehalf,
    execution: Arc<Execution>,
}

impl Programs {
    pub(crate) fn new() -> impl PinInit<Self> {
        let state = State {
            list: KVVec::new(),
            limits: ProgramLimits::DEFAULT,
            refused: 0,
        };
        pin_init!(Self {
            state <- new_mutex!(state, "podos_gipc_programs"),
        })
    }

    /// Enters an execution for as long as the returned value lives.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there are as many programs as there may be, `ENOMEM`.
    pub(crate) fn enter(
        &self,
        execution: Arc<Execution>,
        on_behalf: OnBehalf,
    ) -> Result<Entered<'_>> {
        let mut state = self.state.lock();
        let running = state.list.iter().map(|program| program.on_behalf);
        if let Err(reached) = state.limits.admit(running, on_behalf) {
            state.refused += 1;
            drop(state);
            if sys::log_has_room() {
                let (uid, host) = (on_behalf.uid, on_behalf.host.raw());
                pr_warn!(
                    "uid {uid} of linus{host} is refused a program: the limit \"{}\" of {} is \
                     reached (/sys/kernel/podos/gipc/limits)\n",
                    reached.name,
                    reached.limit
                );
            }
            return Err(EAGAIN);
        }
        let program = Program {
            on_behalf,
            execution: execution.clone(),
        };
        state.list.push(program, GFP_KERNEL)?;
        Ok(Entered {
            programs: self,
            execution,
        })
    }

    /// Sends a signal to the program `target`, on behalf of `sender`.
    ///
    /// # Errors
    ///
    /// `ESRCH` if there is no such program, `EPERM` if it runs for another node than the
    /// sender's, and those of [`Execution::signal`].
    pub(crate) fn signal(&self, sender: Gpid, target: Gpid, signal: i32) -> Result {
        let state = self.state.lock();
        let mut executions = state.list.iter().map(|program| &program.execution);
        let found = executions.find(|execution| execution.gpid() == Some(target));
        let execution = found.ok_or(ESRCH)?.clone();
        drop(state);
        if !execution.circuit.remote().same_node(sender) {
            return Err(EPERM);
        }
        execution.signal(signal)
    }

    /// `NAME LIMIT`, one a line.
    pub(crate) fn show_limits(&self, text: &mut dyn Write) -> fmt::Result {
        let mut limits = self.state.lock().limits;
        for name in ProgramLimits::NAMES {
            if let Some(limit) = limits.get_mut(name) {
                writeln!(text, "{name} {limit}")?;
            }
        }
        Ok(())
    }

    /// Sets the limit that a line of [`Programs::show_limits`] names. No program ends for it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is no such line.
    pub(crate) fn set_limit(&self, line: &str) -> Result {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(limit), None) = (words.next(), words.next(), words.next()) else {
            return Err(EINVAL);
        };
        let limit = limit.parse().map_err(|_| EINVAL)?;
        let mut state = self.state.lock();
        *state.limits.get_mut(name).ok_or(EINVAL)? = limit;
        Ok(())
    }

    /// How many there are, and for whom, as far as there is room.
    pub(crate) fn show(&self, text: &mut dyn Write) -> fmt::Result {
        let state = self.state.lock();
        writeln!(text, "running {}", state.list.len())?;
        writeln!(text, "refused {}", state.refused)?;
        for (at, program) in state.list.iter().enumerate() {
            let OnBehalf { uid, host } = program.on_behalf;
            let same = |other: &&Program| other.on_behalf == program.on_behalf;
            if state.list.iter().take(at).any(|other| same(&other)) {
                continue;
            }
            let count = state.list.iter().skip(at).filter(same).count();
            if writeln!(text, "linus{host} uid {uid} {count}").is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Keeps an execution in the list; see [`Programs::enter`].
pub(crate) struct Entered<'a> {
    programs: &'a Programs,
    execution: Arc<Execution>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut state = self.programs.state.lock();
        state
            .list
            .retain(|program| !Arc::ptr_eq(&program.execution, &self.execution));
    }
}

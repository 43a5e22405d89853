// SPDX-License-Identifier: GPL-2.0-only

//! The programs that run for other nodes, to be found by their GPIDs.

use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use podos_proto::Gpid;

use crate::execution::Execution;

/// See the module.
#[pin_data]
pub(crate) struct Programs {
    #[pin]
    list: Mutex<KVec<Arc<Execution>>>,
}

impl Programs {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- new_mutex!(KVec::new(), "podos_gipc_programs"),
        })
    }

    /// Enters an execution for as long as the returned value lives.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn enter(&self, execution: Arc<Execution>) -> Result<Entered<'_>> {
        self.list.lock().push(execution.clone(), GFP_KERNEL)?;
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
        let list = self.list.lock();
        let mut found = list.iter().filter(|e| e.gpid() == Some(target));
        let execution = found.next().ok_or(ESRCH)?.clone();
        drop(list);
        if !execution.circuit.remote().same_node(sender) {
            return Err(EPERM);
        }
        execution.signal(signal)
    }
}

/// Keeps an execution in the list; see [`Programs::enter`].
pub(crate) struct Entered<'a> {
    programs: &'a Programs,
    execution: Arc<Execution>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut list = self.programs.list.lock();
        list.retain(|other| !Arc::ptr_eq(other, &self.execution));
    }
}

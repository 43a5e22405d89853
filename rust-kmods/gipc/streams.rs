// SPDX-License-Identifier: GPL-2.0-only

//! The standard streams of a program: files that are its circuit.
//!
//! They are the library of the paper's section 5.4.3, moved to where every program uses it.

use core::sync::atomic::Ordering;
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_proto::gipc::Op;
use podos_sys::{Poller, Stream, Wake};

use crate::execution::Execution;
use crate::sys;
use crate::Gipc;

/// Descriptor 0: what the caller writes.
pub(crate) struct Stdin(pub(crate) Arc<Execution>);

impl Stream for Stdin {
    type Owner = Gipc;

    const NAME: &'static CStr = c"[gipc-stdin]";

    fn read(&self, to: &mut IovIterDest<'_>, block: bool) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        self.0.read_input(to, block)
    }

    fn poll(&self, poller: &Poller) -> u32 {
        poller.wait_on(self.0.circuit.waiters());
        match self.0.input_is_ready() {
            true => Poller::IN,
            false => 0,
        }
    }

    fn release(&self) {
        self.0.discard_input();
    }
}

/// Descriptors 1 and 2: what the caller reads.
pub(crate) struct Output {
    pub(crate) execution: Arc<Execution>,
    pub(crate) op: Op,
}

impl Stream for Output {
    type Owner = Gipc;

    const NAME: &'static CStr = c"[gipc-output]";

    fn write(&self, from: &mut IovIterSource<'_>, block: bool) -> Result<usize> {
        let execution = &self.execution;
        let wake = block.then_some(Wake::Interruptible);
        let written = execution
            .sender
            .write(&execution.circuit, self.op, from, wake);
        if execution.circuit.broken().is_some() && written.is_err() {
            // As a pipe whose reader is gone.
            sys::raise_sigpipe();
            return Err(EPIPE);
        }
        written
    }

    fn poll(&self, poller: &Poller) -> u32 {
        let execution = &self.execution;
        poller.wait_on(execution.circuit.waiters());
        let mut events = 0;
        if execution.sender.writable(&execution.circuit) {
            events |= Poller::OUT;
        }
        if execution.circuit.broken().is_some() {
            events |= Poller::ERR;
        }
        events
    }

    fn release(&self) {
        self.execution.writers.fetch_sub(1, Ordering::AcqRel);
        self.execution.circuit.waiters().wake_all();
    }
}

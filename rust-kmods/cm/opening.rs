// SPDX-License-Identifier: GPL-2.0-only

//! How the active end opens circuits, and how the passive end charges or refuses them.

use kernel::prelude::*;
use kernel::sync::UniqueArc;
use podos_proto::circuit as proto;
use podos_proto::endpoint::{self, Opening};
use podos_proto::tgroup::GroupKind;
use podos_proto::wire::{Class, ResetReason};
use podos_proto::{Gpid, HostId};

use crate::circuit::Circuit;
use crate::node::NODE;
use crate::share::Pool;
use crate::sys;
use crate::sys::trace::{self, TracedCircuit};
use crate::visit::Visit;

impl Circuit {
    /// Opens a circuit to the listener of `class` on `host`; the first message travels with the
    /// open. Returns at once: what becomes of it shows at the first receive.
    ///
    /// # Errors
    ///
    /// Those of [`Circuit::prepare`] and [`Circuit::send`].
    pub fn connect(host: HostId, class: Class, op: u8, parts: &[&[u8]]) -> Result<Self> {
        Self::connect_to(Gpid::new(host, 0, 0), class, op, parts)
    }

    /// As [`Circuit::connect`], to a process: the layer at the other end finds it in
    /// [`Circuit::target`].
    ///
    /// # Errors
    ///
    /// As [`Circuit::connect`].
    pub fn connect_to(to: Gpid, class: Class, op: u8, parts: &[&[u8]]) -> Result<Self> {
        let circuit = Self::prepare(to, class)?;
        circuit.send(op, parts)?;
        Ok(circuit)
    }

    /// A circuit that the first message, whenever it is sent, will open. `to` is a process, or with
    /// process id 0 a node; boot sequence 0 stands for whatever boot the host is in.
    ///
    /// # Errors
    ///
    /// `EHOSTDOWN` if the host is not there, in that boot, or is this one; `EMFILE` if the caller's
    /// user has as many circuits as one may have, `ENFILE` if all users together have, or if the CDT
    /// is full; `ENOMEM`.
    pub fn prepare(to: Gpid, class: Class) -> Result<Self> {
        Self::prepare_in(None, to, class)
    }

    /// As [`Circuit::prepare`], in a transmission group of its own choice (paper, section 3.3).
    ///
    /// # Errors
    ///
    /// As [`Circuit::prepare`].
    pub fn prepare_in(group: Option<GroupKind>, to: Gpid, class: Class) -> Result<Self> {
        let node = NODE.get()?;
        let Opening {
            peer,
            remote,
            open_seq,
            association,
        } = endpoint::open(&mut Visit::of(node), to).ok_or(EHOSTDOWN)?;
        let local = crate::local_gpid();
        let share = node.shares().charge(Pool::Opened, sys::caller_uid())?;
        let room = UniqueArc::new_uninit(GFP_KERNEL)?;
        let inserted = node.table().insert(room, None, peer, share, |index| {
            let config = proto::Config::default();
            let group = node.rails().new_group(group);
            proto::Circuit::open(&config, group, local, remote, class, index, open_seq)
                .with_association(association)
        });
        let entry = inserted.inspect_err(|_| node.shares().tell_full(node))?;
        node.counters.opened();
        trace::circuit_opened(|| TracedCircuit {
            remote,
            index: entry.index(),
            class,
        });
        Ok(Self::new(entry))
    }

    /// Counts the circuit as `uid`'s from now on, in place of whose it was. A circuit is its opener's
    /// at the active end; at the passive one it is nobody's until a layer has seen for whom the other
    /// node asks, and calls this. Context: any.
    ///
    /// # Errors
    ///
    /// `EMFILE` if the user has as many circuits as one may have, `ENFILE` if all users together have;
    /// the circuit stays whose it was.
    pub fn charge(&self, uid: u32) -> Result {
        self.entry().charge(NODE.get()?, uid)
    }

    /// As [`Circuit::charge`], for the user of the current task: for circuits that a layer keeps and
    /// uses for several users, one after the other.
    ///
    /// # Errors
    ///
    /// As [`Circuit::charge`].
    pub fn charge_caller(&self) -> Result {
        self.charge(sys::caller_uid())
    }

    /// At the passive end: the process that the opener named, or this node (process id 0) if it
    /// named none.
    pub fn target(&self) -> Gpid {
        self.entry().peek(|c| c.local())
    }

    /// At the passive end: breaks the circuit with `ECONNREFUSED` at the opener, because nobody
    /// takes it. Context: any.
    pub fn refuse(self) {
        if let Ok(node) = NODE.get() {
            self.entry().abort_because(node, ResetReason::Refused);
        }
    }
}

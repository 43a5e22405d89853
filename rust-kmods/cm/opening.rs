// SPDX-License-Identifier: GPL-2.0-only

//! How circuits come to be at their active end, and how the passive end gets rid of them.

use kernel::prelude::*;
use kernel::sync::UniqueArc;
use podos_proto::circuit as proto;
use podos_proto::tgroup::GroupKind;
use podos_proto::wire::{Class, ResetReason};
use podos_proto::Gpid;

use crate::circuit::Circuit;
use crate::node::NODE;
use crate::sys::trace::{self, TracedCircuit};

impl Circuit {
    /// Opens a circuit to the listener of `class` on `host`; the first message travels with the
    /// open. Returns at once: what becomes of it shows at the first receive.
    ///
    /// # Errors
    ///
    /// Those of [`Circuit::prepare`] and [`Circuit::send`].
    pub fn connect(host: u32, class: Class, op: u8, parts: &[&[u8]]) -> Result<Self> {
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
    /// `EHOSTDOWN` if the host is not there, in that boot, or is this one; `ENOSPC` if the CDT is
    /// full; `ENOMEM`.
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
        let opening = node.peers().begin_open(to.host(), node.incarnation());
        let (peer, open_seq, association) = opening.ok_or(EHOSTDOWN)?;
        if to.boot() != 0 && !to.same_node(peer) {
            return Err(EHOSTDOWN);
        }
        let remote = Gpid::new(peer.host(), peer.boot(), to.pid());
        let local = crate::local_gpid();
        let room = UniqueArc::new_uninit(GFP_KERNEL)?;
        let entry = node.table().insert(room, None, peer, |index| {
            let config = proto::Config::default();
            let group = node.rails().new_group(group);
            proto::Circuit::open(&config, group, local, remote, class, index, open_seq)
                .with_association(association)
        })?;
        node.counters.opened();
        trace::circuit_opened(|| TracedCircuit {
            remote,
            index: entry.index(),
            class,
        });
        Ok(Self::new(entry))
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

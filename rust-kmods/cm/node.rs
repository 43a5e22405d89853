// SPDX-License-Identifier: GPL-2.0-only

//! This node: what the communication manager knows and the ways between its parts.
//!
//! Locks, each of which is held for a few steps only and none of which is held while a frame is
//! handed to a device or a callback runs: table, circuit, peers, rails, group. Of these a circuit's
//! is the only one under which another one (none of this list) could be taken; see
//! docs/architecture.md.

use kernel::prelude::*;
use kernel::sync::Arc;
use kernel::time::{self, Monotonic};
use podos_proto::gpid::Gpid;
use podos_proto::peer::{self, OpenVerdict};
use podos_proto::tgroup::RailSet;
use podos_proto::time::Instant;
use podos_proto::wire::{Class, Flags, Header, Kind};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::ephemeral::Handlers;
use crate::listener::Listeners;
use crate::peers::Peers;
use crate::rails::Rails;
use crate::sys::{Global, NetDevice, NetDeviceEvent, NetDeviceObserver, SkBuff};
use crate::table::Table;
use crate::transmit::{self, BROADCAST_MAC};

/// The node, while the module is loaded.
pub(crate) static NODE: Global<Node> = Global::new();

/// See the module.
#[pin_data]
pub(crate) struct Node {
    gpid: Gpid,
    epoch: time::Instant<Monotonic>,
    pub(crate) counters: Counters,
    #[pin]
    table: Table,
    #[pin]
    peers: Peers,
    #[pin]
    rails: Rails,
    #[pin]
    listeners: Listeners,
    #[pin]
    handlers: Handlers,
    #[pin]
    clock: Clock,
}

impl Node {
    /// A node of the given name with a CDT of `entries` entries.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(gpid: Gpid, entries: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            gpid,
            epoch: time::Instant::now(),
            counters: Counters::default(),
            table <- Table::new(entries),
            peers <- Peers::new(),
            rails <- Rails::new(),
            listeners <- Listeners::new(),
            handlers <- Handlers::new(),
            clock <- Clock::new(),
        })
    }

    /// Host id and boot sequence of this node; process id 0.
    pub(crate) fn gpid(&self) -> Gpid {
        self.gpid
    }

    /// The protocol's time.
    pub(crate) fn now(&self) -> Instant {
        let since = time::Instant::<Monotonic>::now() - self.epoch;
        Instant::from_nanos(since.as_nanos().unsigned_abs())
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    pub(crate) fn rails(&self) -> &Rails {
        &self.rails
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    pub(crate) fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The rails on which a host can be reached now.
    pub(crate) fn rails_to(&self, host: u32) -> RailSet {
        self.rails.usable().intersection(&self.peers.rails(host))
    }

    /// Sends a frame to a host on a rail; it is dropped if one of them is gone.
    pub(crate) fn transmit_to(&self, host: u32, rail: usize, frame: SkBuff) {
        if let (Some(mac), Some(dev)) = (self.peers.mac(host, rail), self.rails.device(rail)) {
            self.counters.sent(rail, frame.data().len());
            transmit::send(frame, &dev, mac);
        }
    }

    /// Sends a packet to all nodes on one rail.
    pub(crate) fn broadcast_on(&self, rail: usize, header: &Header, data: &[u8]) -> Result {
        let dev = self.rails.device(rail).ok_or(ENETDOWN)?;
        let frame = transmit::frame(header, Some(data))?;
        self.counters.sent(rail, frame.data().len());
        transmit::send(frame, &dev, BROADCAST_MAC);
        Ok(())
    }

    /// Tells the other end of a circuit that this one has none.
    pub(crate) fn refuse(&self, header: &Header, rail: usize, reason: podos_proto::circuit::ResetReason) {
        let reset = Header::reset_reply(header, self.gpid, reason);
        if let Ok(frame) = transmit::frame(&reset, None) {
            self.transmit_to(header.from.host(), rail, frame);
        }
    }
}

impl NetDeviceObserver for Node {
    fn notify(&self, event: NetDeviceEvent, dev: NetDevice) {
        self.rails.update(event, dev);
    }
}

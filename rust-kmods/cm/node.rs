// SPDX-License-Identifier: GPL-2.0-only

//! This node: what the communication manager knows, and how its parts reach each other.
//!
//! None of its locks is held while a frame is handed to a device or a callback runs. Each is taken
//! alone, but for peers and devices under a circuit's, and table and peers under `opening`; see
//! docs/architecture.md.

use core::sync::atomic::{AtomicU32, Ordering};
use kernel::prelude::*;
use kernel::sync::{Mutex, SpinLockIrq};
use kernel::{new_mutex, new_spinlock_irq};
use podos_proto::endpoint::{self, Identity};
use podos_proto::kept::KeptLimit;
use podos_proto::tgroup::{RailId, RailSet};
use podos_proto::time::Instant;
use podos_proto::wire::ResetReason;
use podos_proto::{Gpid, HostId};
use podos_sys::{Global, Memory};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::ephemeral::Handlers;
use crate::group::Groups;
use crate::listener::Listeners;
use crate::peers::Peers;
use crate::rails::Rails;
use crate::sessions::{self, Sessions};
use crate::share::Shares;
use crate::sys::{
    self, FragmentPages, NetDevice, NetDeviceEvent, NetDeviceObserver, Rtnl, SkBuff, VmForkObserver,
};
use crate::table::Table;
use crate::transmit;
use crate::visit::Visit;

/// The node, while the module is loaded.
pub(crate) static NODE: Global<Node> = Global::new();

/// See the module.
#[pin_data]
pub(crate) struct Node {
    gpid: Gpid,
    incarnation: AtomicU32,
    identity: Identity,
    /// Held while the node begins anew because its machine was copied.
    #[pin]
    forking: Mutex<()>,
    pub(crate) counters: Counters,
    /// Held while an OPEN is looked up, judged and entered, so that a copy of it that comes on
    /// another rail finds either no trace of the circuit or all of it.
    #[pin]
    opening: SpinLockIrq<()>,
    #[pin]
    table: Table,
    #[pin]
    shares: Shares,
    #[pin]
    peers: Peers,
    #[pin]
    sessions: Sessions,
    #[pin]
    rails: Rails,
    #[pin]
    listeners: Listeners,
    #[pin]
    handlers: Handlers,
    #[pin]
    groups: Groups,
    #[pin]
    clock: Clock,
    fragments: FragmentPages,
    kept_limit: KeptLimit,
}

impl Node {
    /// A node of the given name with a CDT of `entries` entries.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(gpid: Gpid, entries: usize) -> impl PinInit<Self, Error> {
        // Random, so that no start of a boot whose number comes back is taken for another.
        let first = u32::from_ne_bytes(sys::random_bytes()).max(1);
        try_pin_init!(Self {
            gpid,
            incarnation: AtomicU32::new(first),
            identity: Identity::new(),
            forking <- new_mutex!((), "podos_forking"),
            counters: Counters::default(),
            opening <- new_spinlock_irq!((), "podos_opening"),
            table <- Table::new(entries),
            shares <- Shares::new(entries),
            peers <- Peers::new(),
            sessions <- Sessions::new(*gpid, first),
            rails <- Rails::new(),
            listeners <- Listeners::new(),
            handlers <- Handlers::new(),
            groups <- Groups::new(),
            clock <- Clock::new(),
            fragments: FragmentPages::new()?,
            kept_limit: KeptLimit::of_memory(Memory::now().total),
        })
    }

    /// Host id and boot sequence of this node; process id 0.
    pub(crate) fn gpid(&self) -> Gpid {
        self.gpid
    }

    /// Which start of CM within this boot this is; never 0.
    pub(crate) fn incarnation(&self) -> u32 {
        self.incarnation.load(Ordering::Acquire)
    }

    /// Whether this node is the only one of its name.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How much received data circuits keep.
    pub(crate) fn kept_limit(&self) -> KeptLimit {
        self.kept_limit
    }

    /// Taken for the handling of an OPEN.
    pub(crate) fn opening(&self) -> &SpinLockIrq<()> {
        &self.opening
    }

    /// The protocol's time.
    pub(crate) fn now(&self) -> Instant {
        Instant::from_nanos(sys::monotonic_ns())
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) fn shares(&self) -> &Shares {
        &self.shares
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
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

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Memory for what is sent.
    pub(crate) fn fragments(&self) -> &FragmentPages {
        &self.fragments
    }

    /// The rails on which a host can be reached now.
    pub(crate) fn rails_to(&self, host: HostId) -> RailSet {
        self.rails.usable().and(self.peers.rails(host))
    }

    /// Sends a circuit's plain frame to a host on a rail, protected as the mode asks for. It is dropped
    /// if the rail or the session with the host is gone, or if there is no memory: as any frame can be.
    pub(crate) fn transmit_to(&self, host: HostId, rail: RailId, frame: SkBuff) {
        let frame = match endpoint::protection(&mut Visit::of(self), host) {
            None => return,
            Some(None) => Ok(frame),
            Some(Some(seal)) => sessions::seal_frame(&frame, &seal),
        };
        if let Ok(frame) = frame {
            self.transmit_at(rail, frame);
        }
    }

    /// Sends a frame on a rail, as it is.
    pub(crate) fn transmit_at(&self, rail: RailId, frame: SkBuff) {
        self.rails.with_device(rail, |dev| {
            self.counters.sent(rail, frame.len());
            transmit::send(frame, dev, rail);
        });
    }

    /// Has the circuits' timers do nothing more. For the end of the module, when nobody else drives
    /// circuits. Context: process.
    pub(crate) fn stop_timers(&self) {
        self.table.for_each(|entry| entry.stop());
    }

    /// Breaks all circuits with a host, at this end.
    pub(crate) fn reset_circuits(&self, host: HostId, reason: ResetReason) {
        self.table.for_each(|entry| {
            if entry.peer().host() == host {
                entry.fail(self, reason);
            }
        });
    }
}

impl Node {
    /// Begins anew, if this machine goes on from a snapshot and that is not done yet: other copies of
    /// it may have said other things under the same keys, and what the other nodes know of this one
    /// need not be what it remembers. Context: process.
    pub(crate) fn follow_generation(&self) {
        if self.sessions.is_outdated() {
            let _forking = self.forking.lock();
            if self.sessions.is_outdated() {
                self.fork();
            }
        }
    }

    /// Begins anew, as another start of CM.
    fn fork(&self) {
        pr_warn!("this machine goes on from a snapshot: all circuits are gone, and keys are new\n");
        let incarnation = self.sessions.fork(self.now());
        self.incarnation.store(incarnation, Ordering::Release);
        endpoint::expel_all(&mut Visit::of(self));
        self.clock.not_later_than(self.now());
    }
}

impl VmForkObserver for Node {
    fn forked(&self) {
        if self.sessions.knows_generation() {
            return self.follow_generation();
        }
        let _forking = self.forking.lock();
        self.fork();
    }
}

impl NetDeviceObserver for Node {
    fn notify(&self, event: NetDeviceEvent, dev: NetDevice, rtnl: &Rtnl) {
        self.rails.update(event, dev, rtnl);
        self.peers.reroute(self);
    }
}

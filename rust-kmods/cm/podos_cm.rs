// SPDX-License-Identifier: GPL-2.0-only

//! PODOS Communication Manager (paper, section 3).
//!
//! Carries the messages of the layers above over raw Ethernet frames on up to eight rails: virtual
//! circuits, which are ordered and lose nothing, and ephemeral broadcasts. The protocol itself is
//! the crate `podos_proto`; here are its sockets, clocks and locks.

mod backlog;
mod busy_poll;
mod callback;
mod circuit;
mod clock;
mod content;
mod counters;
mod entry;
mod environment;
mod ephemeral;
#[cfg(CONFIG_FAULT_INJECTION)]
mod faults;
mod group;
mod listener;
mod mac;
mod node;
mod nonblocking;
mod opening;
mod outgoing;
mod peers;
mod rails;
mod receive;
mod report;
mod route;
mod sessions;
mod share;
mod sys;
mod table;
mod transmit;
mod visit;

use kernel::prelude::*;
use kernel::sync::Arc;
use podos_proto::tgroup::PerRail;
use podos_proto::wire::ETHERTYPE;
use podos_proto::{Gpid, HostId};
use podos_sys::{GlobalGuard, KThread};

pub use backlog::Backlog;
pub use callback::{Handled, Handler};
pub use circuit::{Circuit, MAX_MESSAGE};
pub use content::{Content, Incoming};
pub use ephemeral::{
    broadcast, on_ephemeral, send_ephemeral, EphemeralHandler, EphemeralRegistration,
};
pub use group::{Group, Reply, MAX_MEMBERS};
pub use listener::{listen, listen_with, ArrivalHandler, Listener};
pub use outgoing::Outgoing;
pub use peers::{on_peer, peer, peer_up, PeerHandler, PeerRegistration};
pub use report::sysfs_root;
pub use share::Share;

use node::{Node, NODE};
use sys::{DeviceChain, Notifier, PacketType, VmForkChain};

module! {
    type: Cm,
    name: "podos_cm",
    authors: ["The PODOS Project"],
    description: "PODOS Communication Manager",
    license: "GPL",
    params: {
        cdt_entries: u32 {
            default: 4096,
            description: "Circuits that this node can have, 1 to 65535",
        },
        reveal_keys: u32 {
            default: 0,
            description: "1 shows root the session keys in debugfs, to look into captured frames",
        },
        spin_us: u32 {
            default: 0,
            description: "Microseconds that a receiver whose answers come fast may look for one before it sleeps",
        },
    },
}

/// Where frames go when they come in.
#[cfg(not(CONFIG_FAULT_INJECTION))]
type Receiver = Node;
#[cfg(CONFIG_FAULT_INJECTION)]
type Receiver = faults::Faulty;

/// The module. The fields are dropped in this order: first no more frames and time, then the files
/// by which rails are changed, then the rails, then the state.
struct Cm {
    _frames: Pin<KBox<PacketType<Receiver>>>,
    #[cfg(CONFIG_FAULT_INJECTION)]
    _faults: faults::Faults,
    _vm_fork: Pin<KBox<Notifier<VmForkChain<Node>>>>,
    _clock: KThread,
    _timers: Timers,
    _sent: Sent,
    _report: report::Report,
    _rails: Pin<KBox<Notifier<DeviceChain<Node>>>>,
    _node: GlobalGuard<Node>,
}

impl kernel::Module for Cm {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let gpid = sys::node_gpid();
        if gpid.host() == HostId::NONE {
            pr_err!(
                "this node has no name yet: write HOST and BOOT to /proc/sys/kernel/gpid_node\n"
            );
            return Err(ENXIO);
        }
        let entries = module_parameters::cdt_entries.value();
        let Some(entries @ 1..=65535) = usize::try_from(entries).ok() else {
            pr_err!("cdt_entries={entries}: takes 1 to 65535\n");
            return Err(EINVAL);
        };
        let node = Arc::pin_init(Node::new(gpid, entries), GFP_KERNEL)?;
        let guard = NODE.set(node.clone())?;
        let report = report::Report::new(module_parameters::reveal_keys.value() != 0)?;
        let rails = KBox::pin_init(Notifier::register(DeviceChain(node.clone())), GFP_KERNEL)?;
        let clock = KThread::spawn(c"podos_clock", clock::run)?;
        let vm_fork = KBox::pin_init(Notifier::register(VmForkChain(node.clone())), GFP_KERNEL)?;
        #[cfg(CONFIG_FAULT_INJECTION)]
        let (faults, node) = faults::before(node)?;
        let frames = KBox::pin_init(PacketType::register(ETHERTYPE, node), GFP_KERNEL)?;
        pr_info!(
            "node {} boot {}, {entries} CDT entries\n",
            gpid.host().raw(),
            gpid.boot()
        );
        Ok(Self {
            _frames: frames,
            #[cfg(CONFIG_FAULT_INJECTION)]
            _faults: faults,
            _vm_fork: vm_fork,
            _clock: clock,
            _timers: Timers,
            _sent: Sent,
            _report: report,
            _rails: rails,
            _node: guard,
        })
    }
}

/// Stops the circuits' timers when it is dropped.
struct Timers;

impl Drop for Timers {
    fn drop(&mut self) {
        if let Ok(node) = NODE.get() {
            node.stop_timers();
            // A circuit that has left the table may still be in its timer's function, a softirq's.
            sys::synchronize_net();
        }
    }
}

/// Waits, when it is dropped, until no frame is with a device that would call the module.
struct Sent;

impl Drop for Sent {
    fn drop(&mut self) {
        sys::wait_until_sent();
    }
}

/// How long a receiver looks for an answer before it sleeps, at most.
fn spin_limit_ns() -> u32 {
    module_parameters::spin_us.value().saturating_mul(1000)
}

/// The GPID of the current task.
pub fn local_gpid() -> Gpid {
    sys::current_gpid()
}

/// Host id and boot sequence of this node; process id 0.
///
/// # Errors
///
/// `ENXIO` while the module is not up.
pub fn local_node() -> Result<Gpid> {
    Ok(NODE.get()?.gpid())
}

/// Hardware addresses of this node's rails, by rail.
pub fn interfaces() -> PerRail<Option<[u8; 6]>> {
    match NODE.get() {
        Ok(node) => node.rails().addresses(),
        Err(_) => PerRail::default(),
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! PODOS Resource Manager (paper, section 6).
//!
//! Every node broadcasts its state twice a second; each keeps what it hears in the System State
//! Table and shows it in `/sys/kernel/podos/sst`. Who is alive it learns from the Communication
//! Manager, which hears the nodes on all rails; a state may be older than that news.

mod beacon;
mod herald;
mod report;
mod state;
mod sys;

use kernel::prelude::*;
use kernel::sync::Arc;
use podos_cm::{EphemeralRegistration, PeerRegistration};
use podos_proto::wire::Class;
use podos_proto::HostId;
use podos_sys::{Global, GlobalGuard, KThread};

use herald::Herald;
use state::State;

module! {
    type: Rm,
    name: "podos_rm",
    authors: ["The PODOS Project"],
    description: "PODOS Resource Manager",
    license: "GPL",
}

static STATE: Global<State> = Global::new();

/// The module. The fields are dropped in this order: first what brings news, then who tells them.
struct Rm {
    _peers: PeerRegistration,
    _beacons: EphemeralRegistration,
    _herald: KThread,
    _state: GlobalGuard<State>,
}

impl kernel::Module for Rm {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let state = Arc::pin_init(State::new(podos_cm::local_node()?)?, GFP_KERNEL)?;
        let guard = STATE.set(state.clone())?;

        let herald = Herald::new(state.clone())?;
        let herald = KThread::spawn(c"podos_rm", move |stop| herald.run(stop))?;

        let heard = state.clone();
        let heard = move |from, op, body: &[u8]| heard.hear(from, op, body);
        let beacons = podos_cm::on_ephemeral(Class::Rm, KBox::new(heard, GFP_KERNEL)?)?;

        let changed = move |host, up| state.met(host, up);
        let peers = podos_cm::on_peer(KBox::new(changed, GFP_KERNEL)?)?;
        Ok(Self {
            _peers: peers,
            _beacons: beacons,
            _herald: herald,
            _state: guard,
        })
    }
}

/// Whether `host` is a node of the cluster and alive: this one, or one that the communication manager
/// hears on any rail.
///
/// May be called from any context.
pub fn is_alive(host: HostId) -> bool {
    STATE.get().is_ok_and(|state| state.is_alive(host))
}

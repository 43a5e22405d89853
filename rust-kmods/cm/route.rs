// SPDX-License-Identifier: GPL-2.0-only

//! The ways to a peer, as a circuit keeps them.

use podos_proto::endpoint::Mac;
use podos_proto::tgroup::{PerRail, RailSet, RailView, MAX_RAILS};
use podos_proto::HostId;

use crate::node::Node;

/// Rails and addresses, found anew when anything of them changes.
pub(crate) struct Route {
    /// What they were found from; `None` before the first time.
    from: Option<Origin>,
    view: RailView,
    addresses: PerRail<Mac>,
}

/// What decides about the ways to all peers.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Origin {
    /// The table of peers, by its version.
    peers: u32,
    /// This node's rails, by their version.
    rails: u32,
    /// Those of them that can send.
    usable: RailSet,
    keyed: bool,
}

impl Route {
    pub(crate) const fn new() -> Self {
        Self {
            from: None,
            view: RailView::EMPTY,
            addresses: PerRail::new([[0; 6]; MAX_RAILS]),
        }
    }

    /// Brings it up to date. Context: any.
    pub(crate) fn follow(&mut self, node: &Node, host: HostId) {
        // They are looked at before what they stand for is.
        let mut origin = Origin {
            peers: node.peers().version(),
            rails: node.rails().version(),
            usable: node.rails().usable(),
            keyed: node.sessions().is_keyed(),
        };
        if self.from == Some(origin) {
            return;
        }
        let local = node.rails().local();
        // A rail may have come or gone since the look above.
        let can_send = local.iter().filter(|(_, rail)| rail.is_some());
        origin.usable = can_send.map(|(rail, _)| rail).collect();
        self.view = RailView::EMPTY;
        node.peers().work(|peers| {
            peers.add_rails(host, origin.keyed, &local, &mut self.view);
            self.addresses = PerRail::from_fn(|rail| peers.address(host, rail).unwrap_or_default());
        });
        self.from = Some(origin);
    }

    /// Has the next [`Route::follow`] find all anew: what is queued, and round trips, have no version.
    pub(crate) fn forget(&mut self) {
        self.from = None;
    }

    /// The rails.
    pub(crate) fn view(&self) -> &RailView {
        &self.view
    }

    /// The peer's addresses on the rails of the view.
    pub(crate) fn addresses(&self) -> &PerRail<Mac> {
        &self.addresses
    }
}

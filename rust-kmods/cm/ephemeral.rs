// SPDX-License-Identifier: GPL-2.0-only

//! Ephemeral packets: one frame to everybody, no answer (paper, section 3.2.2).

use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_proto::endpoint::{self, Mac, BROADCAST};
use podos_proto::gpid::Gpid;
use podos_proto::tgroup::RailId;
use podos_proto::wire::{Class, Header, Kind, USUAL_DATA};

use crate::node::{Node, NODE};
use crate::sys;
use crate::visit::Visit;

/// What a layer does with an ephemeral packet: sender, op, data. Runs in softirq: must not sleep.
pub type EphemeralHandler = KBox<dyn Fn(Gpid, u8, &[u8]) + Send + Sync>;

/// The handlers of a node, by class.
#[pin_data]
pub(crate) struct Handlers {
    #[pin]
    by_class: SpinLockIrq<[Option<Arc<EphemeralHandler>>; Class::COUNT]>,
}

impl Handlers {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            by_class <- new_spinlock_irq!([const { None }; Class::COUNT], "podos_handlers"),
        })
    }

    /// Hands a packet to its layer, if that is there. Context: softirq.
    pub(crate) fn deliver(&self, header: &Header, data: &[u8]) {
        let handler = self.by_class.lock()[header.class as usize].clone();
        if let Some(handler) = handler {
            handler(header.from, header.op, data);
        }
    }
}

/// Keeps a handler registered; dropping it waits until the handler runs no more.
pub struct EphemeralRegistration {
    class: Class,
}

/// Has `handler` take all ephemeral packets of `class`.
///
/// # Errors
///
/// `EBUSY` if somebody does already, `ENOMEM`.
pub fn on_ephemeral(class: Class, handler: EphemeralHandler) -> Result<EphemeralRegistration> {
    let handler = Arc::new(handler, GFP_KERNEL)?;
    let mut by_class = NODE.get()?.handlers().by_class.lock();
    let place = &mut by_class[class as usize];
    if place.is_some() {
        return Err(EBUSY);
    }
    *place = Some(handler);
    Ok(EphemeralRegistration { class })
}

impl Drop for EphemeralRegistration {
    fn drop(&mut self) {
        let Ok(node) = NODE.get() else {
            return;
        };
        let removed = node.handlers().by_class.lock()[self.class as usize].take();
        // Frames are received inside an RCU read section.
        sys::synchronize_net();
        drop(removed);
    }
}

/// Sends one ephemeral packet to all nodes, on the rail whose turn it is.
///
/// # Errors
///
/// `EMSGSIZE` if `body` has more than [`USUAL_DATA`] bytes, `ENETDOWN` if no rail works, `ENOKEY` if
/// this node has no mode or no key yet.
pub fn broadcast(class: Class, op: u8, body: &[u8]) -> Result {
    let node = NODE.get()?;
    let header = header(node, Gpid::EVERYBODY, class, op, body)?;
    let rail = node.rails().elect(&node.rails().usable()).ok_or(ENETDOWN)?;
    announce(node, rail, BROADCAST, &header, body)
}

/// Sends one ephemeral packet to the node of `to`, on the rail whose turn it is. Whether it arrives
/// is not known.
///
/// # Errors
///
/// `EHOSTDOWN` if the host is not heard, `EMSGSIZE`, `ENOKEY`.
pub fn send_ephemeral(to: Gpid, class: Class, op: u8, body: &[u8]) -> Result {
    let node = NODE.get()?;
    let peer = node.peers().node(to.host()).ok_or(EHOSTDOWN)?;
    if to.boot() != 0 && !to.same_node(peer) {
        return Err(EHOSTDOWN);
    }
    let to = Gpid::new(peer.host(), peer.boot(), to.pid());
    let header = header(node, to, class, op, body)?;
    let rails = node.rails_to(to.host());
    let rail = node.rails().elect(&rails).ok_or(EHOSTDOWN)?;
    let address = node.peers().work(|peers| peers.address(to.host(), rail));
    announce(node, rail, address.ok_or(EHOSTDOWN)?, &header, body)
}

fn announce(node: &Node, rail: RailId, to: Mac, header: &Header, body: &[u8]) -> Result {
    match endpoint::announce(&mut Visit::of(node), rail, to, header, body) {
        true => Ok(()),
        false => Err(ENOKEY),
    }
}

fn header(node: &Node, to: Gpid, class: Class, op: u8, body: &[u8]) -> Result<Header> {
    if body.len() > USUAL_DATA {
        return Err(EMSGSIZE);
    }
    let mut header = Header::new(Kind::Ephemeral, class, node.gpid(), to);
    header.op = op;
    header.len = body.len() as u16;
    Ok(header)
}

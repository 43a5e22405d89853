// SPDX-License-Identifier: GPL-2.0-only

//! Rails and peers as tables, and the choice of the transmission group.

use core::fmt::{self, Write};
use core::str;
use kernel::prelude::*;
use podos_proto::peer::Peer;
use podos_proto::tgroup::{GroupKind, RailId};
use podos_proto::HostId;
use podos_sys::Attribute;

use crate::mac::MacAddress;
use crate::node::{Node, NODE};
use crate::sys::{self, NetDevice};

fn up_or_down(up: bool) -> &'static str {
    match up {
        true => "up",
        false => "down",
    }
}

/// How a rail to a peer is: `deaf` if the peer is heard there, and says that it does not hear this node.
fn state_of(peer: &Peer, number: RailId) -> &'static str {
    match (peer.heard().contains(number), peer.rails().contains(number)) {
        (true, false) => "deaf",
        (_, up) => up_or_down(up),
    }
}

/// This node's rails, one a line.
pub(super) fn show_rails(node: &Node, f: &mut dyn Write) -> fmt::Result {
    writeln!(
        f,
        "rail device mac mtu state sent_frames sent_bytes received_frames received_bytes \
         queued_bytes"
    )?;
    for (rail, traffic) in node.counters.rails.iter() {
        let Some(device) = node.rails().with_device(rail, NetDevice::clone) else {
            continue;
        };
        writeln!(
            f,
            "{rail} {} {} {} {} {} {} {} {} {}",
            // The kernel lets names have any bytes but blanks and slashes.
            str::from_utf8(device.name()).unwrap_or("?"),
            MacAddress(device.mac()),
            device.mtu(),
            up_or_down(device.is_running()),
            traffic.sent_frames.get(),
            traffic.sent_bytes.get(),
            traffic.received_frames.get(),
            traffic.received_bytes.get(),
            sys::queued_bytes(rail),
        )?;
    }
    Ok(())
}

/// The rails of the other nodes, one a line; a node that is not up has none.
pub(super) fn show_peers(node: &Node, f: &mut dyn Write) -> fmt::Result {
    writeln!(f, "host boot rail mac mtu state heard_ms srtt_us")?;
    let now = node.now();
    let mut from = Some(HostId::NONE);
    while let Some(peer) = from.and_then(|from| node.peers().next_known(from)) {
        let gpid = peer.node();
        from = gpid.host().next();
        for number in RailId::ALL {
            let rail = peer.rail(number);
            // One that was never heard has no address.
            if rail.mac == [0; 6] {
                continue;
            }
            let silent = now.saturating_duration_since(rail.last_heard);
            write!(
                f,
                "{} {} {number} {} {} {} {} ",
                gpid.host(),
                gpid.boot(),
                MacAddress(rail.mac),
                rail.mtu,
                state_of(&peer, number),
                silent.as_secs() * 1000 + u64::from(silent.subsec_millis()),
            )?;
            match rail.rtt_us {
                0 => writeln!(f, "-")?,
                micros => writeln!(f, "{micros}")?,
            }
        }
    }
    Ok(())
}

/// Another machine that has this node's host id, if there is one.
pub(super) fn show_namesake(node: &Node, f: &mut dyn Write) -> fmt::Result {
    writeln!(f, "mac state heard_ms")?;
    let Some(other) = node.identity().namesake() else {
        return Ok(());
    };
    let silent = node.now().saturating_duration_since(other.heard);
    let state = match node.identity().has_yielded() {
        true => "yielded",
        false => "kept",
    };
    let millis = silent.as_secs() * 1000 + u64::from(silent.subsec_millis());
    writeln!(f, "{} {state} {millis}", MacAddress(other.mac))
}

/// `group`: the transmission group of circuits whose opener names none.
pub(super) struct DefaultGroup;

impl Attribute for DefaultGroup {
    const WRITABLE: bool = true;

    fn show(&self, text: &mut dyn Write) -> Result {
        Ok(writeln!(
            text,
            "{}",
            NODE.get()?.rails().default_group().name()
        )?)
    }

    fn store(&self, text: &[u8]) -> Result {
        let name = str::from_utf8(text).map_err(|_| EINVAL)?;
        let kind = GroupKind::from_name(name.trim()).ok_or(EINVAL)?;
        NODE.get()?.rails().set_default_group(kind);
        Ok(())
    }
}

/// `rail_devices`: which device each rail is to be, a line each; to be written alike.
pub(super) struct RailDevices;

impl Attribute for RailDevices {
    const WRITABLE: bool = true;

    fn show(&self, text: &mut dyn Write) -> Result {
        for (rail, rule) in NODE.get()?.rails().rules().iter() {
            writeln!(text, "{rail} {rule}")?;
        }
        Ok(())
    }

    fn store(&self, text: &[u8]) -> Result {
        let node = NODE.get()?;
        let changed = node.rails().set_rules(text);
        node.peers().reroute(node);
        changed
    }
}

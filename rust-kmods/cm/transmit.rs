// SPDX-License-Identifier: GPL-2.0-only

//! From a header and data to a frame on a rail.

use kernel::prelude::*;
use podos_proto::wire::{Header, HEADER_LEN};

use crate::sys::{Context, NetDevice, SkBuff};

/// Length of an Ethernet header.
pub(crate) const ETHERNET_LEN: usize = 14;
/// The address of all stations.
pub(crate) const BROADCAST_MAC: [u8; 6] = [0xff; 6];
/// Free bytes before the Ethernet header: what virtual and real Ethernet drivers ask for.
const HEADROOM: usize = 64;

/// Builds a frame; its Ethernet addresses are written by [`address`].
///
/// Context: any.
pub(crate) fn frame(header: &Header, data: Option<&[u8]>) -> Result<SkBuff> {
    let data = data.unwrap_or_default();
    let len = ETHERNET_LEN + HEADER_LEN + data.len();
    SkBuff::filled(HEADROOM, len, Context::Atomic, |frame| {
        let (_, packet) = frame.split_at_mut(ETHERNET_LEN);
        let (head, body) = packet.split_first_chunk_mut().ok_or(EINVAL)?;
        header.write(head);
        body.copy_from_slice(data);
        Ok(())
    })
}

/// Writes the Ethernet header of a frame from [`frame`] and sends it.
pub(crate) fn send(mut frame: SkBuff, dev: &NetDevice, destination: [u8; 6]) {
    let ethertype = podos_proto::wire::ETHERTYPE;
    frame.set_ethernet_header(destination, dev.mac(), ethertype);
    frame.transmit(dev, ethertype);
}

// SPDX-License-Identifier: GPL-2.0-only

//! From a header and data to a frame on a rail.

use kernel::prelude::*;
use podos_proto::endpoint::Mac;
use podos_proto::tgroup::RailId;
use podos_proto::wire::{Header, ETHERTYPE, HEADER_LEN};

use crate::sys::{NetDevice, SegmentData, SkBuff, ETHERNET_LEN};

/// Free bytes before the Ethernet header: what virtual and real Ethernet drivers ask for.
const HEADROOM: usize = 64;
/// Up to so many bytes of data are copied into the frame: a second piece of memory costs a device
/// more than that.
const COPIED: usize = 256;

/// Builds a plain frame for a station, which is not authenticated. Of `data` it takes the piece that
/// the header names; more than a few bytes are not copied. Context: any.
///
/// # Errors
///
/// `ENOMEM`; `EINVAL` if the header names more than there is.
pub(crate) fn frame(to: Mac, header: &Header, data: Option<&SegmentData>) -> Result<SkBuff> {
    if header.len == 0 {
        return plain_frame(to, header, &[]);
    }
    let (start, len) = (usize::from(header.offset), usize::from(header.len));
    let piece = data.and_then(|data| data.piece(start, len)).ok_or(EINVAL)?;
    if len <= COPIED {
        return plain_frame(to, header, piece.bytes());
    }
    let mut frame = SkBuff::filled(HEADROOM, ETHERNET_LEN + HEADER_LEN, |frame| {
        write_start(to, header, frame).map(drop)
    })?;
    frame.add_fragment(piece)?;
    Ok(frame)
}

/// As [`frame`], with all of `data`, which are copied.
///
/// # Errors
///
/// `ENOMEM`; `EINVAL` if the header names more or less than there is.
pub(crate) fn plain_frame(to: Mac, header: &Header, data: &[u8]) -> Result<SkBuff> {
    linear_frame(to, header, |packet| {
        let place = packet.get_mut(header.data_range()).ok_or(EINVAL)?;
        if place.len() != data.len() {
            return Err(EINVAL);
        }
        place.copy_from_slice(data);
        Ok(())
    })
}

/// Builds a frame in one piece of memory. Header and counter are written; `fill` writes data and
/// tag into what it is given, the whole of the packet behind the Ethernet header, and must leave
/// none of it as it was. Context: any.
///
/// # Errors
///
/// `ENOMEM`, and what `fill` gives.
pub(crate) fn linear_frame(
    to: Mac,
    header: &Header,
    fill: impl FnOnce(&mut [u8]) -> Result,
) -> Result<SkBuff> {
    let len = ETHERNET_LEN + header.frame_len();
    SkBuff::filled(HEADROOM, len, |frame| fill(write_start(to, header, frame)?))
}

/// Writes all that goes before the data; gives the packet, from the header on. Which station sends it
/// is the device's to say.
fn write_start<'a>(to: Mac, header: &Header, frame: &'a mut [u8]) -> Result<&'a mut [u8]> {
    let (ethernet, packet) = frame.split_at_mut_checked(ETHERNET_LEN).ok_or(EINVAL)?;
    let (destination, rest) = ethernet.split_first_chunk_mut().ok_or(EINVAL)?;
    *destination = to;
    rest.fill(0);
    let (head, rest) = packet.split_first_chunk_mut().ok_or(EINVAL)?;
    header.write(head);
    if let Some(counter) = header.counter_bytes() {
        *rest.first_chunk_mut().ok_or(EINVAL)? = counter;
    }
    Ok(packet)
}

/// Destination, header and data of a plain frame.
///
/// # Errors
///
/// `EINVAL` if it is no such frame.
pub(crate) fn split(frame: &SkBuff) -> Result<(Mac, Header, &[u8])> {
    let mut parts = frame.parts();
    let head = parts.next().ok_or(EINVAL)?;
    let to = *head.first_chunk().ok_or(EINVAL)?;
    let packet = head.get(ETHERNET_LEN..).ok_or(EINVAL)?;
    let packet_len = frame.len() - ETHERNET_LEN;
    let header = Header::parse_start(packet, packet_len).map_err(|_| EINVAL)?;
    let range = header.data_range();
    let data = packet.get(range.clone()).filter(|data| !data.is_empty());
    let data = data.or_else(|| parts.next()).unwrap_or_default();
    if data.len() != range.len() {
        return Err(EINVAL);
    }
    Ok((to, header, data))
}

/// Sends a frame on a rail, which `dev` is.
pub(crate) fn send(frame: SkBuff, dev: &NetDevice, rail: RailId) {
    frame.transmit(dev, rail, ETHERTYPE);
}

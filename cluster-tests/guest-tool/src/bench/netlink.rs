// SPDX-License-Identifier: MIT OR Apache-2.0

//! Generic netlink, as far as setting TIPC and WireGuard up needs it: requests that are
//! acknowledged, dumps of one message, and the number of a family.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{netlink, recv, send, socket, AddressFamily, RecvFlags, SendFlags, SocketType};

/// `struct nlmsghdr` and `struct genlmsghdr`.
const HEADER: usize = 16 + 4;
/// `struct nlattr`.
const ATTRIBUTE: usize = 4;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
/// `NLM_F_ROOT | NLM_F_MATCH`
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = 0x3fff;
/// The family that knows the others.
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// A family of generic netlink.
pub struct Family {
    socket: OwnedFd,
    id: u16,
}

impl Family {
    /// Finds a family by its name; `ENOENT` if the kernel has none such.
    pub fn find(name: &str) -> io::Result<Self> {
        let protocol = Some(netlink::GENERIC);
        let socket = socket(AddressFamily::NETLINK, SocketType::RAW, protocol)?;
        let name = attribute(CTRL_ATTR_FAMILY_NAME, &[name.as_bytes(), b"\0"].concat());
        let answer = request(
            &socket,
            (GENL_ID_CTRL, NLM_F_ACK),
            CTRL_CMD_GETFAMILY,
            &name,
        )?;
        let id = find(&answer, CTRL_ATTR_FAMILY_ID)
            .and_then(|value| value.try_into().ok())
            .map(u16::from_ne_bytes)
            .ok_or_else(|| io::Error::other("a family without a number"))?;
        Ok(Self { socket, id })
    }

    /// A command with attributes; returns when the kernel has done it.
    pub fn command(&self, command: u8, attributes: &[u8]) -> io::Result<()> {
        request(&self.socket, (self.id, NLM_F_ACK), command, attributes).map(drop)
    }

    /// Asks for all of something, of which there is one; an attribute of it.
    pub fn dump(&self, command: u8, attributes: &[u8], kind: u16) -> io::Result<Vec<u8>> {
        let answer = request(&self.socket, (self.id, NLM_F_DUMP), command, attributes)?;
        let found = find(&answer, kind).map(<[u8]>::to_vec);
        found.ok_or_else(|| io::Error::other(format!("an answer without attribute {kind}")))
    }
}

/// An attribute with its padding.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = (ATTRIBUTE + value.len()) as u16;
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute that consists of attributes.
pub fn nested(kind: u16, attributes: &[&[u8]]) -> Vec<u8> {
    attribute(kind | NLA_F_NESTED, &attributes.concat())
}

/// The value of an attribute among several.
fn find(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    while attributes.len() >= ATTRIBUTE {
        let word = |at| u16::from_ne_bytes([attributes[at], attributes[at + 1]]);
        let (len, this) = (usize::from(word(0)), word(2) & NLA_TYPE_MASK);
        if this == kind {
            return attributes.get(ATTRIBUTE..len);
        }
        attributes = attributes.get(len.max(ATTRIBUTE).next_multiple_of(4)..)?;
    }
    None
}

/// Sends a request with a flag, and waits for the end of the answer; the attributes of what came
/// before that.
fn request(
    socket: &OwnedFd,
    (family, flag): (u16, u16),
    command: u8,
    attributes: &[u8],
) -> io::Result<Vec<u8>> {
    let len = (HEADER + attributes.len()) as u32;
    let mut message = len.to_ne_bytes().to_vec();
    message.extend(family.to_ne_bytes());
    message.extend((NLM_F_REQUEST | flag).to_ne_bytes());
    // Sequence number and port: there is one request at a time.
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend(attributes);
    send(socket.as_fd(), &message, SendFlags::empty())?;
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 16384]);
    loop {
        let (len, _) = recv(socket.as_fd(), &mut buffer[..], RecvFlags::empty())?;
        for message in messages(&buffer[..len]) {
            match (message.kind, message.body) {
                (NLMSG_ERROR | NLMSG_DONE, [a, b, c, d, ..]) => {
                    return match i32::from_ne_bytes([*a, *b, *c, *d]) {
                        0 => Ok(answer),
                        error => Err(io::Error::from_raw_os_error(-error)),
                    };
                }
                (_, body) => answer = body.get(4..).unwrap_or_default().to_vec(),
            }
        }
    }
}

struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

/// The messages that one datagram consists of.
fn messages(mut bytes: &[u8]) -> Vec<Message<'_>> {
    let mut messages = Vec::new();
    while let Some(header) = bytes.first_chunk::<16>() {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(body) = bytes.get(16..len) else {
            break;
        };
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        messages.push(Message { kind, body });
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_found() {
        let bytes = [attribute(1, b"abcde"), attribute(7, &5u32.to_ne_bytes())].concat();
        assert_eq!(bytes.len(), 12 + 8);
        assert_eq!(find(&bytes, 1), Some(&b"abcde"[..]));
        assert_eq!(find(&bytes, 7), Some(&5u32.to_ne_bytes()[..]));
        assert_eq!(find(&bytes, 2), None);
        let outer = nested(3, &[&bytes]);
        assert_eq!(find(&outer, 3), Some(&bytes[..]));
    }

    #[test]
    fn lying_lengths_end_the_search() {
        for bytes in [&[200, 0, 9, 0][..], &[0, 0, 9, 0], &[3, 0]] {
            assert_eq!(find(bytes, 1), None);
        }
        assert!(messages(&[255; 20]).is_empty());
        assert!(messages(&[0; 16]).is_empty());
    }

    #[test]
    fn the_kernel_knows_the_family_that_knows_the_others() {
        let family = Family::find("nlctrl").unwrap();
        assert_eq!(family.id, GENL_ID_CTRL);
        let missing = Family::find("podos-no-such").map(|family| family.id);
        assert_eq!(missing.unwrap_err().raw_os_error(), Some(libc::ENOENT));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Raw frames on a rail.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::net::netdevice::name_to_index;
use rustix::net::{send, socket, AddressFamily, SendFlags, SocketType};

/// A packet socket for frames that bring their own header.
pub struct Rail {
    socket: OwnedFd,
    name: String,
}

impl Rail {
    /// The rail that this interface is on.
    pub fn open(name: &str) -> io::Result<Self> {
        // No protocol: it sends and does not receive.
        let socket = socket(AddressFamily::PACKET, SocketType::RAW, None)?;
        let index = name_to_index(&socket, name)?;
        // SAFETY: All zeroes are a valid address.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: The address lives as long as the call and has the length that is said.
        match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) } {
            0 => Ok(Self {
                socket,
                name: name.to_owned(),
            }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The interface's own address.
    pub fn address(&self) -> Result<[u8; 6]> {
        let path = format!("/sys/class/net/{}/address", self.name);
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        mac(text.trim()).map_err(anyhow::Error::msg)
    }

    /// Sends a frame, from its Ethernet header on.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(&self.socket, frame, SendFlags::empty())?;
        Ok(())
    }
}

/// `52:54:00:50:01:02` as bytes.
pub fn mac(text: &str) -> Result<[u8; 6], String> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("{text} is no address like 52:54:00:50:01:02"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(
            mac("52:54:00:50:01:02").unwrap(),
            [0x52, 0x54, 0, 0x50, 1, 2]
        );
        for wrong in [
            "",
            "52:54:00:50:01",
            "52:54:00:50:01:02:03",
            "52:54:00:50:01:xx",
        ] {
            assert!(mac(wrong).is_err(), "{wrong}");
        }
    }
}

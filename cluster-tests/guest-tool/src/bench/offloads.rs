// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a device, or the kernel in its place, does for TCP: cutting and joining of segments.

use std::io;
use std::os::fd::AsRawFd;

use anyhow::{ensure, Context, Result};
use rustix::net::{socket, AddressFamily, SocketType};

const ETHTOOL_GTSO: u32 = 0x1e;
const ETHTOOL_STSO: u32 = 0x1f;
const ETHTOOL_GGSO: u32 = 0x23;
const ETHTOOL_SGSO: u32 = 0x24;
const ETHTOOL_GGRO: u32 = 0x2b;
const ETHTOOL_SGRO: u32 = 0x2c;

/// Each with the command that asks for it and the one that sets it.
const OFFLOADS: [(&str, u32, u32); 3] = [
    ("TSO", ETHTOOL_GTSO, ETHTOOL_STSO),
    ("GSO", ETHTOOL_GGSO, ETHTOOL_SGSO),
    ("GRO", ETHTOOL_GGRO, ETHTOOL_SGRO),
];

/// Switch TCP segmentation and receive offloads of an interface on or off
#[derive(Debug, clap::Args)]
pub struct Offloads {
    #[arg(value_enum)]
    to: Switch,
    #[arg(long, default_value = "eth0")]
    interface: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

/// `struct ethtool_value`
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

impl Offloads {
    pub fn run(&self) -> Result<()> {
        let wanted = u32::from(self.to == Switch::On);
        for (name, get, set) in OFFLOADS {
            let what = || format!("cannot switch {name} of {}", self.interface);
            self.call(set, wanted).with_context(what)?;
            let now = self.call(get, 0).with_context(what)?;
            ensure!(now == wanted, "{}: it stays as it was", what());
        }
        Ok(())
    }

    fn call(&self, command: u32, data: u32) -> io::Result<u32> {
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        let mut value = Value { command, data };
        // SAFETY: All zeros is a value of the type, which is made of numbers and pointers.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        let name = self.interface.as_bytes();
        // The last byte ends the name.
        if name.len() >= request.ifr_name.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name) {
            *to = *from as libc::c_char;
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: The request names an interface and has a pointer to what these commands read and
        // write; both live as long as the call.
        match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) } {
            0 => Ok(value.data),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The network interfaces: the rails of the cluster, and an address where the image gives one.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use podos_init::config::Network;
use rustix::net::{socket, AddressFamily, SocketType};

/// Interfaces `eth0` to `eth7`: the rails that CM can use.
const RAILS: usize = 8;

/// Brings up `lo` and all rails there are, and gives node its address in `network`; gives what went
/// wrong.
pub fn bring_up(node: Option<u32>, network: Option<&Network>) -> Vec<String> {
    let links = match Links::open() {
        Ok(links) => links,
        Err(error) => return vec![format!("no socket to configure interfaces: {error}")],
    };
    let mut problems = Vec::new();
    let mut attempt = |what: &str, done: io::Result<()>| {
        if let Err(error) = done {
            problems.push(format!("{what}: {error}"));
        }
    };
    attempt("cannot bring up lo", links.up("lo"));
    for rail in 0..RAILS {
        let name = format!("eth{rail}");
        match links.up(&name) {
            // Without the first there is no cluster; how many more there are is the user's choice.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) && rail > 0 => {}
            done => attempt(&format!("cannot bring up {name}"), done),
        }
    }
    if let Some((node, Network { interface, subnet })) = node.zip(network) {
        match subnet.address(node) {
            Some(address) => {
                let done = links.set_address(interface, address, subnet.mask());
                attempt(
                    &format!("cannot give {interface} the address {address}"),
                    done,
                );
            }
            None => problems.push(format!("{subnet} has no address for node {node}")),
        }
    }
    problems
}

/// A socket to ask about interfaces through.
struct Links(OwnedFd);

impl Links {
    fn open() -> io::Result<Self> {
        Ok(Self(socket(AddressFamily::INET, SocketType::DGRAM, None)?))
    }

    fn up(&self, name: &str) -> io::Result<()> {
        let mut request = Request::about(name);
        self.call(libc::SIOCGIFFLAGS, &mut request)?;
        request.set_up();
        self.call(libc::SIOCSIFFLAGS, &mut request)
    }

    fn set_address(&self, name: &str, address: Ipv4Addr, mask: Ipv4Addr) -> io::Result<()> {
        self.call(libc::SIOCSIFADDR, &mut Request::with_address(name, address))?;
        self.call(libc::SIOCSIFNETMASK, &mut Request::with_address(name, mask))
    }

    fn call(&self, number: libc::Ioctl, request: &mut Request) -> io::Result<()> {
        // SAFETY: every SIOC[GS]IF* call takes a pointer to one ifreq, which the kernel copies from
        // and to during the call; the reference keeps it alive and exclusive that long.
        match unsafe { libc::ioctl(self.0.as_raw_fd(), number, &raw mut request.0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// A question about one interface.
struct Request(libc::ifreq);

impl Request {
    fn about(name: &str) -> Self {
        let mut ifr_name = [0; libc::IFNAMSIZ];
        // The last byte stays 0.
        for (to, from) in ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        let ifr_ifru = libc::__c_anonymous_ifr_ifru {
            ifru_addr: libc::sockaddr {
                sa_family: 0,
                sa_data: [0; 14],
            },
        };
        Self(libc::ifreq { ifr_name, ifr_ifru })
    }

    fn with_address(name: &str, address: Ipv4Addr) -> Self {
        // A sockaddr_in: two bytes of port, four of address, eight of nothing.
        let mut sa_data = [0; 14];
        for (to, from) in sa_data[2..6].iter_mut().zip(address.octets()) {
            *to = from as libc::c_char;
        }
        let mut request = Self::about(name);
        request.0.ifr_ifru.ifru_addr = libc::sockaddr {
            sa_family: libc::AF_INET as libc::sa_family_t,
            sa_data,
        };
        request
    }

    fn set_up(&mut self) {
        // SAFETY: all of the union's first 16 bytes were initialized through `ifru_addr`, and any
        // bytes are a valid short.
        let flags = unsafe { self.0.ifr_ifru.ifru_flags };
        self.0.ifr_ifru.ifru_flags = flags | libc::IFF_UP as libc::c_short;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there() {
        let error = Links::open().unwrap().up("nosuchlink7").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn a_name_too_long_stays_a_string() {
        let request = Request::about("a-name-of-more-than-sixteen-bytes");
        assert_eq!(request.0.ifr_name[libc::IFNAMSIZ - 1], 0);
    }
}

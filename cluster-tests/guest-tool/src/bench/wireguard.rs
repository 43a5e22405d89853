// SPDX-License-Identifier: MIT OR Apache-2.0

//! WireGuard between nodes, so that what passes it is protected as CM's `aead` is.

use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;

use anyhow::{ensure, Context, Result};

use super::netlink::{attribute, nested, Family};
use super::tcp;
use crate::report::say;

/// The interface; whoever calls `wireguard-key` has made it.
const INTERFACE: &str = "wg0";
const PORT: u16 = 51820;
/// Bytes of a key.
const KEY: usize = 32;
const WG_CMD_GET_DEVICE: u8 = 0;
const WG_CMD_SET_DEVICE: u8 = 1;
const WGDEVICE_A_IFNAME: u16 = 2;
const WGDEVICE_A_PRIVATE_KEY: u16 = 3;
const WGDEVICE_A_PUBLIC_KEY: u16 = 4;
const WGDEVICE_A_LISTEN_PORT: u16 = 6;
const WGDEVICE_A_PEERS: u16 = 8;
const WGPEER_A_PUBLIC_KEY: u16 = 1;
const WGPEER_A_ENDPOINT: u16 = 4;
const WGPEER_A_ALLOWEDIPS: u16 = 9;
const WGALLOWEDIP_A_FAMILY: u16 = 1;
const WGALLOWEDIP_A_IPADDR: u16 = 2;
const WGALLOWEDIP_A_CIDR_MASK: u16 = 3;

/// The address of a node within WireGuard.
pub fn address(host: u32) -> io::Result<Ipv4Addr> {
    let [.., last] = tcp::address(host)?.octets();
    Ok(Ipv4Addr::new(10, 81, 0, last))
}

/// Give this node's interface wg0 a new key; answers the public one
#[derive(Debug, clap::Args)]
pub struct NewKey {}

impl NewKey {
    pub fn run(&self) -> Result<()> {
        let mut private = [0; KEY];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut private))
            .context("cannot draw a key from /dev/urandom")?;
        let family = family()?;
        let attributes = [
            interface(),
            attribute(WGDEVICE_A_PRIVATE_KEY, &private),
            attribute(WGDEVICE_A_LISTEN_PORT, &PORT.to_ne_bytes()),
        ];
        family
            .command(WG_CMD_SET_DEVICE, &attributes.concat())
            .with_context(|| format!("cannot give {INTERFACE} a key"))?;
        let public = family
            .dump(WG_CMD_GET_DEVICE, &interface(), WGDEVICE_A_PUBLIC_KEY)
            .with_context(|| format!("cannot ask {INTERFACE} for its key"))?;
        ensure!(
            public.len() == KEY,
            "a public key of {} bytes",
            public.len()
        );
        say("public_key", hex(&public));
        Ok(())
    }
}

/// Have wg0 speak with another node
#[derive(Debug, clap::Args)]
pub struct Peer {
    /// Host id of the other node
    host: u32,
    /// Its public key
    key: String,
}

impl Peer {
    pub fn run(&self) -> Result<()> {
        let key = parse(&self.key).with_context(|| format!("`{}` is no key", self.key))?;
        let allowed = [
            attribute(WGALLOWEDIP_A_FAMILY, &(libc::AF_INET as u16).to_ne_bytes()),
            attribute(WGALLOWEDIP_A_IPADDR, &address(self.host)?.octets()),
            attribute(WGALLOWEDIP_A_CIDR_MASK, &[32]),
        ];
        let allowed = nested(0, &[&allowed.concat()]);
        let peer = [
            attribute(WGPEER_A_PUBLIC_KEY, &key),
            attribute(WGPEER_A_ENDPOINT, &endpoint(tcp::address(self.host)?)),
            nested(WGPEER_A_ALLOWEDIPS, &[&allowed]),
        ];
        let peer = nested(0, &[&peer.concat()]);
        let attributes = [interface(), nested(WGDEVICE_A_PEERS, &[&peer])];
        family()?
            .command(WG_CMD_SET_DEVICE, &attributes.concat())
            .with_context(|| format!("cannot have {INTERFACE} speak with host {}", self.host))
    }
}

fn family() -> Result<Family> {
    Family::find("wireguard").context("this kernel has no WireGuard")
}

fn interface() -> Vec<u8> {
    attribute(WGDEVICE_A_IFNAME, format!("{INTERFACE}\0").as_bytes())
}

/// `struct sockaddr_in`
fn endpoint(address: Ipv4Addr) -> Vec<u8> {
    let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    bytes.extend(PORT.to_be_bytes());
    bytes.extend(address.octets());
    bytes.resize(size_of::<libc::sockaddr_in>(), 0);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`hex`] made.
fn parse(text: &str) -> Option<[u8; KEY]> {
    let mut key = [0; KEY];
    if text.len() != 2 * KEY {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back() {
        let key: [u8; KEY] = std::array::from_fn(|index| index as u8 * 8);
        assert_eq!(parse(&hex(&key)), Some(key));
        for wrong in ["", "zz", &"0".repeat(63), &"g".repeat(64)] {
            assert_eq!(parse(wrong), None);
        }
    }

    #[test]
    fn addresses_are_beside_those_of_the_rail() {
        assert_eq!(address(7).unwrap(), Ipv4Addr::new(10, 81, 0, 7));
        assert_eq!(endpoint(Ipv4Addr::new(10, 80, 0, 7)).len(), 16);
    }
}

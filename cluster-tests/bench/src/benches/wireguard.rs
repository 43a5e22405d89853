// SPDX-License-Identifier: MIT OR Apache-2.0

//! WireGuard between two nodes, on the first rail.

use anyhow::{Context, Result};

use crate::lab::Lab;

/// Most bytes of a packet within, on a rail with frames of 1,500 bytes: what `wg-quick` sets.
const MTU: u32 = 1420;

/// Gives both nodes an interface, an address on it, and the other one's key.
pub fn connect(lab: &Lab, [one, other]: [u32; 2]) -> Result<()> {
    let hosts = [(one, other), (other, one)];
    let keys = hosts.map(|(host, _)| make(lab, host));
    for ((host, peer), key) in hosts.into_iter().zip(keys.into_iter().rev()) {
        let (peer, key) = (peer.to_string(), key?);
        lab.tool(host, &["wireguard-peer", &peer, &key])?;
    }
    Ok(())
}

/// The public key of a node's new interface.
fn make(lab: &Lab, host: u32) -> Result<String> {
    let script = format!(
        "ip link add wg0 type wireguard && ip addr add 10.81.0.{host}/24 dev wg0 && \
         ip link set wg0 mtu {MTU} up"
    );
    let node = lab.node(host)?;
    node.shell(&script)
        .with_context(|| format!("cannot give linus{host} an interface of WireGuard"))?;
    let answers = lab.tool(host, &["wireguard-key"])?;
    Ok(answers.text("public_key")?.to_owned())
}

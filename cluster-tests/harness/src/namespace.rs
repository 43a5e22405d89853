// SPDX-License-Identifier: MIT OR Apache-2.0

//! The private network of a cluster with [`Net::Bridge`](crate::Net::Bridge).
//!
//! A user namespace in which we are root, and a network namespace of its own,
//! in which bridges and taps can be made without being root outside. Both go
//! when the last process in them ends; nothing of the machine's own network
//! is touched or even seen.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use rustix::process::{getgid, getuid};
use rustix::thread::{unshare_unsafe, UnshareFlags};

use crate::error::{Error, IoContext, Result};
use crate::topology::Topology;

/// The device through which QEMU gets its taps.
const TUN: &str = "/dev/net/tun";

/// Moves this process, which must have one thread, into namespaces of its own.
pub(crate) fn enter() -> Result<()> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    // SAFETY: the process has one thread, so no other one can see a file table or
    // credentials that differ from its own.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNET) }.context(|| {
        "make a user and a network namespace (allow it by `sysctl \
         kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0`, \
         whichever of the two this kernel has, or run as root)"
            .into()
    })?;
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ] {
        let path = format!("/proc/self/{file}");
        fs::write(&path, text).context(|| format!("write {path}"))?;
    }
    Ok(())
}

/// The tap of a node on a rail.
pub(crate) fn tap(node: u32, rail: u8) -> String {
    format!("n{node}r{rail}")
}

/// Makes a bridge per rail and a tap per node and rail, in the namespace that we are in.
pub(crate) fn make_rails(topology: &Topology) -> Result<()> {
    check_tun()?;
    // Neighbour discovery of the bridges themselves has no business on the rails.
    let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context(|| "start `ip` (Debian package iproute2)".into())?;
    if let Some(mut stdin) = ip.stdin.take() {
        stdin
            .write_all(script(topology).as_bytes())
            .context(|| "tell `ip` the rails".into())?;
    }
    let output = ip.wait_with_output().context(|| "wait for `ip`".into())?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr)
        .trim()
        .replace('\n', "; ");
    Err(Error::Io {
        what: "make bridges and taps by `ip -batch`".into(),
        source: io::Error::other(why),
    })
}

fn check_tun() -> Result<()> {
    match fs::File::options().read(true).write(true).open(TUN) {
        Ok(_) => Ok(()),
        Err(error) => Err(error).context(|| {
            format!("open {TUN} for the nodes' taps (load module tun; let this user in by `chmod 666 {TUN}`)")
        }),
    }
}

/// The commands that make the rails, for `ip -batch`.
fn script(topology: &Topology) -> String {
    let mut lines = vec!["link set lo up".to_owned()];
    for rail in 0..topology.rails {
        lines.push(format!(
            "link add rail{rail} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        ));
        lines.push(format!("link set rail{rail} up"));
        for node in &topology.nodes {
            let tap = tap(*node, rail);
            lines.push(format!("tuntap add dev {tap} mode tap"));
            lines.push(format!("link set {tap} master rail{rail} up"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_a_tap_on_every_rail() {
        let topology = Topology {
            nodes: vec![7],
            rails: 2,
            ..Topology::nodes(1)
        };
        let expected = "link set lo up\n\
            link add rail0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
            link set rail0 up\n\
            tuntap add dev n7r0 mode tap\n\
            link set n7r0 master rail0 up\n\
            link add rail1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
            link set rail1 up\n\
            tuntap add dev n7r1 mode tap\n\
            link set n7r1 master rail1 up\n";
        assert_eq!(script(&topology), expected);
    }

    #[test]
    fn tap_names_fit_the_kernels_limit() {
        assert!(tap(crate::MAX_NODES, 7).len() < 16);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The private network of a cluster with [`Net::Bridge`](crate::Net::Bridge).
//!
//! A user namespace in which we are root, and a network namespace of its own,
//! in which bridges and taps can be made without being root outside. Both go
//! when the last process in them ends; nothing of the machine's own network
//! is touched or even seen.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use podos_switch::{Rate, Selector};
use rustix::process::{getgid, getuid};
use rustix::thread::{unshare_unsafe, UnshareFlags};

use crate::bridges::{check_tun, user_namespaces_wanted};
use crate::error::{IoContext, Result};
use crate::topology::Topology;

/// Moves this process, which must have one thread, into namespaces of its own.
pub(crate) fn enter() -> Result<()> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    // SAFETY: the process has one thread, so no other one can see a file table or
    // credentials that differ from its own.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNET) }
        .context(user_namespaces_wanted)?;
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
    batch("ip", &script(topology)).context(|| "make bridges and taps by `ip -batch`".into())
}

/// Lets taps lose everything, or ends that. A tap that is in no bridge has its carrier still, and
/// so has the guest behind it.
pub(crate) fn block(topology: &Topology, at: Selector, block: bool) -> Result<()> {
    let line = |(rail, tap)| match block {
        true => format!("link set {tap} nomaster\n"),
        false => format!("link set {tap} master rail{rail}\n"),
    };
    let lines = taps(topology, at).map(line).collect::<String>();
    batch("ip", &lines).context(|| "put taps into bridges by `ip -batch`".into())
}

/// Shapes what these taps are sent.
pub(crate) fn shape(topology: &Topology, at: Selector, rate: Option<Rate>) -> Result<()> {
    let lines = taps(topology, at).map(|(_, tap)| shaped(&tap, rate));
    batch("tc", &lines.collect::<String>()).context(|| {
        "shape taps by `tc -batch` (the kernel needs sch_htb; network `switch` needs nothing)"
            .into()
    })
}

/// The lines that shape a tap, for `tc -batch`.
fn shaped(tap: &str, rate: Option<Rate>) -> String {
    // What every tap has at first, and in place of which any other discipline can come: to
    // remove one that is not there would be an error.
    let plain = format!("qdisc replace dev {tap} root pfifo_fast\n");
    let Some(rate) = rate else { return plain };
    let (bits, burst, queue) = (rate.bits_per_second(), rate.burst(), rate.queue());
    // Not tbf, which drops every frame that is longer than its burst.
    format!(
        "{plain}qdisc replace dev {tap} root handle 1: htb default 1\n\
         class add dev {tap} parent 1: classid 1:1 htb rate {bits}bit burst {burst} \
         cburst {burst} quantum 9018\n\
         qdisc add dev {tap} parent 1:1 bfifo limit {queue}\n"
    )
}

/// The taps at a place, with their rails.
fn taps(topology: &Topology, at: Selector) -> impl Iterator<Item = (u8, String)> + '_ {
    let rails = 0..topology.rails.len() as u8;
    rails.flat_map(move |rail| {
        let nodes = topology.places();
        let nodes = nodes.filter(move |node| at.takes(rail, *node));
        nodes.map(move |node| (rail, tap(node, rail)))
    })
}

/// Has `ip` or `tc` carry out these lines.
fn batch(program: &str, lines: &str) -> io::Result<()> {
    let mut child = Command::new(program)
        .args(["-batch", "-"])
        .env("PATH", search_path(std::env::var_os("PATH")))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let why = format!("start `{program}` (Debian package iproute2): {error}");
            io::Error::new(error.kind(), why)
        })?;
    // One that ends early says why itself.
    let told = child
        .stdin
        .take()
        .map(|mut to| to.write_all(lines.as_bytes()));
    let output = child.wait_with_output()?;
    if output.status.success() {
        return told.unwrap_or(Ok(()));
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(why.trim().replace('\n', "; ")))
}

/// Where programs are looked for: an ordinary user's path need not have the folder of `tc`.
fn search_path(own: Option<OsString>) -> OsString {
    let mut path = own.unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

/// The commands that make the rails, for `ip -batch`.
fn script(topology: &Topology) -> String {
    let mut lines = vec!["link set lo up".to_owned()];
    for (rail, made) in (0_u8..).zip(&topology.rails) {
        let mtu = made.mtu;
        lines.push(format!(
            "link add rail{rail} mtu {mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        ));
        lines.push(format!("link set rail{rail} up"));
        for node in topology.places() {
            let tap = tap(node, rail);
            lines.push(format!("tuntap add dev {tap} mode tap"));
            lines.push(format!("link set {tap} mtu {mtu} master rail{rail} up"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rail;

    #[test]
    fn a_place_is_its_taps() {
        let topology = Topology::nodes(2).rails(2, Rail::default());
        let of = |at| taps(&topology, at).map(|(_, tap)| tap).collect::<Vec<_>>();
        assert_eq!(of(Selector::ALL), ["n1r0", "n2r0", "n1r1", "n2r1"]);
        assert_eq!(of(Selector::node(2).on_rail(1)), ["n2r1"]);
    }

    #[test]
    fn a_shaped_tap_can_be_shaped_again() {
        let plain = "qdisc replace dev n1r0 root pfifo_fast\n";
        assert_eq!(shaped("n1r0", None), plain);
        let lines = shaped("n1r0", Some(Rate::mbit(10)));
        assert!(lines.starts_with(plain), "{lines}");
        assert!(
            lines.contains("htb rate 10000000bit burst 3000 "),
            "{lines}"
        );
    }

    #[test]
    fn every_node_has_a_tap_on_every_rail() {
        let topology = Topology {
            nodes: vec![7],
            rails: vec![Rail::default(), Rail::of_mtu(9000)],
            ..Topology::nodes(1)
        };
        let expected = "link set lo up\n\
            link add rail0 mtu 1500 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
            link set rail0 up\n\
            tuntap add dev n7r0 mode tap\n\
            link set n7r0 mtu 1500 master rail0 up\n\
            link add rail1 mtu 9000 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
            link set rail1 up\n\
            tuntap add dev n7r1 mode tap\n\
            link set n7r1 mtu 9000 master rail1 up\n";
        assert_eq!(script(&topology), expected);
    }

    #[test]
    fn an_ordinary_users_path_is_enough() {
        let path = search_path(Some("/usr/local/bin:/usr/bin:/bin".into()));
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        assert!(folders.starts_with(&["/usr/local/bin".into(), "/usr/bin".into()]));
        assert!(folders.contains(&"/usr/sbin".into()));
    }

    #[test]
    fn tap_names_fit_the_kernels_limit() {
        assert!(tap(crate::MAX_NODES, 7).len() < 16);
    }
}

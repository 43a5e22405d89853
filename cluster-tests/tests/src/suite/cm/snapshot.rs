// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node that goes on from a snapshot, and then once more from the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use podos_firmware::body::{Handshake, Hello};
use podos_firmware::check::{inspect, Parts};
use podos_firmware::crypto::{open, pair_key, sender_key, Key};
use podos_firmware::wire::{flag, kind, Gpid, ETHERNET};
use podos_wireshark::Dissector;

use crate::support::Lab;
use crate::test::{Test, FAULTY};

pub const TESTS: &[Test] = &[Test {
    name: "cm.a_node_restored_twice_repeats_no_counter",
    setting: FAULTY,
    limit: None,
    run: restored_twice,
}];

const RAILS: u8 = 3;
const COPY: u32 = 2;

fn restored_twice(lab: &Lab<'_>) -> Result<()> {
    let (one, two) = (lab.node(1)?, lab.node(COPY)?);
    let folder = tempfile::tempdir()?;
    let memory = folder.path().join("memory");
    let key = lab.key_file(1).context("the nodes have no key file")?;
    let key = parse_key(&fs::read_to_string(&key)?)?;
    one.until("cat /linus2/etc/hostname")?;
    let switch = lab.switch()?;
    for rail in 0..RAILS {
        switch.capture(rail, folder.path().join(format!("{rail}.pcap")))?;
    }
    let taken = (|| {
        // Sessions and circuits in use are part of it; the host's folder can't be.
        one.sh("sh -c 'exec 3</linus2/etc/passwd; read -r line <&3; sleep 60' >/dev/null 2>&1 &")?;
        two.sh("cat /linus1/etc/hostname && umount /mnt/host")?;
        two.harness().snapshot(&memory)?;
        for round in 0..2 {
            two.harness().restore(&memory)?;
            // Other things are said each time.
            let said = format!("round {round} of {}", lab.seed());
            let write = format!("echo '{said}' >/linus2/tmp/said && cat /linus2/tmp/said");
            ensure!(one.until(&write)? == said, "round {round}");
            let back = two.until(&format!("cat /linus1/etc/hostname && echo '{said}'"))?;
            ensure!(back.starts_with("linus1"), "round {round}: {back}");
            two.sh("dmesg | grep -q 'goes on from a snapshot'")?;
            two.kill()?;
        }
        Ok(())
    })();
    for rail in 0..RAILS {
        switch.end_capture(rail)?;
    }
    taken?;
    lab.revive()?;
    judge(folder.path(), &key)
}

fn parse_key(text: &str) -> Result<Key> {
    let text = text.trim();
    let byte = |at: usize| {
        let digits = text.get(2 * at..2 * at + 2).context("the key is short")?;
        Ok(u8::from_str_radix(digits, 16)?)
    };
    let bytes: Vec<u8> = (0..32).map(byte).collect::<Result<_>>()?;
    Ok(bytes.try_into().unwrap_or_default())
}

/// A frame behind its Ethernet header.
type Packet = Vec<u8>;

/// Finds out under which key each frame of the copied node was made, by the nonces that were shown
/// and the second opinion's key schedule: none has made two frames of one counter that differ.
fn judge(folder: &Path, cluster: &Key) -> Result<()> {
    let mut packets = Vec::<Packet>::new();
    for rail in 0..RAILS {
        let capture = folder.join(format!("{rail}.pcap"));
        let frames = Dissector::new()?.frames(&capture, "eth.type == 0x88b5")?;
        packets.extend(
            frames
                .iter()
                .filter_map(|f| Some(f.get(ETHERNET..)?.to_vec())),
        );
    }
    let mut nonces = BTreeMap::<u64, BTreeSet<Key>>::new();
    for packet in &packets {
        let Ok(parts) = inspect(packet) else { continue };
        let data = packet.get(parts.data.clone()).unwrap_or_default();
        let nonce = match parts.header.kind {
            kind::HELLO => Hello::parse(data).map(|hello| hello.nonce),
            kind::HANDSHAKE => Handshake::parse(data).map(|shake| shake.nonce),
            _ => None,
        };
        if let Some(nonce) = nonce {
            let node = parts.header.from.node().0;
            nonces.entry(node).or_default().insert(nonce);
        }
    }
    let (copies, others): (Vec<_>, Vec<_>) = nonces
        .iter()
        .flat_map(|(node, nonces)| nonces.iter().map(|nonce| (Gpid(*node), *nonce)))
        .partition(|(node, _)| node.host() == COPY);
    // The first life, and two copies.
    ensure!(copies.len() >= 3, "{} nonces of {COPY}", copies.len());
    let mut keys = Vec::new();
    for (node, nonce) in &copies {
        keys.push(sender_key(cluster, *node, nonce));
        for (other, their) in &others {
            keys.push(pair_key(cluster, (*node, nonce), (*other, their)));
        }
    }
    let mut said = HashMap::<(usize, u64), Packet>::new();
    let (mut used, mut unknown) = (BTreeSet::new(), 0);
    for packet in packets {
        let Ok(parts) = inspect(&packet) else {
            continue;
        };
        if parts.header.from.host() != COPY || !parts.header.has(flag::AUTH) {
            continue;
        }
        let Some(key) = keys
            .iter()
            .position(|key| open(key, &packet, &parts).is_some())
        else {
            unknown += 1;
            continue;
        };
        let packet = whole(&packet, &parts);
        let counter = parts.counter.context("a frame with a tag has no counter")?;
        used.insert(key);
        let first = said.entry((key, counter)).or_insert_with(|| packet.clone());
        ensure!(
            *first == packet,
            "key {key}, counter {counter}: {first:02x?} and {packet:02x?}"
        );
    }
    ensure!(unknown == 0, "{unknown} frames were made with other keys");
    // Both kinds, in each of three lives.
    ensure!(used.len() >= 6 && said.len() > 50, "{} keys", used.len());
    Ok(())
}

/// Without what the Ethernet driver may have put behind it.
fn whole(packet: &[u8], parts: &Parts) -> Packet {
    packet.get(..parts.end).unwrap_or(packet).to_vec()
}

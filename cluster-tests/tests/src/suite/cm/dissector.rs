// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the Wireshark dissector reads in the frames of a cluster.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use anyhow::{ensure, Context, Result};
use podos_wireshark::Dissector;

use crate::check::ensure_eq;
use crate::support::{Lab, Machine};
use crate::test::{Test, LEGIBLE, OPEN};

pub const TESTS: &[Test] = &[
    Test {
        name: "cm.dissector_reads_an_open_cluster",
        setting: OPEN,
        limit: None,
        run: in_the_open,
    },
    Test {
        name: "cm.dissector_reads_with_session_keys",
        setting: LEGIBLE,
        limit: None,
        run: with_session_keys,
    },
];

/// Rails of both settings.
const RAILS: u8 = 3;
/// What is asked for of every frame.
const FIELDS: [&str; 11] = [
    "podos.kind",
    "podos.from.host",
    "podos.hello.rail",
    "podos.hello.mtu",
    "podos.beacon.hostname",
    "podos.path",
    "podos.argument",
    "podos.exit.wait_status",
    "podos.data",
    "podos.tag.status",
    "_ws.expert.message",
];
/// What linus1 says to linus2 while the rails are captured.
const WORK: &str = "cat /linus2/etc/motd && podos run linus2 -- uname -n && \
                    echo text | podos run linus2 -- sh -c 'cat > /tmp/dissected'";

/// Frames of all rails.
struct Traffic {
    folder: tempfile::TempDir,
    /// Of the time of the capture; empty where there is no such file.
    session_keys: String,
}

impl Traffic {
    fn make(lab: &Lab<'_>) -> Result<Self> {
        let (one, two) = (lab.node(1)?, lab.node(2)?);
        one.until("ls /linus2/etc")?;
        let keys = "cat /sys/kernel/debug/podos/session_keys 2>/dev/null || true";
        let traffic = Self {
            folder: tempfile::tempdir()?,
            session_keys: one.sh(keys)?,
        };
        let switch = lab.switch()?;
        for rail in 0..RAILS {
            switch.capture(rail, traffic.capture(rail))?;
        }
        let worked = one
            .sh(WORK)
            .and_then(|_| two_beacons(one, 2))
            .and_then(|()| two_beacons(two, 1));
        for rail in 0..RAILS {
            switch.end_capture(rail)?;
        }
        worked?;
        Ok(traffic)
    }

    fn capture(&self, rail: u8) -> PathBuf {
        self.folder.path().join(format!("rail{rail}.pcap"))
    }

    /// What the dissector says of all frames.
    fn read_by(&self, dissector: &Dissector) -> Result<Frames> {
        let mut frames = Vec::new();
        for rail in 0..RAILS {
            for row in dissector.fields(&self.capture(rail), "eth.type == 0x88b5", &FIELDS)? {
                let cells = FIELDS.into_iter().zip(row).collect();
                frames.push(Frame { rail, cells });
            }
        }
        ensure!(
            frames.len() > 30,
            "only {} frames were captured",
            frames.len()
        );
        Ok(Frames(frames))
    }
}

/// A frame: the rail that it was on, and what its fields are; empty for those that it lacks.
#[derive(Debug)]
struct Frame {
    rail: u8,
    cells: HashMap<&'static str, String>,
}

impl Frame {
    fn get(&self, field: &str) -> &str {
        self.cells.get(field).map_or("", String::as_str)
    }
}

struct Frames(Vec<Frame>);

impl Frames {
    /// What a field is in the frames that have it.
    fn values(&self, field: &str) -> Vec<&str> {
        let values = self.0.iter().map(|frame| frame.get(field));
        values.filter(|value| !value.is_empty()).collect()
    }

    /// Every frame is understood.
    fn are_understood(&self) -> Result<()> {
        for frame in &self.0 {
            ensure!(!frame.get("podos.kind").is_empty(), "no kind: {frame:?}");
            let told = frame.get("_ws.expert.message");
            ensure!(told.is_empty(), "{told}: {frame:?}");
        }
        for rail in 0..RAILS {
            let hellos = self.0.iter().filter(|frame| frame.rail == rail);
            let said: BTreeSet<_> = hellos
                .filter(|frame| frame.get("podos.kind") == "2")
                .map(|frame| {
                    let fields = ["podos.from.host", "podos.hello.rail", "podos.hello.mtu"];
                    fields.map(|field| frame.get(field)).join(" ")
                })
                .collect();
            let expected = ["1", "2"].map(|host| format!("{host} {rail} 1500"));
            ensure_eq!(said, BTreeSet::from(expected), "hellos on rail {rail}");
        }
        Ok(())
    }

    /// What linus1 did is found.
    fn tell_what_was_done(&self) -> Result<()> {
        for (field, expected) in [
            ("podos.beacon.hostname", &["linus1", "linus2"][..]),
            ("podos.path", &["etc/motd"]),
            (
                "podos.argument",
                &["uname,-n", "sh,-c,cat > /tmp/dissected"],
            ),
            ("podos.exit.wait_status", &["0"]),
            // What went out and in: "linus2\n", "text\n".
            ("podos.data", &["6c696e7573320a", "746578740a"]),
        ] {
            let found = self.values(field);
            for wanted in expected {
                ensure!(found.contains(wanted), "no {field} `{wanted}` in {found:?}");
            }
        }
        Ok(())
    }
}

/// Waits until a node has heard two beacons of another one: each says hello on every rail between
/// them.
fn two_beacons(node: Machine<'_>, other: u32) -> Result<()> {
    let age = format!("$(cat /sys/kernel/podos/sst/{other}/age_ms)");
    let wait = format!(
        "for beacon in 1 2; do a=0; while [ $a -le {age} ]; do a={age}; sleep 0.02; done; done"
    );
    node.sh(&wait).map(drop)
}

fn in_the_open(lab: &Lab<'_>) -> Result<()> {
    let frames = Traffic::make(lab)?.read_by(&Dissector::new()?)?;
    frames.are_understood()?;
    frames.tell_what_was_done()?;
    ensure_eq!(
        frames.values("podos.tag.status").len(),
        0,
        "frames with a tag"
    );
    Ok(())
}

fn with_session_keys(lab: &Lab<'_>) -> Result<()> {
    let traffic = Traffic::make(lab)?;
    let keys = traffic.folder.path().join("session_keys");
    std::fs::write(&keys, &traffic.session_keys).context("cannot write the session keys")?;
    let frames = traffic.read_by(&Dissector::new()?.with_keys(&keys))?;
    frames.are_understood()?;
    frames.tell_what_was_done()?;
    for frame in &frames.0 {
        ensure_eq!(
            frame.get("podos.tag.status"),
            "right",
            "the tag of {frame:?}"
        );
    }
    // Who has no keys sees who talks, and nothing of what is said.
    let frames = traffic.read_by(&Dissector::new()?)?;
    frames.are_understood()?;
    for said in [
        "podos.beacon.hostname",
        "podos.path",
        "podos.argument",
        "podos.data",
    ] {
        ensure_eq!(
            frames.values(said).len(),
            0,
            "times that {said} was read without keys"
        );
    }
    Ok(())
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos rails`: the networks of the cluster, seen from this node.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use podos::{Cm, OwnRail, PeerRail};
use serde::Serialize;

use crate::output;
use crate::table::{bytes, maybe, milliseconds, Side, Table};

/// List this node's rails, and on which rails it hears the other nodes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  podos rails --json")]
pub struct Arguments {
    /// Print JSON, with all columns of the kernel's tables
    #[arg(long)]
    json: bool,

    /// The folder with the kernel's tables
    #[arg(long, value_name = "DIR", default_value = podos::CM_DIRECTORY, hide = true)]
    cm: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let cm = Cm::at(&arguments.cm, podos::DEBUG_DIRECTORY);
    let (rails, peers) = (cm.rails()?, cm.peers()?);
    let text = if arguments.json {
        json(&rails, &peers).context("cannot put the tables into JSON")?
    } else {
        tables(&rails, &peers)
    };
    output::print(text)
}

/// `--json`: the names and units of the kernel's tables.
#[derive(Serialize)]
struct Json<'a> {
    rails: Vec<JsonRail<'a>>,
    peers: Vec<JsonPeer<'a>>,
}

#[derive(Serialize)]
struct JsonRail<'a> {
    rail: u8,
    device: &'a str,
    mac: &'a str,
    mtu: u32,
    state: &'a str,
    sent_frames: u64,
    sent_bytes: u64,
    received_frames: u64,
    received_bytes: u64,
    queued_bytes: u64,
}

#[derive(Serialize)]
struct JsonPeer<'a> {
    node: String,
    host: u32,
    boot: u16,
    rail: u8,
    mac: &'a str,
    mtu: Option<u32>,
    state: &'a str,
    heard_ms: Option<u64>,
    srtt_us: Option<u64>,
}

impl<'a> From<&'a OwnRail> for JsonRail<'a> {
    fn from(rail: &'a OwnRail) -> Self {
        Self {
            rail: rail.rail,
            device: &rail.device,
            mac: &rail.mac,
            mtu: rail.mtu,
            state: &rail.state,
            sent_frames: rail.sent_frames,
            sent_bytes: rail.sent_bytes,
            received_frames: rail.received_frames,
            received_bytes: rail.received_bytes,
            queued_bytes: rail.queued_bytes,
        }
    }
}

impl<'a> From<&'a PeerRail> for JsonPeer<'a> {
    fn from(peer: &'a PeerRail) -> Self {
        let millis = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            node: peer.node.to_string(),
            host: peer.node.host(),
            boot: peer.boot,
            rail: peer.rail,
            mac: &peer.mac,
            mtu: peer.mtu,
            state: &peer.state,
            heard_ms: peer.heard.map(millis),
            srtt_us: peer.srtt_us,
        }
    }
}

fn json(rails: &[OwnRail], peers: &[PeerRail]) -> serde_json::Result<String> {
    let json = Json {
        rails: rails.iter().map(JsonRail::from).collect(),
        peers: peers.iter().map(JsonPeer::from).collect(),
    };
    Ok(serde_json::to_string_pretty(&json)? + "\n")
}

fn tables(rails: &[OwnRail], peers: &[PeerRail]) -> String {
    use Side::{Left, Right};
    let own = Table::new(
        [
            ("RAIL", Right),
            ("DEVICE", Left),
            ("ADDRESS", Left),
            ("MTU", Right),
            ("STATE", Left),
            ("SENT", Right),
            ("OUT", Right),
            ("RECV", Right),
            ("IN", Right),
            ("QUEUE", Right),
        ],
        rails.iter().map(|rail| {
            [
                rail.rail.to_string(),
                rail.device.clone(),
                rail.mac.clone(),
                rail.mtu.to_string(),
                rail.state.clone(),
                rail.sent_frames.to_string(),
                bytes(rail.sent_bytes),
                rail.received_frames.to_string(),
                bytes(rail.received_bytes),
                bytes(rail.queued_bytes),
            ]
        }),
    );
    let others = Table::new(
        [
            ("NODE", Left),
            ("RAIL", Right),
            ("ADDRESS", Left),
            ("MTU", Right),
            ("STATE", Left),
            ("HEARD", Right),
            ("RTT", Right),
        ],
        peers.iter().map(|peer| {
            let heard = peer
                .heard
                .map(|heard| format!("{:.1}s", heard.as_secs_f32()));
            [
                peer.node.to_string(),
                peer.rail.to_string(),
                peer.mac.clone(),
                maybe(peer.mtu),
                peer.state.clone(),
                maybe(heard),
                maybe(peer.srtt_us.map(milliseconds)),
            ]
        }),
    );
    let mut text = own.text();
    if !peers.is_empty() {
        let _ = write!(text, "\n{}", others.text());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos::Node;
    use std::time::Duration;

    fn rails() -> [OwnRail; 1] {
        [OwnRail {
            rail: 0,
            device: "eth0".to_owned(),
            mac: "52:54:00:50:00:01".to_owned(),
            mtu: 1500,
            state: "up".to_owned(),
            sent_frames: 1234,
            sent_bytes: 5 << 20,
            received_frames: 7,
            received_bytes: 900,
            queued_bytes: 0,
        }]
    }

    fn peers() -> [PeerRail; 2] {
        let peer = |host, state: &str, heard: Option<u64>| PeerRail {
            node: Node::new(host).unwrap(),
            boot: 3,
            rail: 0,
            mac: format!("52:54:00:50:00:{host:02x}"),
            mtu: heard.map(|_| 9000),
            state: state.to_owned(),
            heard: heard.map(Duration::from_millis),
            srtt_us: heard,
        };
        [peer(2, "up", Some(120)), peer(11, "down", None)]
    }

    #[test]
    fn columns_line_up() {
        let expected = "\
RAIL  DEVICE  ADDRESS             MTU  STATE  SENT    OUT  RECV   IN  QUEUE
   0  eth0    52:54:00:50:00:01  1500  up     1234  5120K     7  900      0

NODE     RAIL  ADDRESS             MTU  STATE  HEARD     RTT
linus2      0  52:54:00:50:00:02  9000  up      0.1s  0.12ms
linus11     0  52:54:00:50:00:0b     -  down       -       -
";
        assert_eq!(tables(&rails(), &peers()), expected);
        assert_eq!(tables(&rails(), &[]).lines().count(), 2);
    }

    #[test]
    fn json_has_all_columns() {
        let text = json(&rails(), &peers()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["rails"][0]["sent_bytes"], 5 << 20);
        assert_eq!(value["rails"][0].as_object().unwrap().len(), 10);
        assert_eq!(value["peers"][1]["node"], "linus11");
        assert_eq!(value["peers"][1]["mtu"], serde_json::Value::Null);
        assert_eq!(value["peers"][0].as_object().unwrap().len(), 9);
    }
}

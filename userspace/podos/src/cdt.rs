// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos cdt`: this node's circuits.

use std::path::PathBuf;

use anyhow::{Context, Result};
use podos::{CircuitState, Cm, Gpid, Node};
use serde::Serialize;

use crate::output;
use crate::table::{bytes, maybe, milliseconds, Side, Table};

/// List this node's circuits: its communication descriptor table
#[derive(Debug, clap::Args)]
#[command(
    long_about = "List this node's circuits: its communication descriptor table\n\n\
        PEER and LOCAL are the processes at the ends (a node alone while its process is not \
        known), ROLE is which end this node is. SENT and RECV count segments, AGAIN those sent \
        again, LATE the times that an answer did not come in time; QUEUE are the segments that \
        wait to be sent or acknowledged, RTT the smoothed round trip.",
    after_help = "Example:\n  podos cdt --json"
)]
pub struct Arguments {
    /// Print a JSON array, with all columns of the kernel's table
    #[arg(long)]
    json: bool,

    /// The folder with the kernel's table
    #[arg(long, value_name = "DIR", default_value = podos::DEBUG_DIRECTORY, hide = true)]
    debug: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let circuits = Cm::at(podos::CM_DIRECTORY, &arguments.debug).circuits()?;
    let text = if arguments.json {
        json(&circuits).context("cannot put the table into JSON")?
    } else {
        table(&circuits)
    };
    output::print(text)
}

/// A circuit in `--json`: the names and units of the kernel's table.
#[derive(Serialize)]
struct JsonCircuit<'a> {
    index: &'a str,
    active: &'a str,
    passive: &'a str,
    class: &'a str,
    role: &'a str,
    peer_gpid: String,
    local_gpid: String,
    state: &'a str,
    group: &'a str,
    rail: Option<u8>,
    sent: u64,
    received: u64,
    retransmitted: u64,
    timeouts: u64,
    bytes_sent: u64,
    bytes_received: u64,
    srtt_us: Option<u64>,
    queued: u64,
}

impl<'a> From<&'a CircuitState> for JsonCircuit<'a> {
    fn from(circuit: &'a CircuitState) -> Self {
        Self {
            index: &circuit.index,
            active: &circuit.active,
            passive: &circuit.passive,
            class: &circuit.class,
            role: &circuit.role,
            peer_gpid: circuit.peer.to_string(),
            local_gpid: circuit.local.to_string(),
            state: &circuit.state,
            group: &circuit.group,
            rail: circuit.rail,
            sent: circuit.sent,
            received: circuit.received,
            retransmitted: circuit.retransmitted,
            timeouts: circuit.timeouts,
            bytes_sent: circuit.bytes_sent,
            bytes_received: circuit.bytes_received,
            srtt_us: circuit.srtt_us,
            queued: circuit.queued,
        }
    }
}

fn json(circuits: &[CircuitState]) -> serde_json::Result<String> {
    let circuits: Vec<_> = circuits.iter().map(JsonCircuit::from).collect();
    Ok(serde_json::to_string_pretty(&circuits)? + "\n")
}

fn table(circuits: &[CircuitState]) -> String {
    use Side::{Left, Right};
    let columns = [
        ("INDEX", Left),
        ("CLASS", Left),
        ("ROLE", Left),
        ("PEER", Left),
        ("LOCAL", Right),
        ("STATE", Left),
        ("GROUP", Left),
        ("RAIL", Right),
        ("SENT", Right),
        ("RECV", Right),
        ("AGAIN", Right),
        ("LATE", Right),
        ("OUT", Right),
        ("IN", Right),
        ("QUEUE", Right),
        ("RTT", Right),
    ];
    Table::new(columns, circuits.iter().map(row)).text()
}

fn row(circuit: &CircuitState) -> [String; 16] {
    [
        circuit.index.clone(),
        circuit.class.clone(),
        circuit.role.clone(),
        process(circuit.peer),
        circuit.local.pid().to_string(),
        circuit.state.clone(),
        circuit.group.clone(),
        maybe(circuit.rail),
        circuit.sent.to_string(),
        circuit.received.to_string(),
        circuit.retransmitted.to_string(),
        circuit.timeouts.to_string(),
        bytes(circuit.bytes_sent),
        bytes(circuit.bytes_received),
        circuit.queued.to_string(),
        maybe(circuit.srtt_us.map(milliseconds)),
    ]
}

/// A process by node and pid.
fn process(gpid: Gpid) -> String {
    let node = Node::new(gpid.host()).map(|node| node.to_string());
    match (node, gpid.pid()) {
        (None, _) => gpid.to_string(),
        (Some(node), 0) => node,
        (Some(node), pid) => format!("{node}:{pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circuits() -> [CircuitState; 2] {
        let circuit = |index: &str, peer, rail, srtt_us| CircuitState {
            index: index.to_owned(),
            active: index.to_owned(),
            passive: "-".to_owned(),
            class: "pdfs".to_owned(),
            role: "active".to_owned(),
            peer,
            local: Gpid::new(1, 7, 41),
            state: "open".to_owned(),
            group: "round-robin".to_owned(),
            rail,
            sent: 12,
            received: 7,
            retransmitted: 1,
            timeouts: 0,
            bytes_sent: 16_000,
            bytes_received: 90,
            srtt_us,
            queued: 3,
        };
        [
            circuit("00010003", Gpid::new(2, 9, 0), None, None),
            circuit("00010004", Gpid::new(11, 9, 812), Some(2), Some(310)),
        ]
    }

    #[test]
    fn columns_line_up() {
        let expected = "\
INDEX     CLASS  ROLE    PEER         LOCAL  STATE  GROUP        RAIL  SENT  RECV  AGAIN  LATE  OUT  IN  QUEUE     RTT
00010003  pdfs   active  linus2          41  open   round-robin     -    12     7      1     0  15K  90      3       -
00010004  pdfs   active  linus11:812     41  open   round-robin     2    12     7      1     0  15K  90      3  0.31ms
";
        assert_eq!(table(&circuits()), expected);
    }

    #[test]
    fn json_has_all_columns() {
        let value: serde_json::Value = serde_json::from_str(&json(&circuits()).unwrap()).unwrap();
        assert_eq!(value[0]["rail"], serde_json::Value::Null);
        assert_eq!(value[1]["srtt_us"], 310);
        assert_eq!(value[1]["peer_gpid"], "0000000b0009032c");
        assert_eq!(value[1].as_object().unwrap().len(), 18);
    }
}

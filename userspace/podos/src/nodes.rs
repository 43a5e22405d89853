// SPDX-License-Identifier: MIT OR Apache-2.0

//! `podos nodes`: what the Resource Manager knows about the cluster.

use std::path::PathBuf;

use anyhow::{Context, Result};
use podos::{Namesake, NodeState};
use serde::Serialize;

use crate::output;
use crate::table::{Side, Table};

/// List the nodes of the cluster, their state and their load
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  podos nodes --json")]
pub struct Arguments {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,

    /// The system state table to read
    #[arg(long, value_name = "DIR", default_value = podos::SST_DIRECTORY, hide = true)]
    sst: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let states = podos::system_state(&arguments.sst)?;
    warn_of_namesake();
    let text = if arguments.json {
        json(&states).context("cannot put the table into JSON")?
    } else {
        table(&states)
    };
    output::print(text)
}

/// Says so if another machine has this node's host id.
fn warn_of_namesake() {
    // Whoever can't be asked is no reason to keep the table back.
    let Ok(Some(Namesake { mac, yielded })) = podos::Cm::default().namesake() else {
        return;
    };
    let outcome = match yielded {
        true => "this node keeps silent until that one is gone",
        false => "that one keeps silent, and has to get one of its own",
    };
    eprintln!("podos: another machine, {mac}, has this node's host id, too: {outcome}");
}

/// A node in `--json`: the names and units of the files in sysfs.
#[derive(Serialize)]
struct JsonNode<'a> {
    node: String,
    host: u32,
    hostname: &'a str,
    alive: bool,
    interfaces: &'a [String],
    nr_running: u32,
    nr_tasks: u32,
    loadavg: [f32; 3],
    idle_time_ms: u64,
    mem_free: u64,
    mem_total: u64,
    boot: u16,
    age_ms: u64,
}

impl<'a> From<&'a NodeState> for JsonNode<'a> {
    fn from(state: &'a NodeState) -> Self {
        let millis = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self {
            node: state.node.to_string(),
            host: state.node.host(),
            hostname: &state.hostname,
            alive: state.alive,
            interfaces: &state.interfaces,
            nr_running: state.nr_running,
            nr_tasks: state.nr_tasks,
            loadavg: state.loadavg,
            idle_time_ms: millis(state.idle_time),
            mem_free: state.mem_free,
            mem_total: state.mem_total,
            boot: state.boot,
            age_ms: millis(state.age),
        }
    }
}

fn json(states: &[NodeState]) -> serde_json::Result<String> {
    let nodes: Vec<_> = states.iter().map(JsonNode::from).collect();
    Ok(serde_json::to_string_pretty(&nodes)? + "\n")
}

fn table(states: &[NodeState]) -> String {
    use Side::{Left, Right};
    let columns = [
        ("NODE", Left),
        ("STATE", Left),
        ("SEEN", Right),
        ("LOAD", Right),
        ("RUN", Right),
        ("TASKS", Right),
        ("FREE", Right),
        ("MEMORY", Right),
        ("RAILS", Right),
    ];
    Table::new(columns, states.iter().map(row)).text()
}

fn row(state: &NodeState) -> [String; 9] {
    [
        state.node.to_string(),
        if state.alive { "alive" } else { "down" }.to_owned(),
        format!("{:.1}s", state.age.as_secs_f32()),
        format!("{:.2}", state.loadavg[0]),
        state.nr_running.to_string(),
        state.nr_tasks.to_string(),
        mebibytes(state.mem_free),
        mebibytes(state.mem_total),
        state.interfaces.len().to_string(),
    ]
}

fn mebibytes(bytes: u64) -> String {
    format!("{}M", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos::Node;
    use std::time::Duration;

    fn states() -> Vec<NodeState> {
        [(2, true), (11, false)]
            .map(|(host, alive)| NodeState {
                node: Node::new(host).unwrap(),
                hostname: format!("linus{host}"),
                alive,
                interfaces: vec!["52:54:00:50:00:02".to_owned()],
                nr_running: 1,
                nr_tasks: 61,
                loadavg: [0.5, 0.25, 0.0],
                idle_time: Duration::from_millis(61234),
                mem_free: 200 << 20,
                mem_total: 256 << 20,
                boot: 7,
                age: Duration::from_millis(250),
            })
            .to_vec()
    }

    #[test]
    fn columns_line_up() {
        let text = table(&states());
        let expected = "\
NODE     STATE  SEEN  LOAD  RUN  TASKS  FREE  MEMORY  RAILS
linus2   alive  0.2s  0.50    1     61  200M    256M      1
linus11  down   0.2s  0.50    1     61  200M    256M      1
";
        assert_eq!(text, expected);
        assert_eq!(table(&[]).lines().count(), 1);
    }

    #[test]
    fn json_has_units_and_all_fields() {
        let value: serde_json::Value = serde_json::from_str(&json(&states()).unwrap()).unwrap();
        let node = &value[1];
        assert_eq!(node["node"], "linus11");
        assert_eq!(node["alive"], false);
        assert_eq!(node["idle_time_ms"], 61234);
        assert_eq!(node["mem_free"], 200 << 20);
        assert_eq!(node["loadavg"][0], 0.5);
        assert_eq!(node.as_object().unwrap().len(), 13);
    }
}

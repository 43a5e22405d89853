// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the supervisor tells of its nodes.

use std::fs;

use super::{Cluster, Inner};
use crate::alarm::Alarm;
use crate::control::{NodeStatus, Status};
use crate::supervisor::vm::Vm;
use crate::topology::node_name;

impl Cluster {
    pub(in crate::supervisor) fn status(&self) -> Status {
        let inner = self.lock();
        let describe = |id: &u32| {
            let node = inner.nodes.get(id)?;
            Some(NodeStatus {
                id: *id,
                name: node_name(*id),
                state: node.state(),
                problems: node.problems.clone(),
                qemu: node.vm.as_ref().map(Vm::pid),
                boots: node.boots,
                console: self.state.console(&node_name(*id)),
            })
        };
        let nodes = self
            .config
            .topology
            .nodes
            .iter()
            .filter_map(describe)
            .collect();
        Status {
            name: self.config.name.clone(),
            topology: self.config.topology.clone(),
            accelerator: self.accelerator.name().into(),
            supervisor: std::process::id(),
            folder: self.state.path().to_owned(),
            nodes,
            links: inner.links.all().to_vec(),
            alarms: inner
                .alarms
                .untaken()
                .iter()
                .map(|alarm| self.describe(alarm))
                .collect(),
        }
    }

    /// The first alarm not yet taken.
    pub(in crate::supervisor) fn alarm(&self, inner: &Inner) -> Option<Alarm> {
        inner
            .alarms
            .untaken()
            .first()
            .map(|alarm| self.describe(alarm))
    }

    pub(in crate::supervisor) fn take_alarms(&self) -> Vec<Alarm> {
        let alarms = self.lock().alarms.take();
        alarms.iter().map(|alarm| self.describe(alarm)).collect()
    }

    pub(super) fn describe(&self, (id, line): &(u32, String)) -> Alarm {
        let console = self.consoles.get(id);
        Alarm {
            node: node_name(*id),
            line: line.clone(),
            console: console
                .map(|console| console.path().clone())
                .unwrap_or_default(),
            tail: console.map(|console| console.tail()).unwrap_or_default(),
        }
    }

    /// The last lines of a node's console and of QEMU's own words, under a heading each.
    pub(in crate::supervisor) fn last_words(&self, id: u32) -> String {
        let mut text = String::new();
        let mut section = |path: &std::path::Path, lines: Vec<String>| {
            text += &format!("\nlast lines of {}:", path.display());
            lines.iter().for_each(|line| text += &format!("\n  {line}"));
        };
        let said = fs::read_to_string(self.state.log()).unwrap_or_default();
        let said = said
            .lines()
            .rev()
            .take(10)
            .map(str::to_owned)
            .collect::<Vec<_>>();
        if !said.is_empty() {
            section(&self.state.log(), said.into_iter().rev().collect());
        }
        if let Some(console) = self.consoles.get(&id) {
            section(console.path(), console.tail());
        }
        text
    }
}

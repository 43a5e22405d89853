// SPDX-License-Identifier: MIT OR Apache-2.0

//! Firmware at its places on the rails.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{pidfd_send_signal, Signal};

use super::cluster::Cluster;
use super::Order;
use crate::clock::Clock;
use crate::control::FirmwareState;
use crate::control::Refusal;
use crate::error::{IoContext, Result};
use crate::keys;
use crate::state::StateDir;
use crate::supervisor::console::Console;
use crate::supervisor::qemu::FirmwareBoot;
use crate::supervisor::vm;
use crate::topology::firmware_name;
use crate::topology::Topology;

/// What the main thread is to boot.
pub(super) struct Boot {
    pub place: u32,
    pub program: PathBuf,
    pub script: String,
}

/// All places of a cluster.
pub(super) struct Places(BTreeMap<u32, Mutex<Place>>);

/// One place; at most one firmware runs there at a time.
struct Place {
    console: Arc<Console>,
    boots: u16,
    /// Its QEMU, while it runs.
    process: Option<OwnedFd>,
    ended: String,
    code: Option<i32>,
}

impl Places {
    pub(super) fn make(state: &StateDir, topology: &Topology, clock: Clock) -> Result<Self> {
        let place = |id: &u32| {
            let name = firmware_name(*id);
            let path = state.console(&name);
            let console = Console::create(&name, path.clone(), clock);
            let place = Place {
                console: Arc::new(console.context(|| format!("create {}", path.display()))?),
                boots: 0,
                process: None,
                ended: "never booted".into(),
                code: None,
            };
            Ok((*id, Mutex::new(place)))
        };
        topology
            .firmware
            .iter()
            .map(place)
            .collect::<Result<_>>()
            .map(Self)
    }

    fn get(&self, id: u32) -> std::result::Result<MutexGuard<'_, Place>, Refusal> {
        let place = self.0.get(&id);
        let place = place.ok_or_else(|| {
            let there: Vec<_> = self.0.keys().collect();
            Refusal::Other(format!(
                "the topology has no place {id} for firmware; its places are {there:?}"
            ))
        })?;
        Ok(place.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Kills what runs at a place, if anything does.
    pub(super) fn kill(&self, id: u32) -> std::result::Result<(), Refusal> {
        if let Some(process) = &self.get(id)?.process {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        Ok(())
    }

    pub(super) fn kill_all(&self) {
        self.0.keys().for_each(|id| {
            let _ = self.kill(*id);
        });
    }

    pub(super) fn state(&self, id: u32) -> std::result::Result<FirmwareState, Refusal> {
        let place = self.get(id)?;
        Ok(FirmwareState {
            console: place.console.path().clone(),
            ended: place.process.is_none().then(|| place.ended.clone()),
            code: place.code,
        })
    }
}

/// Boots firmware, from any thread.
pub(super) fn start(cluster: &Cluster, boot: Boot) -> std::result::Result<(), Refusal> {
    let (done, started) = channel();
    cluster.order(Order::Firmware(boot, done))?;
    let gone = |_| Refusal::Other("the cluster is going down".into());
    started.recv().map_err(gone)?
}

/// Boots firmware. Main thread only (see [`vm::start`]).
pub(super) fn boot(cluster: &Arc<Cluster>, boot: &Boot) -> std::result::Result<(), Refusal> {
    let id = boot.place;
    let mut place = cluster.firmware().get(id)?;
    if place.process.is_some() {
        let name = firmware_name(id);
        return Err(Refusal::Other(format!("{name} runs already")));
    }
    place.boots += 1;
    let started = launch(cluster, boot, place.boots).map_err(Refusal::of)?;
    let name = firmware_name(id);
    let (pid, sequence) = (started.pid, place.boots);
    cluster
        .events()
        .note(&name, &format!("boot {sequence}, QEMU {pid}"));
    (place.process, place.code) = (Some(started.process), None);
    let (cluster, console) = (Arc::clone(cluster), Arc::clone(&place.console));
    let mut child = started.child;
    let (serial, monitor) = (started.console, started.monitor);
    std::thread::spawn(move || {
        console.follow(serial, |_| {});
        let (ended, code) = match child.wait() {
            Ok(status) => (status.to_string(), status.code()),
            Err(error) => (error.to_string(), None),
        };
        drop(monitor);
        cluster
            .events()
            .note(&name, &format!("QEMU ended, {ended}"));
        if let Ok(mut place) = cluster.firmware().get(id) {
            (place.process, place.ended, place.code) = (None, ended, code);
        }
    });
    Ok(())
}

fn launch(cluster: &Cluster, boot: &Boot, sequence: u16) -> Result<vm::Started> {
    let (id, topology, state) = (boot.place, cluster.topology(), cluster.state());
    let name = firmware_name(id);
    let path = state.path().join(format!("{name}.scenario"));
    let text = scenario(topology, id, sequence, &boot.script);
    fs::write(&path, text).context(|| format!("write {}", path.display()))?;
    let plugs = cluster.network().plugs(id);
    let plugs = plugs.context(|| format!("plug {name} into its rails"))?;
    let boot = FirmwareBoot {
        place: id,
        accelerator: cluster.accelerator(),
        program: boot.program.clone(),
        scenario: path,
        key: keys::file(&state.keys(), cluster.images(), topology, id),
    };
    vm::launch(plugs, cluster.log(), |sockets| {
        boot.arguments(topology, sockets)
    })
}

/// What the topology says of the firmware, and then its script.
fn scenario(topology: &Topology, id: u32, sequence: u16, script: &str) -> String {
    let mtu = topology.rails.iter().map(|rail| format!(" {}", rail.mtu));
    let (mode, mtu) = (topology.cm_mode, mtu.collect::<String>());
    let seed = topology.seed;
    format!("mode {mode}\nhost {id}\nboot {sequence}\nmtu{mtu}\nseed {seed}\n{script}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rail;

    #[test]
    fn a_scenario_begins_with_what_the_cluster_is() {
        let rails = vec![Rail::default(), Rail::of_mtu(9000)];
        let topology = Topology {
            rails,
            ..Topology::nodes(1)
        };
        let text = scenario(&topology, 9, 2, "join 1");
        assert_eq!(
            text,
            "mode aead\nhost 9\nboot 2\nmtu 1500 9000\nseed 1\njoin 1\n"
        );
    }
}

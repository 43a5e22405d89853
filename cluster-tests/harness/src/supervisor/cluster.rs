// SPDX-License-Identifier: MIT OR Apache-2.0

//! The nodes, from the inside.

mod status;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use podos_agent_proto::{Frame, VERSION};
use podos_switch::Selector;

use super::alarms::Alarms;
use super::firmware::Places;
use super::links::Links;
use super::network::Network;
use super::Order;
use crate::accel::Accelerator;
use crate::alarm::is_alarm;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Answer, NodeState, Refusal};
use crate::error::{Error, IoContext, Result};
use crate::image::Images;
use crate::keys;
use crate::state::StateDir;
use crate::supervisor::agent::AgentPort;
use crate::supervisor::console::Console;
use crate::supervisor::events::Events;
use crate::supervisor::qemu::{self, Boot};
use crate::supervisor::qmp::Qmp;
use crate::supervisor::tsc;
use crate::supervisor::vm::{self, Vm};
use crate::topology::{node_name, Topology};

/// How long killed QEMUs may take to be gone.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How long the memory of a node may take to be written, under KVM.
const SAVES_WITHIN: Duration = Duration::from_secs(30);

/// A cluster as its supervisor has it.
pub(super) struct Cluster {
    config: Config,
    state: StateDir,
    accelerator: Accelerator,
    network: Network,
    events: Events,
    log: File,
    consoles: BTreeMap<u32, Arc<Console>>,
    firmware: Places,
    orders: Sender<Order>,
    inner: Mutex<Inner>,
    /// Something in `inner` changed.
    changed: Condvar,
}

/// What changes.
pub(super) struct Inner {
    pub nodes: BTreeMap<u32, Node>,
    pub alarms: Alarms,
    /// All nodes are killed, or about to be.
    ending: bool,
    /// Processes that were not waited for yet.
    running: usize,
    /// What was done to the links, whichever boot it is.
    pub links: Links,
}

/// A node, up or down.
#[derive(Default)]
pub(super) struct Node {
    pub vm: Option<Vm>,
    /// The agent said that boot is over.
    pub booted: bool,
    pub problems: Vec<String>,
    /// We killed it: that it is down is no surprise.
    pub killed: bool,
    /// Its processor stands still.
    pub paused: bool,
    pub boots: u16,
    /// How its last QEMU ended.
    pub ended: String,
}

impl Node {
    fn state(&self) -> NodeState {
        match (&self.vm, self.booted, self.problems.is_empty()) {
            (None, ..) => NodeState::Down,
            (Some(_), ..) if self.paused => NodeState::Paused,
            (Some(_), false, _) => NodeState::Booting,
            (Some(_), true, true) => NodeState::Up,
            (Some(_), true, false) => NodeState::Broken,
        }
    }
}

impl Cluster {
    pub(super) fn new(
        config: Config,
        state: StateDir,
        clock: Clock,
        network: Network,
        orders: Sender<Order>,
    ) -> Result<Arc<Self>> {
        let path = state.log();
        let log = OpenOptions::new().append(true).open(&path);
        let log = log.context(|| format!("open {}", path.display()))?;
        let events = Events::create(state.events(), clock);
        let events = events.context(|| format!("create {}", state.events().display()))?;
        let mut consoles = BTreeMap::new();
        for id in &config.topology.nodes {
            let (name, path) = (node_name(*id), state.console(&node_name(*id)));
            let console = Console::create(&name, path.clone(), clock);
            let console = console.context(|| format!("create {}", path.display()))?;
            consoles.insert(*id, Arc::new(console));
        }
        let firmware = Places::make(&state, &config.topology, clock)?;
        let nodes = config
            .topology
            .nodes
            .iter()
            .map(|id| (*id, Node::default()))
            .collect();
        let inner = Inner {
            nodes,
            alarms: Alarms::default(),
            ending: false,
            running: 0,
            links: Links::new(&config.topology),
        };
        let accelerator = match config.topology.counter {
            Some(_) => Accelerator::Tcg,
            None => Accelerator::detect(),
        };
        Ok(Arc::new(Self {
            config,
            state,
            accelerator,
            network,
            events,
            log,
            consoles,
            firmware,
            orders,
            inner: Mutex::new(inner),
            changed: Condvar::new(),
        }))
    }

    pub(super) fn topology(&self) -> &Topology {
        &self.config.topology
    }

    pub(super) fn images(&self) -> &Images {
        &self.config.images
    }

    pub(super) fn state(&self) -> &StateDir {
        &self.state
    }

    /// Where QEMUs say what is wrong with them.
    pub(super) fn log(&self) -> &File {
        &self.log
    }

    /// The places of test firmware.
    pub(super) fn firmware(&self) -> &Places {
        &self.firmware
    }

    pub(super) fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, or so long.
    pub(super) fn wait_change<'a>(
        &self,
        inner: MutexGuard<'a, Inner>,
        limit: Duration,
    ) -> MutexGuard<'a, Inner> {
        self.changed
            .wait_timeout(inner, limit)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Boots a node that is down, or lets it go on from a snapshot. Main thread only (see
    /// [`vm::start`]).
    pub(super) fn boot(self: &Arc<Self>, id: u32, snapshot: Option<PathBuf>) -> Result<()> {
        let name = node_name(id);
        let (Some(console), Some(sequence)) = (
            self.consoles.get(&id),
            self.next_boot(id, snapshot.is_some()),
        ) else {
            let reason = format!("{name} is up, or has booted too often");
            return Err(Error::Supervisor {
                cluster: self.config.name.clone(),
                reason,
            });
        };
        let boot = Boot {
            node: id,
            sequence,
            accelerator: self.accelerator,
            key: keys::file(&self.state.keys(), self.images(), self.topology(), id),
            tsc_khz: tsc::khz(),
            snapshot,
            counts: self.state.counts(&name),
        };
        let plugs = self.network.plugs(id);
        let plugs = plugs.context(|| format!("plug {name} into its rails"))?;
        let mut started = vm::start(&self.config, &boot, plugs, &self.log)?;
        let how = match boot.snapshot {
            Some(_) => ", from a snapshot",
            None => "",
        };
        self.events.note(
            &name,
            &format!("boot {sequence}{how}, QEMU {}", started.pid),
        );
        let listener = Arc::clone(self);
        let heard = move |frame| listener.heard(id, sequence, frame);
        let agent = AgentPort::start(started.agent, heard)
            .context(|| format!("reach the agent of {name}"))?;
        let monitor =
            Qmp::new(started.monitor).context(|| format!("reach the monitor of {name}"))?;
        let monitor = Arc::new(monitor);
        self.unplug(&monitor, id);
        let vm = Vm::new(started.pid, started.process, agent, monitor);
        self.change(|inner| {
            inner.running += 1;
            if let Some(node) = inner.nodes.get_mut(&id) {
                *node = Node {
                    vm: Some(vm),
                    // Its agent said so before the snapshot was taken; or there is none to wait for.
                    booted: boot.snapshot.is_some() || !self.images().of(id).has_agent,
                    boots: sequence,
                    ..Node::default()
                };
            }
        });
        let (cluster, console) = (Arc::clone(self), Arc::clone(console));
        std::thread::spawn(move || {
            console.follow(started.console, |line| cluster.printed(id, line));
            let ended = match started.child.wait() {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            cluster
                .events
                .note(&node_name(id), &format!("QEMU ended, {ended}"));
            cluster.ended(id, ended);
        });
        Ok(())
    }

    /// The boot sequence for a node that is down: the next one, or, `again`, the last one.
    fn next_boot(&self, id: u32, again: bool) -> Option<u16> {
        let inner = self.lock();
        let node = inner.nodes.get(&id).filter(|node| node.vm.is_none())?;
        node.boots.checked_add(u16::from(!again))
    }

    /// A frame about the node itself came from its agent.
    fn heard(&self, id: u32, sequence: u16, frame: Frame) {
        let name = node_name(id);
        let (booted, problems) = match frame {
            Frame::Hello {
                version: VERSION,
                node,
            } if node == self.topology().host_id(id) => {
                self.events.note(&name, "agent answers");
                return;
            }
            Frame::Hello { version, node } => {
                let problem = format!(
                    "its agent speaks version {version} as node {node}, not {VERSION} as {id}: \
                     build the image anew"
                );
                (true, vec![problem])
            }
            Frame::Ready { problems } => (true, problems),
            _ => return,
        };
        self.events
            .note(&name, &format!("boot is over, {} problems", problems.len()));
        self.change(|inner| {
            let node = inner.nodes.get_mut(&id);
            if let Some(node) = node.filter(|node| node.boots == sequence) {
                node.booted = booted;
                node.problems.extend(problems);
            }
        });
    }

    /// The QEMU of a node is gone.
    fn ended(&self, id: u32, ended: String) {
        let mut surprise = None;
        self.change(|inner| {
            inner.running -= 1;
            let expected = inner.alarms.may_end(id);
            if let Some(node) = inner.nodes.get_mut(&id) {
                node.killed |= expected;
                if !node.killed && !inner.ending {
                    surprise = Some(format!("QEMU ended by itself: {ended}"));
                }
                (node.vm, node.ended) = (None, ended);
            }
        });
        // Only to those who watch: a user may well switch a node off from the inside.
        if let Some(line) = surprise {
            let listeners = self.lock().alarms.take_listeners();
            if !listeners.is_empty() {
                self.raise(id, &line, listeners);
            }
        }
    }

    fn printed(&self, id: u32, line: &str) {
        if is_alarm(line) {
            self.raise(id, line, Vec::new());
        }
    }

    /// Takes a alarm down, and tells it to those who listen.
    fn raise(&self, id: u32, line: &str, mut listeners: Vec<UnixStream>) {
        let mut expected = false;
        self.change(|inner| {
            expected = inner.alarms.hear(id, line);
            if !expected {
                listeners.extend(inner.alarms.take_listeners());
            }
        });
        let what = if expected { "expected alarm" } else { "ALARM" };
        self.events.note(&node_name(id), &format!("{what}: {line}"));
        let alarm = self.describe(&(id, line.to_owned()));
        for mut listener in listeners {
            // One that left is no concern of ours.
            let _ = control::send(&mut listener, &Answer::Alarms(vec![alarm.clone()]));
        }
    }

    pub(super) fn console(&self, id: u32) -> std::result::Result<Arc<Console>, Refusal> {
        self.consoles
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::NodeDown(node_name(id)))
    }

    /// Whether a node has a QEMU.
    pub(super) fn runs(&self, id: u32) -> bool {
        self.lock()
            .nodes
            .get(&id)
            .is_some_and(|node| node.vm.is_some())
    }

    /// The agent port of a node that runs.
    pub(super) fn agent(&self, id: u32) -> std::result::Result<Arc<AgentPort>, Refusal> {
        if !self.images().of(id).has_agent {
            let name = node_name(id);
            return Err(Refusal::Other(format!(
                "the image of {name} has no agent to ask"
            )));
        }
        let inner = self.lock();
        let vm = inner.nodes.get(&id).and_then(|node| node.vm.as_ref());
        vm.map(|vm| Arc::clone(&vm.agent))
            .ok_or_else(|| Refusal::NodeDown(node_name(id)))
    }

    /// Kills a node and waits until it is gone.
    pub(super) fn kill(&self, id: u32) -> std::result::Result<(), Refusal> {
        let name = node_name(id);
        let mut inner = self.lock();
        let node = inner
            .nodes
            .get_mut(&id)
            .ok_or_else(|| Refusal::NodeDown(name.clone()))?;
        let Some(vm) = &node.vm else {
            return Err(Refusal::NodeDown(name));
        };
        self.events.note(&name, "FAULT: kill");
        vm.kill();
        node.killed = true;
        let deadline = Instant::now() + ENDS_WITHIN;
        while inner.nodes.get(&id).is_some_and(|node| node.vm.is_some()) {
            if Instant::now() > deadline {
                return Err(Refusal::Other(format!("QEMU of {name} does not die")));
            }
            inner = self.wait_change(inner, ENDS_WITHIN);
        }
        Ok(())
    }

    /// Writes the memory of a node to `file`, and kills it.
    pub(super) fn snapshot(&self, id: u32, file: &Path) -> std::result::Result<(), Refusal> {
        let name = node_name(id);
        let monitor = self.monitor(id)?;
        self.events
            .note(&name, &format!("snapshot to {}", file.display()));
        let limit = self.accelerator.scale(SAVES_WITHIN);
        let saved = monitor.save(&qemu::to_file(file), limit);
        saved.map_err(|error| refused_by_monitor(&name, &error))?;
        self.kill(id)
    }

    /// Kills all nodes that run, and waits until they are gone, or don't go.
    pub(super) fn kill_all(&self) {
        let deadline = Instant::now() + ENDS_WITHIN;
        let mut inner = self.lock();
        inner.ending = true;
        inner
            .nodes
            .values()
            .filter_map(|node| node.vm.as_ref())
            .for_each(Vm::kill);
        while inner.running > 0 && Instant::now() < deadline {
            inner = self.wait_change(inner, ENDS_WITHIN);
        }
    }

    /// Lets a node stand still, or go on.
    pub(super) fn pause(&self, id: u32, pause: bool) -> std::result::Result<(), Refusal> {
        let name = node_name(id);
        let monitor = self.monitor(id)?;
        let what = if pause { "pause" } else { "resume" };
        self.events.note(&name, &format!("FAULT: {what}"));
        let done = match pause {
            true => monitor.stop(),
            false => monitor.cont(),
        };
        done.map_err(|error| refused_by_monitor(&name, &error))?;
        self.change(|inner| {
            if let Some(node) = inner.nodes.get_mut(&id) {
                node.paused = pause && node.vm.is_some();
            }
        });
        Ok(())
    }

    /// Has the monitor of a node carry out a command.
    pub(super) fn ask_monitor(
        &self,
        id: u32,
        command: &str,
        arguments: &serde_json::Value,
    ) -> std::result::Result<serde_json::Value, Refusal> {
        let returned = self.monitor(id)?.execute(command, arguments);
        returned.map_err(|error| refused_by_monitor(&node_name(id), &error))
    }

    /// Gives a node its carrier on a rail or on all, or takes it away, for its later boots, too.
    pub(super) fn set_links(
        &self,
        id: u32,
        rail: Option<u8>,
        up: bool,
    ) -> std::result::Result<(), Refusal> {
        let all = 0..self.topology().rails.len() as u8;
        let rails = rail.map_or(all, |rail| rail..rail + 1);
        let at = Selector {
            rail,
            ..Selector::node(id)
        };
        self.change(|inner| inner.links.plug(at, up));
        // One that is down hears of it when it boots.
        let Ok(monitor) = self.monitor(id) else {
            return Ok(());
        };
        for rail in rails {
            let done = monitor.set_link(rail, up);
            done.map_err(|error| refused_by_monitor(&node_name(id), &error))?;
        }
        Ok(())
    }

    /// Takes from a node that boots the carriers that it has not.
    fn unplug(&self, monitor: &Qmp, id: u32) {
        let unplugged = self.lock().links.unplugged(id);
        for rail in unplugged {
            if let Err(error) = monitor.set_link(rail, false) {
                eprintln!("monitor of {}: {error}", node_name(id));
            }
        }
    }

    /// The monitor of a node that runs.
    fn monitor(&self, id: u32) -> std::result::Result<Arc<Qmp>, Refusal> {
        if !self.images().of(id).has_agent {
            let name = node_name(id);
            return Err(Refusal::Other(format!(
                "the image of {name} has no agent to ask"
            )));
        }
        let inner = self.lock();
        let vm = inner.nodes.get(&id).and_then(|node| node.vm.as_ref());
        vm.map(|vm| Arc::clone(&vm.monitor))
            .ok_or_else(|| Refusal::NodeDown(node_name(id)))
    }

    /// As [`Cluster::boot`], from any thread.
    pub(super) fn start(
        &self,
        id: u32,
        snapshot: Option<PathBuf>,
    ) -> std::result::Result<(), Refusal> {
        let (done, started) = channel();
        let gone = || Refusal::Other("the cluster is going down".into());
        self.orders
            .send(Order::Start(id, snapshot, done))
            .map_err(|_| gone())?;
        started
            .recv()
            .map_err(|_| gone())?
            .map_err(|error| Refusal::Other(error.to_string()))
    }

    /// Has the main thread do something.
    pub(super) fn order(&self, order: Order) -> std::result::Result<(), Refusal> {
        let gone = |_| Refusal::Other("the cluster is going down".into());
        self.orders.send(order).map_err(gone)
    }

    /// Ends the cluster soon.
    pub(super) fn order_end(&self) {
        // A main thread that listens no more is at it already.
        let _ = self.orders.send(Order::End);
    }

    /// Kills what runs, waits for it, and removes the folder. Main thread only.
    pub(super) fn end(&self) {
        self.firmware.kill_all();
        self.kill_all();
        if let Err(error) = fs::remove_dir_all(self.state.path()) {
            eprintln!("remove {}: {error}", self.state.path().display());
        }
        let _ = self.state.path().parent().map(fs::remove_dir);
    }
}

fn refused_by_monitor(name: &str, error: &std::io::Error) -> Refusal {
    Refusal::Other(format!("QEMU's monitor of {name}: {error}"))
}

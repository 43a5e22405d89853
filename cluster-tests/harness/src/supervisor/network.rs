// SPDX-License-Identifier: MIT OR Apache-2.0

//! The rails, however they are made, and the faults that they can have.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use podos_switch::Engine;
use podos_switch::{Direction, Rate, Selector};

use crate::control::{Answer, SwitchRequest};
use crate::error::{Error, IoContext, Result};
use crate::supervisor::namespace;
use crate::topology::{Net, Topology};

/// The rails of a cluster.
pub(super) enum Network {
    Bridge,
    /// A switch per rail.
    Switch(Vec<Engine>),
}

impl Network {
    /// Makes the rails. With bridges this process, which must have one thread, moves into
    /// namespaces of its own.
    pub(super) fn make(topology: &Topology) -> Result<Self> {
        let network = match topology.net {
            Net::Bridge => {
                namespace::enter()?;
                namespace::make_rails(topology)?;
                Self::Bridge
            }
            Net::Switch => {
                let places: Vec<_> = topology.places().collect();
                let engine = |rail| Engine::start(rail, topology.seed, &places);
                let engines = (0..topology.rails.len() as u8).map(engine);
                let engines = engines.collect::<io::Result<_>>();
                Self::Switch(engines.context(|| "start a switch".into())?)
            }
        };
        for (number, rail) in topology.rails.iter().enumerate() {
            if let Some(rate) = rail.rate {
                network.rate(topology, Selector::rail(number as u8), Some(rate))?;
            }
        }
        Ok(network)
    }

    /// The sockets that become a node's interfaces, rail by rail; none with bridges, where taps
    /// do.
    pub(super) fn plugs(&self, node: u32) -> io::Result<Vec<OwnedFd>> {
        let Self::Switch(engines) = self else {
            return Ok(Vec::new());
        };
        let plug = |engine: &Engine| {
            let (ours, guest) = UnixStream::pair()?;
            engine.plug(node, ours)?;
            Ok(guest.into())
        };
        engines.iter().map(plug).collect()
    }

    /// Lets ports lose everything, or ends that.
    pub(super) fn cut(&self, topology: &Topology, at: Selector, cut: bool) -> Result<()> {
        match self {
            Self::Bridge if at.direction != Direction::Both => Err(needs_switch()),
            Self::Bridge => namespace::block(topology, at, cut),
            Self::Switch(engines) => {
                each(engines, at.rail, |engine| engine.set_cut(at, cut));
                Ok(())
            }
        }
    }

    /// Shapes ports; with no direction given, what nodes receive.
    pub(super) fn rate(&self, topology: &Topology, at: Selector, rate: Option<Rate>) -> Result<()> {
        match self {
            Self::Bridge if at.direction == Direction::Sent => Err(needs_switch()),
            Self::Bridge => namespace::shape(topology, at, rate),
            Self::Switch(engines) => {
                let at = at.shaped();
                each(engines, at.rail, |engine| engine.set_rate(at, rate));
                Ok(())
            }
        }
    }

    /// What only switches can do.
    pub(super) fn order(&self, order: SwitchRequest) -> Result<Answer> {
        let Self::Switch(engines) = self else {
            return Err(needs_switch());
        };
        match order {
            SwitchRequest::Set { at, faults } => {
                each(engines, at.rail, |engine| engine.set_faults(at, faults));
            }
            SwitchRequest::Partition { rail, groups } => {
                each(engines, rail, |engine| engine.partition(&groups));
            }
            SwitchRequest::Reseed { seed } => {
                each(engines, None, |engine| engine.reseed(seed));
            }
            SwitchRequest::Capture { rail, file } => {
                let Some(engine) = engines.get(usize::from(rail)) else {
                    return Ok(Answer::Done);
                };
                let file = file.as_deref();
                let captured = engine.capture(file);
                captured.context(|| match file {
                    Some(file) => format!("capture rail {rail} to {}", file.display()),
                    None => format!("end the capture of rail {rail}"),
                })?;
            }
            SwitchRequest::Recent { files } => {
                for (engine, file) in engines.iter().zip(files) {
                    std::fs::write(&file, engine.recent())
                        .context(|| format!("write {}", file.display()))?;
                }
            }
            SwitchRequest::Counters => {
                return Ok(Answer::Ports(
                    engines.iter().flat_map(Engine::counters).collect(),
                ));
            }
        }
        Ok(Answer::Done)
    }
}

/// The switches of a rail, or of all.
fn each(engines: &[Engine], rail: Option<u8>, act: impl FnMut(&Engine)) {
    let one = rail.map(usize::from);
    let engines = engines.iter().enumerate();
    engines
        .filter(|(index, _)| one.is_none_or(|one| one == *index))
        .map(|(_, engine)| engine)
        .for_each(act);
}

fn needs_switch() -> Error {
    let reason = "network `bridge` can't do this to frames: start the cluster with --net switch";
    Error::Topology {
        flag: "--net",
        reason: reason.into(),
    }
}

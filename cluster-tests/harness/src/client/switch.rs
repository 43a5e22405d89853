// SPDX-License-Identifier: MIT OR Apache-2.0

//! The switches of a running cluster with [`Net::Switch`](crate::Net::Switch), from the outside.

use std::path::{Path, PathBuf};

use podos_switch::{Faults, PortCounters, Selector};

use crate::client::cluster::Cluster;
use crate::control::{Answer, Request, SwitchRequest};
use crate::error::{IoContext, Result};

/// The switches, one per rail: what they do to frames can be changed at any
/// time, and holds from the next frame on.
///
/// Every random choice is drawn from the seed, the rail, the node, the
/// direction and how many frames passed there before: the same frames meet
/// the same faults, whatever other ports do.
#[derive(Clone, Copy, Debug)]
pub struct Switch<'a> {
    cluster: &'a Cluster,
}

impl<'a> Switch<'a> {
    pub(crate) fn new(cluster: &'a Cluster) -> Self {
        Self { cluster }
    }

    /// Sets the faults of these ports; what was set there before is gone.
    pub fn set(&self, at: Selector, faults: Faults) -> Result<()> {
        self.order(SwitchRequest::Set { at, faults })
    }

    /// Ends all faults of frames, partitions and cuts, on all ports. Rates stay.
    pub fn clear(&self) -> Result<()> {
        self.order(SwitchRequest::Set {
            at: Selector::ALL,
            faults: Faults::default(),
        })?;
        self.heal(None)?;
        self.cluster.mend(Selector::ALL)
    }

    /// Lets only nodes of the same group hear each other, on this rail or on all. Nodes that are
    /// in no group are together in one more.
    pub fn partition(&self, rail: Option<u8>, groups: &[&[u32]]) -> Result<()> {
        let groups = groups.iter().map(|group| group.to_vec()).collect();
        self.order(SwitchRequest::Partition { rail, groups })
    }

    /// Ends a partition, on this rail or on all.
    pub fn heal(&self, rail: Option<u8>) -> Result<()> {
        let groups = Vec::new();
        self.order(SwitchRequest::Partition { rail, groups })
    }

    /// Lets a rail lose everything without a word (see [`Cluster::cut`]).
    pub fn cut(&self, rail: u8) -> Result<()> {
        self.cluster.cut(Selector::rail(rail))
    }

    /// Ends a cut.
    pub fn mend(&self, rail: u8) -> Result<()> {
        self.cluster.mend(Selector::rail(rail))
    }

    /// Draws from this seed from now on, as if no frame had passed yet.
    pub fn reseed(&self, seed: u64) -> Result<()> {
        self.order(SwitchRequest::Reseed { seed })
    }

    /// Writes what the nodes send on a rail to a pcap file, from now on, before any fault; in place
    /// of a capture of that rail that runs already.
    pub fn capture(&self, rail: u8, file: impl AsRef<Path>) -> Result<()> {
        let file = file.as_ref();
        let file = std::path::absolute(file).context(|| format!("find {}", file.display()))?;
        let file = Some(file);
        self.order(SwitchRequest::Capture { rail, file })
    }

    /// Ends the capture of a rail; its file is complete afterwards.
    pub fn end_capture(&self, rail: u8) -> Result<()> {
        self.order(SwitchRequest::Capture { rail, file: None })
    }

    /// Writes the last frames that the nodes sent, up to 4 MiB of every rail, to `railN.pcap` in a
    /// folder that is there; the files. They are at hand always: no capture had to be begun.
    pub fn recent(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let folder = folder.as_ref();
        let folder =
            std::path::absolute(folder).context(|| format!("find {}", folder.display()))?;
        let rails = 0..self.cluster.topology().rails.len();
        let files = rails.map(|rail| folder.join(format!("rail{rail}.pcap")));
        let files = files.collect::<Vec<_>>();
        let request = SwitchRequest::Recent {
            files: files.clone(),
        };
        self.order(request).map(|()| files)
    }

    /// What every port counted so far, rail by rail, in the order of the nodes.
    pub fn counters(&self) -> Result<Vec<PortCounters>> {
        match self
            .cluster
            .ask(&Request::Switch(SwitchRequest::Counters))?
        {
            (Answer::Ports(ports), _) => Ok(ports),
            (other, _) => Err(self.cluster.odd(&other)),
        }
    }

    fn order(&self, order: SwitchRequest) -> Result<()> {
        self.cluster.request(&Request::Switch(order))
    }
}

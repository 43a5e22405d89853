// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node: its lives, one after the other, each a run of CM.

use podos_proto::{Gpid, HostId};

use crate::clock::Nanos;
use crate::ether::Ether;
use crate::life::{Birth, Life};

/// See the module.
#[derive(Debug)]
pub struct Node {
    index: u32,
    boot: u16,
    incarnation: u32,
    life_number: u32,
    life: Option<Box<Life>>,
    /// Up to where in the air it has listened.
    pub heard: u64,
}

impl Node {
    /// A node that is off. Host ids count from 1.
    pub fn new(index: u32) -> Self {
        Self {
            index,
            boot: 0,
            incarnation: 0,
            life_number: 0,
            life: None,
            heard: 0,
        }
    }

    /// The host id of the node with this number.
    pub fn host(index: u32) -> HostId {
        HostId::new(index + 1)
    }

    /// The number of its present life, or of its last one.
    pub fn life_number(&self) -> u32 {
        self.life_number
    }

    /// Its present life.
    pub fn life(&self) -> Option<&Life> {
        self.life.as_deref()
    }

    /// The same, to be changed.
    pub fn life_mut(&mut self) -> Option<&mut Life> {
        self.life.as_deref_mut()
    }

    /// The node boots.
    pub fn boot(&mut self, ether: &mut Ether) {
        self.boot += 1;
        self.start(ether);
    }

    /// CM is loaded, in the boot that the node is in.
    pub fn start(&mut self, ether: &mut Ether) {
        self.incarnation = (ether.random.draw() as u32).max(1);
        let gpid = Gpid::new(Self::host(self.index), self.boot, 0);
        let incarnation = self.incarnation;
        self.life_number = ether.judge.born(ether.now, self.index, gpid, incarnation);
        ether.lives[self.index as usize] = self.life_number;
        self.heard = ether.air.end();
        let birth = Birth {
            node: self.index,
            life: self.life_number,
            gpid,
            incarnation: self.incarnation,
        };
        let mut life = Box::new(Life::new(ether, birth));
        life.start(ether);
        self.life = Some(life);
    }

    /// The node stops, `orderly` with a word to the others.
    pub fn stop(&mut self, ether: &mut Ether, orderly: bool) {
        let Some(mut life) = self.life.take() else {
            return;
        };
        if orderly {
            life.leave(ether);
        }
        ether.judge.died(ether.now, self.life_number);
    }

    /// Takes in all frames to all that have come since it last did.
    pub fn listen(&mut self, ether: &mut Ether) {
        let Some(life) = self.life.as_deref_mut() else {
            self.heard = ether.air.end();
            return;
        };
        // Nothing is put on the air meanwhile: frames arrive there by events of their own.
        let air = std::mem::take(&mut ether.air);
        while let Some(arrival) = air.get(self.heard) {
            self.heard += 1;
            if ether.config.are_acquainted(arrival.from, self.index) {
                life.overhear(ether, arrival);
            }
        }
        ether.air = air;
    }

    /// How long the node has lived, if it does.
    pub fn age(&self, ether: &Ether) -> Option<Nanos> {
        self.life.as_ref()?;
        Some(ether.now - ether.judge.life(self.life_number).from)
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node: its lives, one after the other, each with a communication manager of its own.

use podos_proto::Gpid;

use crate::clock::{Nanos, MILLIS};
use crate::ether::Ether;
use crate::manager::{Birth, Manager};

/// See the module.
#[derive(Debug)]
pub struct Node {
    index: u32,
    boot: u16,
    incarnation: u32,
    life: u32,
    manager: Option<Box<Manager>>,
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
            life: 0,
            manager: None,
            heard: 0,
        }
    }

    /// The host id of the node with this number.
    pub fn host(index: u32) -> u32 {
        index + 1
    }

    /// Its present life, or its last one.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// Its communication manager, while it lives.
    pub fn manager(&self) -> Option<&Manager> {
        self.manager.as_deref()
    }

    /// The same, to be changed.
    pub fn manager_mut(&mut self) -> Option<&mut Manager> {
        self.manager.as_deref_mut()
    }

    /// The node boots.
    pub fn boot(&mut self, ether: &mut Ether) {
        self.boot += 1;
        self.incarnation = 0;
        self.start(ether);
    }

    /// CM is loaded, in the boot that the node is in.
    pub fn start(&mut self, ether: &mut Ether) {
        // The kernel takes the milliseconds since boot.
        let later = (ether.now / MILLIS) as u32 | 1;
        self.incarnation = later.max(self.incarnation + 2);
        let gpid = Gpid::new(Self::host(self.index), self.boot, 0);
        let incarnation = self.incarnation;
        self.life = ether.judge.born(ether.now, self.index, gpid, incarnation);
        ether.lives[self.index as usize] = self.life;
        self.heard = ether.air.end();
        let birth = Birth {
            node: self.index,
            life: self.life,
            gpid,
            incarnation: self.incarnation,
        };
        let mut manager = Box::new(Manager::new(ether, birth));
        manager.start(ether);
        self.manager = Some(manager);
    }

    /// The node stops, `orderly` with a word to the others.
    pub fn stop(&mut self, ether: &mut Ether, orderly: bool) {
        let Some(mut manager) = self.manager.take() else {
            return;
        };
        if orderly {
            manager.leave(ether);
        }
        ether.judge.died(ether.now, self.life);
    }

    /// Takes in all frames to all that have come since it last did.
    pub fn listen(&mut self, ether: &mut Ether) {
        let Some(manager) = self.manager.as_deref_mut() else {
            self.heard = ether.air.end();
            return;
        };
        // Nothing is put on the air meanwhile: frames arrive there by events of their own.
        let air = std::mem::take(&mut ether.air);
        while let Some(arrival) = air.get(self.heard) {
            self.heard += 1;
            if ether.config.are_acquainted(arrival.from, self.index) {
                manager.overhear(ether, arrival);
            }
        }
        ether.air = air;
    }

    /// How long the node has lived, if it does.
    pub fn age(&self, ether: &Ether) -> Option<Nanos> {
        self.manager.as_ref()?;
        Some(ether.now - ether.judge.life(self.life).from)
    }
}

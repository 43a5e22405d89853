// SPDX-License-Identifier: MIT OR Apache-2.0

//! The bare machine: the parts of QEMU's PC that are needed.

mod boot;
mod clock;
pub mod fw_cfg;
pub mod heap;
mod interrupts;
mod memory;
mod pci;
mod port;
mod rail;
pub mod serial;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use podos_firmware::run::Machine;
use podos_firmware::wire::Mac;

use clock::Clock;
use rail::Rail;

/// Where `isa-debug-exit` is.
const DEBUG_EXIT: u16 = 0xf4;

/// How the program ends. QEMU's status is twice the number plus one.
#[derive(Clone, Copy)]
pub enum Exit {
    /// All went well.
    Passed = 0x10,
    /// Something was not as it has to be.
    Failed = 0x11,
    /// The program itself is at fault, or what it was given.
    Broken = 0x12,
}

/// Ends QEMU.
pub fn exit(how: Exit) -> ! {
    port::out8(DEBUG_EXIT, how as u8);
    loop {
        // Only without the device does it come to this.
        core::hint::spin_loop();
    }
}

/// The machine.
pub struct Bare {
    clock: Clock,
    rails: Vec<Rail>,
    /// The rail that is asked next.
    turn: usize,
}

impl Bare {
    /// Finds the interfaces, which have these MTUs.
    pub fn new(mtu: &[u16]) -> Result<Self, String> {
        let clock = Clock::new().ok_or("there is no high precision event timer")?;
        interrupts::init();
        let mut transports = pci::network_cards()?;
        let (cards, wanted) = (transports.len(), mtu.len());
        if cards != wanted {
            return Err(format!("{cards} network cards, and {wanted} MTUs"));
        }
        let mut rails = Vec::new();
        for (transport, mtu) in transports.drain(..).zip(mtu) {
            rails.push(Rail::new(transport, usize::from(*mtu))?);
        }
        Ok(Self {
            clock,
            rails,
            turn: 0,
        })
    }
}

impl Machine for Bare {
    fn now(&mut self) -> u64 {
        self.clock.now()
    }

    fn macs(&self) -> Vec<Mac> {
        self.rails.iter().map(Rail::mac).collect()
    }

    fn send(&mut self, rail: usize, frame: &[u8]) {
        if let Some(rail) = self.rails.get_mut(rail) {
            rail.send(frame);
        }
    }

    fn receive(&mut self) -> Option<(usize, Vec<u8>)> {
        for _ in 0..self.rails.len() {
            let number = self.turn % self.rails.len();
            self.turn = number + 1;
            if let Some(frame) = self.rails[number].receive() {
                return Some((number, frame));
            }
        }
        None
    }

    fn idle(&mut self) {
        interrupts::nap();
    }

    fn print(&mut self, line: fmt::Arguments<'_>) {
        serial::print(line);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The network cards on the PCI bus.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{virtio_device_type, PciTransport};
use virtio_drivers::transport::DeviceType;

use super::port::{in32, out32};
use super::rail::Memory;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;

/// PCI's first way to configure: an address port and a data port.
struct Ports;

impl Ports {
    fn select(function: DeviceFunction, register: u8) {
        let number = u32::from(function.bus) << 16
            | u32::from(function.device) << 11
            | u32::from(function.function) << 8;
        out32(ADDRESS, 1 << 31 | number | u32::from(register & 0xfc));
    }
}

impl ConfigurationAccess for Ports {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        Self::select(function, register);
        in32(DATA)
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        Self::select(function, register);
        out32(DATA, data);
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self
    }
}

/// All virtio network cards, in the order of their slots: rail 0 first.
pub fn network_cards() -> Result<Vec<PciTransport>, String> {
    let mut root = PciRoot::new(Ports);
    let functions: Vec<_> = root
        .enumerate_bus(0)
        .filter(|(_, info)| virtio_device_type(info) == Some(DeviceType::Network))
        .map(|(function, _)| function)
        .collect();
    let mut cards = Vec::new();
    for function in functions {
        let command = Command::IO_SPACE | Command::MEMORY_SPACE | Command::BUS_MASTER;
        root.set_command(function, command);
        let card = PciTransport::new::<Memory, _>(&mut root, function);
        cards.push(card.map_err(|error| format!("network card {function}: {error}"))?);
    }
    Ok(cards)
}

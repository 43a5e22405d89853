// SPDX-License-Identifier: MIT OR Apache-2.0

//! The numbers of GIPC's file interface.

use rustix::ioctl::{opcode, Opcode};

/// `open(2)`: ask for a GIPC circuit to the node whose directory is opened.
pub const O_GIPC: i32 = 0x1000_0000;

/// `open(2)`, with [`O_GIPC`]: the program file lies at the caller's node.
pub const O_GIPC_CALLER: i32 = 0x2000_0000;

const GROUP: u8 = b'P';

/// Every `read(2)` gives one record from now on.
pub const RECORDS: Opcode = opcode::none(GROUP, 1);
/// The program's standard input is at its end.
pub const END_OF_INPUT: Opcode = opcode::none(GROUP, 2);
/// A signal to the program.
pub const SIGNAL: Opcode = opcode::write::<i32>(GROUP, 3);
/// The wait status; blocks until the program has ended.
pub const STATUS: Opcode = opcode::read::<i32>(GROUP, 4);
/// The program's GPID; blocks until it was started.
pub const GPID: Opcode = opcode::read::<u64>(GROUP, 5);
/// The program's standard input can't be read any further; the argument says why.
pub const FAIL_INPUT: Opcode = opcode::write::<i32>(GROUP, 6);

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's half of this interface is written down apart from it, in numbers.
    #[test]
    fn numbers_are_those_of_the_kernel_interface() {
        assert_eq!(RECORDS, 0x5001);
        assert_eq!(END_OF_INPUT, 0x5002);
        assert_eq!(SIGNAL, 0x4004_5003);
        assert_eq!(STATUS, 0x8004_5004);
        assert_eq!(GPID, 0x8008_5005);
        assert_eq!(FAIL_INPUT, 0x4004_5006);
    }
}

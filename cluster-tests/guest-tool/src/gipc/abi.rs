// SPDX-License-Identifier: MIT OR Apache-2.0

//! GIPC's file interface in numbers, written down apart from libpodos, so that a mistake there
//! does not hide one in the kernel.

use rustix::ioctl::{opcode, Opcode};

pub const O_GIPC: i32 = 0x1000_0000;
pub const O_GIPC_CALLER: i32 = 0x2000_0000;

pub const RECORDS: Opcode = opcode::none(0x50, 1);
pub const END_OF_INPUT: Opcode = opcode::none(0x50, 2);
pub const SIGNAL: Opcode = opcode::write::<i32>(0x50, 3);
pub const STATUS: Opcode = opcode::read::<i32>(0x50, 4);
pub const GPID: Opcode = opcode::read::<u64>(0x50, 5);

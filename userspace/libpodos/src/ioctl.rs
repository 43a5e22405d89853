// SPDX-License-Identifier: MIT OR Apache-2.0

//! `ioctl(2)` on GIPC files.

use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{ioctl, Getter, NoArg, Opcode, Setter};

/// An operation without an argument.
pub(crate) fn call<const CODE: Opcode>(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: The operations of `crate::abi` that are made without a size take no argument.
    let operation = unsafe { NoArg::<CODE>::new() };
    // SAFETY: As above; a file that does not know the operation refuses it.
    Ok(unsafe { ioctl(fd, operation) }?)
}

/// An operation that the kernel reads a `T` for.
pub(crate) fn set<const CODE: Opcode, T>(fd: impl AsFd, value: T) -> io::Result<()> {
    const { assert!(size_of_argument(CODE) == size_of::<T>()) };
    // SAFETY: The operation's number says that it reads as many bytes as a `T` has.
    let operation = unsafe { Setter::<CODE, T>::new(value) };
    // SAFETY: As above.
    Ok(unsafe { ioctl(fd, operation) }?)
}

/// An operation that gives a `T`, for which any bits are valid.
pub(crate) fn get<const CODE: Opcode, T: Plain>(fd: impl AsFd) -> io::Result<T> {
    const { assert!(size_of_argument(CODE) == size_of::<T>()) };
    // SAFETY: The operation's number says that it writes as many bytes as a `T` has, and by the
    // trait any bytes are a `T`.
    let operation = unsafe { Getter::<CODE, T>::new() };
    // SAFETY: As above.
    Ok(unsafe { ioctl(fd, operation) }?)
}

/// Integers.
pub(crate) trait Plain {}
impl Plain for i32 {}
impl Plain for u64 {}

/// The argument's size, which an operation's number carries in bits 16 to 29.
const fn size_of_argument(code: Opcode) -> usize {
    (code as usize >> 16) & 0x3fff
}

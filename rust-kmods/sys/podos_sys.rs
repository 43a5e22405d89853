// SPDX-License-Identifier: GPL-2.0-only

//! Owning types for the kernel objects that several PODOS modules use: one C object, one file.
//!
//! A library: it is linked into `podos_cm`, which exports what the others call.

mod global;
mod kobject;
mod kthread;
mod memory;
mod stream;
mod sysfs;
mod wait;

pub use global::{Global, GlobalGuard};
pub use kobject::Kobject;
pub use kthread::{be_urgent, KThread, StopToken};
pub use memory::Memory;
pub use stream::{stream_operations, Poller, Stream};
pub use sysfs::{Attribute, AttributeFile};
pub use wait::{WaitQueue, Wake};

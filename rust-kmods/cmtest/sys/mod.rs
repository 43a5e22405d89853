// SPDX-License-Identifier: GPL-2.0-only

//! Owning types for the kernel objects of this module alone. All of its `unsafe` code is here.

mod descriptor;
mod device;

pub(crate) use descriptor::new_descriptor;
pub(crate) use device::{Device, MiscDevice};

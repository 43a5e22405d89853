// SPDX-License-Identifier: GPL-2.0-only

//! Where the kernel keeps the figures of table 5. All of rm's `unsafe` code is here.

mod clock;
mod load;
mod name;

pub(crate) use clock::{now, uptime};
pub(crate) use load::Load;
pub(crate) use name::copy_host_name;

// SPDX-License-Identifier: MIT OR Apache-2.0

//! TCP without what cuts and joins its segments: it does that itself, as CM does.

use anyhow::Result;

use crate::lab::Lab;

/// Has the first rail's devices on these nodes, and the kernel in their place, do none of it meanwhile.
pub fn without<T>(lab: &Lab, hosts: [u32; 2], work: impl FnOnce() -> Result<T>) -> Result<T> {
    let switch = |to| {
        let mut hosts = hosts.iter();
        hosts.try_for_each(|host| lab.tool(*host, &["offloads", to]).map(drop))
    };
    switch("off")?;
    let done = work();
    switch("on")?;
    done
}

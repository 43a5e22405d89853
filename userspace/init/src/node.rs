// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who this node is: its name, and the identity that its GPIDs carry.

use std::fs;
use std::process::{Command, Stdio};

use rustix::system::sethostname;

/// Sets the host name `linusN` and writes it to /etc/hostname.
pub fn set_name(node: u32) -> Result<(), String> {
    let name = format!("linus{node}");
    sethostname(name.as_bytes())
        .map_err(|error| format!("the host name can't be set to {name}: {error}"))?;
    fs::create_dir_all("/etc")
        .and_then(|()| fs::write("/etc/hostname", format!("{name}\n")))
        .map_err(|error| format!("/etc/hostname can't be written: {error}"))
}

/// Has `podosd` give the kernel this node's host id and boot sequence number.
pub fn identify(node: u32, boot: Option<u16>) -> Result<(), String> {
    let mut podosd = Command::new("/usr/sbin/podosd");
    podosd.arg("--set-node").arg(node.to_string());
    if let Some(boot) = boot {
        podosd.arg("--boot").arg(boot.to_string());
    }
    let status = podosd
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("/usr/sbin/podosd can't be run to set the host id: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "`podosd --set-node {node}` failed ({status}): the kernel's log says why"
    ))
}

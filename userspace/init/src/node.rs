// SPDX-License-Identifier: MIT OR Apache-2.0

//! The node's host name, and its identity, which its GPIDs carry.

use std::fs;
use std::process::{Command, Stdio};

use rustix::system::sethostname;

/// Sets the host name `linusN` and writes it to /etc/hostname.
pub fn set_name(node: u32) -> Result<(), String> {
    let name = format!("linus{node}");
    sethostname(name.as_bytes())
        .map_err(|error| format!("cannot set the host name to {name}: {error}"))?;
    fs::create_dir_all("/etc")
        .and_then(|()| fs::write("/etc/hostname", format!("{name}\n")))
        .map_err(|error| format!("cannot write /etc/hostname: {error}"))
}

/// Has `podosd` give the kernel this node's host id and boot sequence number.
pub fn identify(podosd: &str, node: u32, boot: Option<u16>) -> Result<(), String> {
    let mut arguments = vec!["--set-node".to_owned(), node.to_string()];
    if let Some(boot) = boot {
        arguments.extend(["--boot".to_owned(), boot.to_string()]);
    }
    run(podosd, &arguments)
}

/// Has `podosd` give the Communication Manager its mode and keys.
pub fn load_keys(podosd: &str) -> Result<(), String> {
    run(podosd, &["--load-keys".to_owned()])
}

fn run(podosd: &str, arguments: &[String]) -> Result<(), String> {
    let line = arguments.join(" ");
    let status = Command::new(podosd)
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cannot start `{podosd} {line}`: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "cannot run `{podosd} {line}`: {status}; the kernel's log says why"
    ))
}

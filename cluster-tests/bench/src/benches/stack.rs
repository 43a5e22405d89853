// SPDX-License-Identifier: MIT OR Apache-2.0

//! CM's module in one mode, and the modules that stand on it, on all nodes.
//!
//! CM's mode is fixed once it runs, so its module is loaded anew for each.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::thread;

use anyhow::{anyhow, Context, Result};
use podos_harness::CmMode;

use crate::lab::Lab;

const MODULES: &str = "/lib/modules/podos";
const SYSFS: &str = "/sys/kernel/podos/cm";

/// All of CM's modes.
pub const MODES: [CmMode; 3] = [CmMode::Open, CmMode::Mac, CmMode::Aead];
/// The modules that programs use.
pub const SERVICES: [&str; 3] = ["podos_rm", "podos_pdfs", "podos_gipc"];

/// What CM calls a mode.
pub fn mode_name(mode: CmMode) -> &'static str {
    match mode {
        CmMode::Open => "open",
        CmMode::Mac => "mac",
        CmMode::Aead => "aead",
    }
}

/// A cluster key of this run alone.
pub struct Key(String);

impl Key {
    pub fn new() -> Result<Self> {
        let mut bytes = [0; 32];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .context("cannot draw a cluster key from /dev/urandom")?;
        let mut text = String::new();
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }
}

/// Loads CM anew on these nodes, and on it these modules and no others, which would talk in between.
pub fn load(lab: &Lab, hosts: &[u32], mode: CmMode, key: &Key, others: &[&str]) -> Result<()> {
    let script = script(mode, others);
    on_all(lab, hosts, |node| {
        let command = node.command("sh").args(["-c", &script]);
        // On standard input: command lines are for everybody to see.
        command.stdin(format!("add {}\n", key.0)).succeed()?;
        Ok(())
    })
    .with_context(|| format!("cannot load CM in mode {}", mode_name(mode)))
}

/// Has CM spread new circuits over the rails so (`single`, `round-robin`, `load`, `stripe`).
pub fn set_group(lab: &Lab, hosts: &[u32], group: &str) -> Result<()> {
    let set = format!("echo {group} > {SYSFS}/group");
    on_all(lab, hosts, |node| {
        node.shell(&set)?;
        Ok(())
    })
}

/// How a node spreads circuits over the rails.
pub fn group(lab: &Lab, host: u32) -> Result<String> {
    let group = lab.node(host)?.shell(&format!("cat {SYSFS}/group"))?;
    Ok(group.trim().to_owned())
}

/// Waits until a node has another one's directory of this path, through PDFS.
pub fn wait_for_path(lab: &Lab, host: u32, path: &str) -> Result<()> {
    let script = format!(
        "tries=1000\n\
         until ls -d {path} >/dev/null 2>&1; do\n\
           tries=$((tries - 1))\n\
           [ $tries -gt 0 ] || {{ ls -d {path}; exit 1; }}\n\
           usleep 20000\n\
         done"
    );
    let waited = lab.node(host)?.shell(&script);
    waited.with_context(|| format!("cannot reach {path} from linus{host}"))?;
    Ok(())
}

/// Does the same on all of these nodes at once.
pub fn on_all(
    lab: &Lab,
    hosts: &[u32],
    what: impl Fn(podos_harness::Node<'_>) -> Result<()> + Sync,
) -> Result<()> {
    thread::scope(|scope| {
        let nodes: Vec<_> = hosts
            .iter()
            .map(|host| {
                let (node, what) = (lab.node(*host)?, &what);
                Ok(scope.spawn(move || what(node)))
            })
            .collect::<Result<_>>()?;
        for node in nodes {
            node.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(())
    })
}

/// Takes CM out with whatever stands on it, and loads what is needed. What stands on what is in
/// no order here, and PDFS's mounts hold it for a moment after their last user: so it is tried
/// again until all is out. podosd stands still meanwhile: it would give CM the mode that the node was
/// booted with, and would ask for directories that PDFS is not there yet to give.
fn script(mode: CmMode, others: &[&str]) -> String {
    let mode = mode_name(mode);
    let mut script = format!(
        "set -e\n\
         podosd=$(pidof podosd)\n\
         kill -STOP $podosd\n\
         trap \"kill -CONT $podosd\" EXIT\n\
         tries=200\n\
         while [ -d /sys/module/podos_cm ]; do\n\
           modules=\"$(ls /sys/module/podos_cm/holders) podos_cm\"\n\
           for m in $modules; do rmmod $m 2>/dev/null || true; done\n\
           tries=$((tries - 1))\n\
           [ $tries -gt 0 ] || {{ echo in use: $modules >&2; cat /proc/modules >&2; exit 1; }}\n\
           [ ! -d /sys/module/podos_cm ] || usleep 20000\n\
         done\n\
         insmod {MODULES}/podos_cm.ko\n\
         cat > {SYSFS}/keys\n\
         echo {mode} > {SYSFS}/mode\n"
    );
    for module in others {
        let _ = writeln!(script, "insmod {MODULES}/{module}.ko");
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_drawn_and_stay_out_of_the_script() {
        let (a, b) = (Key::new().unwrap(), Key::new().unwrap());
        assert!(a.0.len() == 64 && a.0 != b.0);
        assert!(a.0.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let script = script(CmMode::Aead, &SERVICES);
        assert!(script.contains("echo aead > /sys/kernel/podos/cm/mode"));
        assert!(script.ends_with("insmod /lib/modules/podos/podos_gipc.ko\n"));
        assert!(!script.contains(&a.0));
    }
}

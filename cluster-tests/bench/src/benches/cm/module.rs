// SPDX-License-Identifier: MIT OR Apache-2.0

//! CM's module in a mode, on all nodes.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::thread;

use anyhow::{anyhow, Context, Result};
use podos_harness::CmMode;

use super::contest::mode_name;
use crate::lab::Lab;

const MODULES: &str = "/lib/modules/podos";
const SYSFS: &str = "/sys/kernel/podos/cm";

/// A cluster key of this run alone.
pub struct Key(String);

impl Key {
    pub fn new() -> Result<Self> {
        let mut bytes = [0; 32];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .context("drawing a cluster key from /dev/urandom")?;
        let mut text = String::new();
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }
}

/// Loads CM anew on these nodes, without the layers above it, which would talk in between.
pub fn load(lab: &Lab, hosts: &[u32], mode: CmMode, key: &Key) -> Result<()> {
    let script = script(mode);
    thread::scope(|scope| {
        let nodes: Vec<_> = hosts
            .iter()
            .map(|host| {
                let node = lab.node(*host)?;
                let script = &script;
                Ok(scope.spawn(move || {
                    let command = node.command("sh").args(["-c", script]);
                    // On standard input: command lines are for everybody to see.
                    command.stdin(format!("add {}\n", key.0)).succeed()
                }))
            })
            .collect::<Result<_>>()?;
        for node in nodes {
            let done = node.join().map_err(|_| anyhow!("a thread panicked"))?;
            done.with_context(|| format!("loading CM in mode {}", mode_name(mode)))?;
        }
        Ok(())
    })
}

/// Takes CM out with whatever stands on it, and loads what is needed. What stands on what is in
/// no order here, and PDFS's mounts hold it for a moment after their last user: so it is tried
/// again until all is out.
fn script(mode: CmMode) -> String {
    let mode = mode_name(mode);
    format!(
        "set -e\n\
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
         echo {mode} > {SYSFS}/mode\n\
         insmod {MODULES}/podos_cmtest.ko\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_drawn_and_stay_out_of_the_script() {
        let (a, b) = (Key::new().unwrap(), Key::new().unwrap());
        assert!(a.0.len() == 64 && a.0 != b.0);
        assert!(a.0.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let script = script(CmMode::Aead);
        assert!(script.contains("echo aead > /sys/kernel/podos/cm/mode"));
        assert!(!script.contains(&a.0));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The node's identity: host id and boot sequence number (paper, section 5.1).
//!
//! The boot sequence number makes the GPIDs of two boots differ. A machine with a disk counts its
//! boots; one that forgets everything takes a number from its clock, which comes round after
//! three days and is never the same for two boots in a row.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{bail, Context, Result};

const GPID_NODE: &str = "/proc/sys/kernel/gpid_node";
const COUNTER: &str = "/var/lib/podos/boot";

/// Seconds for which the clock gives the same number: less than any boot takes.
const CLOCK_STEP: u64 = 4;

/// Gives the kernel this node's identity. It takes one once per boot.
pub fn set_node(host: u32, boot: Option<u16>) -> Result<()> {
    let boot = match boot {
        Some(boot) => boot,
        None if is_persistent(Path::new(COUNTER)) => count(Path::new(COUNTER))
            .with_context(|| format!("cannot advance the boot counter {COUNTER}"))?,
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            from_clock(now.unwrap_or_default().as_secs())
        }
    };
    match fs::write(GPID_NODE, format!("{host} {boot}\n")) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            bail!("{GPID_NODE} does not exist: this is not a PODOS kernel")
        }
        Err(e) if e.raw_os_error() == Some(libc::EPERM) => {
            let set = fs::read_to_string(GPID_NODE).unwrap_or_default();
            bail!("this boot's identity is set already, to `{}`", set.trim())
        }
        Err(e) => Err(e).with_context(|| format!("cannot write `{host} {boot}` to {GPID_NODE}")),
    }
}

/// Whether what is written to `path` will be there at the next boot.
fn is_persistent(path: &Path) -> bool {
    const RAMFS_MAGIC: i64 = 0x8584_58f6;
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    const OVERLAYFS_MAGIC: i64 = 0x794c_7630;
    // The nearest directory that exists is where the counter's own would be made.
    let mut existing = path.ancestors().skip(1);
    let state = existing.find_map(|dir| rustix::fs::statfs(dir).ok());
    state.is_some_and(|state| {
        let kind = state.f_type;
        ![RAMFS_MAGIC, TMPFS_MAGIC, OVERLAYFS_MAGIC].contains(&kind)
    })
}

/// Advances the counter in `path` and gives its new value, never 0.
fn count(path: &Path) -> Result<u16> {
    let last = match fs::read_to_string(path) {
        Ok(text) => text
            .trim()
            .parse::<u16>()
            .with_context(|| format!("it holds `{}`, not a number", text.trim()))?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        Err(e) => return Err(e.into()),
    };
    let next = last.checked_add(1).unwrap_or(1);
    let dir = path.parent().context("it has no directory")?;
    fs::create_dir_all(dir)?;
    // A half-written counter would be the next boot's failure.
    let new = path.with_extension("new");
    let mut file = fs::File::create(&new)?;
    writeln!(file, "{next}")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(next)
}

/// A number from seconds since 1970, never 0.
fn from_clock(seconds: u64) -> u16 {
    match (seconds / CLOCK_STEP) as u16 {
        0 => 1,
        number => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_counts_and_wraps_past_zero() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib/podos/boot");
        assert_eq!(count(&path).unwrap(), 1);
        assert_eq!(count(&path).unwrap(), 2);
        fs::write(&path, "65535\n").unwrap();
        assert_eq!(count(&path).unwrap(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        assert!(!path.with_extension("new").exists());
    }

    #[test]
    fn a_broken_counter_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boot");
        fs::write(&path, "many\n").unwrap();
        let message = format!("{:#}", count(&path).unwrap_err());
        assert!(message.contains("many"), "{message}");
    }

    #[test]
    fn the_clock_moves_and_is_never_zero() {
        assert_eq!(from_clock(0), 1);
        assert_eq!(from_clock(65536 * CLOCK_STEP), 1);
        assert_eq!(from_clock(1_800_000_000), from_clock(1_800_000_003));
        assert_ne!(from_clock(1_800_000_000), from_clock(1_800_000_004));
    }

    #[test]
    fn memory_is_not_persistent() {
        assert!(!is_persistent(Path::new("/dev/shm/podos/boot")));
    }
}

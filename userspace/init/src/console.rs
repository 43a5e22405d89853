// SPDX-License-Identifier: MIT OR Apache-2.0

//! The console: init's messages, and the level of the kernel's.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

const PRINTK: &str = "/proc/sys/kernel/printk";

/// Writes one line. There is nobody to tell when that fails.
pub fn say(message: &str) {
    let line = format!("podos-init: {message}");
    // Not by standard error: that is a file of the initial root, opened before /dev was there.
    let console = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open("/dev/console");
    match console {
        Ok(mut console) => drop(console.write_all(format!("{line}\n").as_bytes())),
        Err(_) => eprintln!("{line}"),
    }
}

/// Gives the console back the kernel's default level, which `quiet` lowers for the boot: whoever
/// watches it is to see the reports of lockdep and of stalls, which are warnings.
pub fn restore_level() -> Result<(), String> {
    let levels =
        fs::read_to_string(PRINTK).map_err(|error| format!("cannot read {PRINTK}: {error}"))?;
    let Some(default) = default_level(&levels) else {
        return Err(format!("{PRINTK} holds `{}`, not levels", levels.trim()));
    };
    fs::write(PRINTK, format!("{default}\n"))
        .map_err(|error| format!("cannot set {PRINTK} to {default}: {error}"))
}

/// The last of the four levels: current, of messages without one, least, default.
fn default_level(levels: &str) -> Option<u8> {
    levels.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_fourth() {
        assert_eq!(default_level("4\t4\t1\t7\n"), Some(7));
        assert_eq!(default_level("4 4 1"), None);
    }
}

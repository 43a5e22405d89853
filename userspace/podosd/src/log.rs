// SPDX-License-Identifier: MIT OR Apache-2.0

//! The daemon's messages: in the kernel's log, where a node's other events are, and on standard
//! error where there is no such log to write to.

use std::fs::OpenOptions;
use std::io::Write;

/// Something went wrong, and the daemon ends.
pub fn error(message: &str) {
    write(Level::Error, message);
}

/// Something went wrong, and the daemon goes on.
pub fn warning(message: &str) {
    write(Level::Warning, message);
}

/// Something happened.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Syslog's levels.
#[derive(Clone, Copy)]
enum Level {
    Error = 3,
    Warning = 4,
    Info = 6,
}

fn write(level: Level, message: &str) {
    let line = line(level, message);
    let kernel = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut log| log.write_all(line.as_bytes()));
    if kernel.is_err() {
        eprintln!("podosd: {message}");
    }
}

/// A record of /dev/kmsg; the facility is that of daemons.
fn line(level: Level, message: &str) -> String {
    const DAEMON: u8 = 3 << 3;
    format!(
        "<{}>podosd: {}\n",
        DAEMON | level as u8,
        message.replace('\n', " ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_is_one_line() {
        assert_eq!(line(Level::Warning, "a\nb"), "<28>podosd: a b\n");
    }
}

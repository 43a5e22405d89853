// SPDX-License-Identifier: MIT OR Apache-2.0

//! Global process identifiers (paper, section 5.1).

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use crate::Node;

/// A process's identity in the whole cluster: host id, boot sequence and local pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gpid(u64);

impl Gpid {
    /// The identity with these parts.
    pub fn new(host: u32, boot: u16, pid: u16) -> Self {
        Self(u64::from(host) << 32 | u64::from(boot) << 16 | u64::from(pid))
    }

    /// As the kernel writes it into 64 bits.
    pub fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The 64 bits.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// Host id of the process's node.
    pub fn host(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Which boot of that node.
    pub fn boot(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The pid on that node.
    pub fn pid(self) -> u16 {
        self.0 as u16
    }
}

impl fmt::Display for Gpid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Text that is not the 16 hexadecimal digits of a GPID.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no GPID: 16 hexadecimal digits are expected")]
pub struct ParseGpidError(String);

impl FromStr for Gpid {
    type Err = ParseGpidError;

    fn from_str(text: &str) -> Result<Self, ParseGpidError> {
        let hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| ParseGpidError(text.to_owned()))
    }
}

/// The GPID of a local process; `None` is the calling one.
///
/// # Errors
///
/// `NotFound` if there is no such process or the kernel has no GPIDs, `InvalidData` if the
/// kernel's answer is none.
pub fn gpid_of(pid: Option<u32>) -> io::Result<Gpid> {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    read_gpid(&Path::new("/proc").join(process).join("gpid"))
}

fn read_gpid(path: &Path) -> io::Result<Gpid> {
    fs::read_to_string(path)?
        .trim_end()
        .parse()
        .map_err(|e: ParseGpidError| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// The node that this process runs on; `None` before its host id was set.
///
/// # Errors
///
/// `NotFound` on a kernel without GPIDs, `InvalidData` if its answer is not understood.
pub fn own_node() -> io::Result<Option<Node>> {
    read_own_node(Path::new("/proc/sys/kernel/gpid_node"))
}

fn read_own_node(path: &Path) -> io::Result<Option<Node>> {
    let text = fs::read_to_string(path)?;
    text.split_ascii_whitespace()
        .next()
        .and_then(|host| host.parse().ok())
        .map(Node::new)
        .ok_or_else(|| {
            let message = format!("{} holds `{}`, not a host id", path.display(), text.trim());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_text() {
        let gpid = Gpid::new(3, 0x1234, 0x0042);
        assert_eq!(gpid.to_string(), "0000000312340042");
        assert_eq!("0000000312340042".parse::<Gpid>().unwrap(), gpid);
        assert_eq!((gpid.host(), gpid.boot(), gpid.pid()), (3, 0x1234, 0x42));
    }

    #[test]
    fn text_that_is_no_gpid() {
        for text in [
            "",
            "3",
            "000000031234004g",
            "+000000312340042",
            "00000003123400420",
        ] {
            assert!(text.parse::<Gpid>().is_err(), "{text}");
        }
    }

    #[test]
    fn files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gpid");
        fs::write(&path, "0000000200010007\n").unwrap();
        assert_eq!(read_gpid(&path).unwrap(), Gpid::new(2, 1, 7));
        fs::write(&path, "none\n").unwrap();
        assert_eq!(
            read_gpid(&path).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );

        let path = dir.path().join("gpid_node");
        fs::write(&path, "2\t517\n").unwrap();
        assert_eq!(read_own_node(&path).unwrap(), Node::new(2));
        fs::write(&path, "0\t0\n").unwrap();
        assert_eq!(read_own_node(&path).unwrap(), None);
        fs::write(&path, "\n").unwrap();
        assert!(read_own_node(&path).is_err());
    }
}

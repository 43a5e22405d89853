// SPDX-License-Identifier: MIT OR Apache-2.0

//! `gpids`: the GPIDs of all processes, among them many that are alive at once.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::report::say;

/// Start processes, and read the GPIDs of all that there are
///
/// Says how many there are, how many GPIDs are distinct, how many are not 16 hexadecimal digits
/// and a newline, and how many do not end with their process's pid; and `node`, the node's part.
#[derive(Debug, clap::Args)]
pub struct Gpids {
    /// How many processes to start
    #[arg(long, default_value_t = 50)]
    children: usize,
}

impl Gpids {
    pub fn run(&self) -> Result<()> {
        let children = Children::start(self.children)?;
        let mut census = Census::default();
        for entry in fs::read_dir("/proc").context("cannot list /proc")? {
            let name = entry.context("cannot list /proc")?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            match fs::read(format!("/proc/{pid}/gpid")) {
                Ok(text) => census.enter(pid, &text),
                Err(error) if has_ended(pid, &error) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot read the GPID of {pid}"))
                }
            }
        }
        let missing = children
            .0
            .iter()
            .filter(|c| !census.pids.contains_key(&c.id()));
        say("missing", missing.count());
        drop(children);
        census.say();
        Ok(())
    }
}

/// A kernel without GPIDs has no such file in directories that are there.
fn has_ended(pid: u32, error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(libc::ESRCH) => true,
        Some(libc::ENOENT) => !Path::new("/proc").join(pid.to_string()).exists(),
        _ => false,
    }
}

/// Processes that wait until this is dropped.
struct Children(Vec<Child>);

impl Children {
    fn start(count: usize) -> Result<Self> {
        let mut children = Self(Vec::new());
        for _ in 0..count {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::null());
            children
                .0
                .push(command.spawn().context("cannot start a process")?);
        }
        Ok(children)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
        }
        for child in &mut self.0 {
            // It ends with its input; nothing is left to be done if it is gone already.
            let _ = child.wait();
        }
    }
}

#[derive(Default)]
struct Census {
    pids: HashMap<u32, u64>,
    malformed: usize,
}

impl Census {
    fn enter(&mut self, pid: u32, text: &[u8]) {
        match parse(text) {
            Some(gpid) => drop(self.pids.insert(pid, gpid)),
            None => self.malformed += 1,
        }
    }

    fn say(&self) {
        let mut gpids: Vec<_> = self.pids.values().copied().collect();
        let foreign = self
            .pids
            .iter()
            .filter(|(pid, gpid)| u64::from(**pid) != *gpid & 0xffff);
        say("foreign", foreign.count());
        say("processes", gpids.len() + self.malformed);
        say("malformed", self.malformed);
        gpids.sort_unstable();
        gpids.dedup();
        say("distinct", gpids.len());
        let mut nodes: Vec<_> = gpids.iter().map(|gpid| gpid >> 16).collect();
        nodes.dedup();
        say("nodes", nodes.len());
        if let [node] = nodes[..] {
            say("node", format_args!("{node:012x}"));
        }
    }
}

/// Exactly 16 lower-case hexadecimal digits and a newline.
fn parse(text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b"\n")?;
    let good = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 16 || !digits.iter().all(good) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(parse(b"0000000312340042\n"), Some(0x0000_0003_1234_0042));
        for bad in [
            &b"0000000312340042"[..],
            b"\n",
            b"000000031234004G\n",
            b"000000031234004A\n",
            b"00000003123400421\n",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn children_end_with_their_keeper() {
        let children = Children::start(2).unwrap();
        let pid = children.0[0].id();
        assert!(fs::exists(format!("/proc/{pid}")).unwrap());
        drop(children);
        assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
    }
}

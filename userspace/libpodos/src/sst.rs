// SPDX-License-Identifier: MIT OR Apache-2.0

//! The system state table (paper, section 6 and Table 5), as the Resource Manager shows it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::Node;

/// Where the kernel shows the table.
pub const SST_DIRECTORY: &str = "/sys/kernel/podos/sst";

/// One node's entry: what its last beacon said, and when that was.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeState {
    /// The node.
    pub node: Node,
    /// Its host name.
    pub hostname: String,
    /// Whether it is taken for alive.
    pub alive: bool,
    /// Hardware addresses of its rails, as text.
    pub interfaces: Vec<String>,
    /// Running tasks.
    pub nr_running: u32,
    /// Tasks in all.
    pub nr_tasks: u32,
    /// Load averages over 1, 5 and 15 minutes.
    pub loadavg: [f32; 3],
    /// Time its processors were idle since it booted, added up over them.
    pub idle_time: Duration,
    /// Free memory, in bytes.
    pub mem_free: u64,
    /// Memory in all, in bytes.
    pub mem_total: u64,
    /// Its boot sequence number.
    pub boot: u16,
    /// Age of its last beacon.
    pub age: Duration,
}

/// Why the table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SstError {
    /// A file or directory of the table can't be read.
    #[error("cannot read {path} (is the podos_rm module loaded?)")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds `{text}`, which is not {expected}")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What it holds.
        text: String,
        /// What it should hold.
        expected: &'static str,
    },
}

/// All entries of the table in `directory` (usually [`SST_DIRECTORY`]), by host id.
///
/// # Errors
///
/// See [`SstError`].
pub fn system_state(directory: &Path) -> Result<Vec<NodeState>, SstError> {
    let mut states = Vec::new();
    for entry in read(directory, |path| fs::read_dir(path))? {
        let entry = read(directory, |_| entry)?;
        let host = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(node) = host.and_then(Node::new) {
            states.push(Entry(entry.path()).state(node)?);
        }
    }
    states.sort_by_key(|state| state.node);
    Ok(states)
}

fn read<T>(path: &Path, get: impl FnOnce(&Path) -> io::Result<T>) -> Result<T, SstError> {
    get(path).map_err(|source| SstError::Read {
        path: path.to_owned(),
        source,
    })
}

/// A node's directory in the table.
struct Entry(PathBuf);

impl Entry {
    fn state(&self, node: Node) -> Result<NodeState, SstError> {
        Ok(NodeState {
            node,
            hostname: self.parse("hostname", "a host name", |s| Some(s.to_owned()))?,
            alive: self.parse("alive", "0 or 1", |s| match s {
                "0" => Some(false),
                "1" => Some(true),
                _ => None,
            })?,
            interfaces: self.parse("interfaces", "a list of hardware addresses", |s| {
                Some(s.split_ascii_whitespace().map(str::to_owned).collect())
            })?,
            nr_running: self.number("nr_running")?,
            nr_tasks: self.number("nr_tasks")?,
            loadavg: self.parse("loadavg", "three load averages", |s| {
                let numbers: Option<Vec<f32>> =
                    s.split_ascii_whitespace().map(|n| n.parse().ok()).collect();
                numbers?.try_into().ok()
            })?,
            idle_time: Duration::from_millis(self.number("idle_time")?),
            mem_free: self.number("mem_free")?,
            mem_total: self.number("mem_total")?,
            boot: self.number("boot")?,
            age: Duration::from_millis(self.number("age_ms")?),
        })
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<T, SstError> {
        self.parse(name, "a number", |s| s.parse().ok())
    }

    fn parse<T>(
        &self,
        name: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SstError> {
        let path = self.0.join(name);
        let text = read(&path, |path| fs::read_to_string(path))?;
        let text = text.trim_end_matches('\n');
        parse(text).ok_or_else(|| SstError::Content {
            path,
            text: text.to_owned(),
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(hosts: &[u32]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("generation"), "3\n").unwrap();
        for host in hosts {
            let entry = dir.path().join(host.to_string());
            fs::create_dir(&entry).unwrap();
            let hostname = format!("linus{host}\n");
            let files = [
                ("hostname", hostname.as_str()),
                ("alive", "1\n"),
                ("interfaces", "52:54:00:50:00:02 52:54:00:50:01:02\n"),
                ("nr_running", "1\n"),
                ("nr_tasks", "61\n"),
                ("loadavg", "0.01 0.50 12.00\n"),
                ("idle_time", "61234\n"),
                ("mem_free", "4096\n"),
                ("mem_total", "8192\n"),
                ("boot", "517\n"),
                ("age_ms", "250\n"),
            ];
            for (name, text) in files {
                fs::write(entry.join(name), text).unwrap();
            }
        }
        dir
    }

    #[test]
    fn entries_in_order() {
        let dir = table(&[10, 2]);
        let states = system_state(dir.path()).unwrap();
        let nodes: Vec<_> = states.iter().map(|s| s.node.host()).collect();
        assert_eq!(nodes, [2, 10]);
        let state = &states[0];
        assert_eq!(state.hostname, "linus2");
        assert!(state.alive);
        assert_eq!(state.interfaces.len(), 2);
        assert_eq!(state.loadavg, [0.01, 0.5, 12.0]);
        assert_eq!(state.idle_time, Duration::from_millis(61234));
        assert_eq!((state.mem_free, state.mem_total), (4096, 8192));
        assert_eq!((state.boot, state.age.as_millis()), (517, 250));
    }

    #[test]
    fn broken_content_names_the_file() {
        let dir = table(&[2]);
        for (name, text) in [
            ("alive", "maybe"),
            ("loadavg", "0.1 0.2"),
            ("boot", "65536"),
        ] {
            let path = dir.path().join("2").join(name);
            let good = fs::read_to_string(&path).unwrap();
            fs::write(&path, text).unwrap();
            let message = system_state(dir.path()).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains(text),
                "{message}"
            );
            fs::write(&path, good).unwrap();
        }
    }

    #[test]
    fn no_table() {
        let error = system_state(Path::new("/nonexistent/sst")).unwrap_err();
        assert!(error.to_string().contains("podos_rm"), "{error}");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests to a supervisor over its control socket, and their answers.
//!
//! Requests and answers are JSON behind a 4-byte big-endian length. After the
//! answer to [`Request::Session`] the connection carries agent frames of
//! session 0; after that to [`Request::Console`], the console's bytes.

mod status;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::str::FromStr;

use podos_switch::{Faults, PortCounters, Rate, Selector};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use status::{DirectionStatus, LinkStatus, NodeState, NodeStatus, Status};

use crate::alarm::Alarm;
use crate::error::Error;

/// Longest message, in bytes: a status of 254 nodes is far shorter.
const LIMIT: u32 = 1 << 20;

/// When a cluster counts as up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitFor {
    /// Every node's agent says that boot is over, however it went.
    Agents,
    /// Every node is whole, and sees every other one alive.
    Alive,
}

impl FromStr for WaitFor {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "agents" => Ok(Self::Agents),
            "alive" => Ok(Self::Alive),
            _ => Err(format!(
                "one can't wait for `{name}`; there are agents, alive"
            )),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Answer when the cluster is ready, or can't become so.
    Wait {
        until: WaitFor,
    },
    /// End the cluster when this connection ends.
    Hold,
    /// On a connection that holds: the cluster outlives it.
    Release,
    Status,
    /// Forget the alarms of kernels so far; they come back in the answer.
    TakeAlarms,
    /// After the answer comes another one, with the next alarm that nobody expects.
    Watch,
    /// Alarms of a node with this in them are expected until this connection ends.
    Expect {
        node: u32,
        pattern: String,
    },
    /// On a connection that expects: the alarms that met it so far.
    Seen,
    /// Have all nodes print what their tasks do.
    Stacks,
    /// Have all commands of agents end by SIGTERM.
    Terminate,
    /// Kill all nodes that run.
    KillAll,
    Session {
        node: u32,
    },
    Console {
        node: u32,
    },
    /// Boot a node that is down.
    Start {
        node: u32,
    },
    /// Write what a node has in its memory to a file, and kill it.
    Snapshot {
        node: u32,
        file: PathBuf,
    },
    /// Let a node that is down go on from such a file.
    Restore {
        node: u32,
        file: PathBuf,
    },
    /// A fault of a node.
    Node {
        node: u32,
        fault: NodeFault,
    },
    /// A command for the monitor of the node's QEMU.
    Monitor {
        node: u32,
        command: String,
        arguments: serde_json::Value,
    },
    /// Take a node's carrier from it, on one rail or on all, or give it back.
    Link {
        node: u32,
        rail: Option<u8>,
        up: bool,
    },
    /// Let ports lose everything without a word, or let them pass frames again.
    Cut {
        at: Selector,
        cut: bool,
    },
    Rate {
        at: Selector,
        rate: Option<Rate>,
    },
    /// Boot the test firmware at a place of its own.
    Firmware {
        place: u32,
        #[serde(with = "crate::paths")]
        program: PathBuf,
        script: String,
    },
    /// How far it is.
    FirmwareState {
        place: u32,
    },
    /// Kill it, if it runs.
    KillFirmware {
        place: u32,
    },
    /// What only network `switch` can do.
    Switch(SwitchRequest),
    /// Put a line into the timeline.
    Mark {
        text: String,
    },
    /// Put a fault of a node into the timeline that is made by its agent.
    Note {
        node: u32,
        text: String,
    },
    Down,
}

impl Request {
    /// Whether it is of use for a report, when nothing else is to be done any more.
    pub(crate) fn is_for_report(&self) -> bool {
        matches!(
            self,
            Self::Hold
                | Self::Release
                | Self::Status
                | Self::TakeAlarms
                | Self::Stacks
                | Self::Terminate
                | Self::KillAll
                | Self::Switch(SwitchRequest::Recent { .. })
                | Self::Mark { .. }
                | Self::Down
        )
    }
}

/// A fault of a node that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeFault {
    /// Kill its QEMU.
    Kill,
    /// Let its processor and its clock stand still.
    Pause,
    Resume,
    /// Kill it, and boot it at once.
    Reset,
    /// Have its init end it in good order.
    PowerOff,
    /// Have its kernel panic.
    Panic,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum SwitchRequest {
    Set {
        at: Selector,
        faults: Faults,
    },
    /// No groups: everybody hears everybody.
    Partition {
        rail: Option<u8>,
        groups: Vec<Vec<u32>>,
    },
    Reseed {
        seed: u64,
    },
    /// Begin a capture, or end it.
    Capture {
        rail: u8,
        #[serde(with = "crate::paths::optional", default)]
        file: Option<PathBuf>,
    },
    /// Write the last frames of each rail to one of these, in order.
    Recent {
        #[serde(with = "crate::paths::list")]
        files: Vec<PathBuf>,
    },
    Counters,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Status(Box<Status>),
    Alarms(Vec<Alarm>),
    Lines(Vec<String>),
    Ports(Vec<PortCounters>),
    Returned(serde_json::Value),
    Firmware(FirmwareState),
    Refused(Refusal),
}

/// How far the firmware at a place is, as the supervisor tells it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FirmwareState {
    /// Its console's file, over all its boots.
    #[serde(with = "crate::paths")]
    pub console: PathBuf,
    /// How its last QEMU ended; `None` while it runs.
    pub ended: Option<String>,
    /// The status that it ended with, if it had one.
    pub code: Option<i32>,
}

/// Why a request was not met; the part of [`Error`] that crosses the socket.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Refusal {
    NodeDown(String),
    Alarm(Box<Alarm>),
    NotReady(String),
    Other(String),
}

impl Refusal {
    /// What a client is told of an error here.
    pub(crate) fn of(error: Error) -> Self {
        Self::Other(error.to_string())
    }

    pub(crate) fn into_error(self, cluster: &str) -> Error {
        let cluster = cluster.to_owned();
        match self {
            Self::NodeDown(node) => Error::NodeDown(node),
            Self::Alarm(alarm) => Error::Alarm(alarm),
            Self::NotReady(reason) => Error::NotReady { cluster, reason },
            Self::Other(reason) => Error::Supervisor { cluster, reason },
        }
    }
}

/// Writes one message.
pub(crate) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
    bytes.extend(body);
    to.write_all(&bytes)
}

/// Reads one message; the end of the stream is an error.
pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len);
    if len > LIMIT {
        return Err(io::Error::other(format!("message of {len} bytes")));
    }
    let mut body = vec![0; len as usize];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_went() {
        let mut stream = Vec::new();
        send(&mut stream, &Request::Session { node: 3 }).unwrap();
        send(
            &mut stream,
            &Answer::Refused(Refusal::NodeDown("linus3".into())),
        )
        .unwrap();
        let mut stream = stream.as_slice();
        assert!(matches!(
            receive(&mut stream),
            Ok(Request::Session { node: 3 })
        ));
        let answer = receive::<Answer>(&mut stream).unwrap();
        assert!(matches!(answer, Answer::Refused(Refusal::NodeDown(node)) if node == "linus3"));
        assert!(receive::<Answer>(&mut stream).is_err());
    }

    #[test]
    fn what_is_waited_for_is_read() {
        assert_eq!("agents".parse(), Ok(WaitFor::Agents));
        assert_eq!("alive".parse(), Ok(WaitFor::Alive));
        let error = "ever".parse::<WaitFor>().unwrap_err();
        assert!(error.contains("agents, alive"), "{error}");
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let error = receive::<Answer>(&mut [0xff; 16].as_slice()).unwrap_err();
        assert_eq!(error.to_string(), "message of 4294967295 bytes");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! A node of a running cluster, from the outside.

mod alarms;
mod faults;

use std::ffi::OsStr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use podos_agent_proto::Frame;
use serde_json::Value;

use crate::client::cluster::Cluster;
use crate::client::exec::{Exec, Output, Session};
use crate::client::instructions::Instructions;
use crate::control::{Answer, NodeFault, Request};
use crate::error::{IoContext, Result};
use crate::topology::node_name;

/// A node, up or down.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    cluster: &'a Cluster,
    id: u32,
}

impl<'a> Node<'a> {
    pub(crate) fn new(cluster: &'a Cluster, id: u32) -> Self {
        Self { cluster, id }
    }

    /// Its host id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its host name, `linus` and the host id.
    pub fn name(&self) -> String {
        node_name(self.id)
    }

    /// Whether it can be asked anything: its image may be one without an agent.
    pub fn has_agent(&self) -> bool {
        self.cluster.has_agent(self.id)
    }

    /// Its cluster.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// Its console's file, a stamped line each.
    pub fn console(&self) -> PathBuf {
        self.cluster
            .folder()
            .join(format!("{}.console.log", self.name()))
    }

    /// What its processor has executed since it was booted, in a cluster with a
    /// [`counter`](crate::Topology::counter). It goes on meanwhile.
    pub fn instructions(&self) -> Result<Instructions> {
        Instructions::read(&self.cluster.state().counts(&self.name()))
    }

    /// A command to run there.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Exec<'a> {
        Exec::new(*self, program.as_ref())
    }

    /// Runs a command there and waits for its end, whatever its status.
    pub fn exec<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Result<Output> {
        self.whole(argv).run()
    }

    /// Runs a command there that must end with status 0; its standard output, as text.
    pub fn succeed<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.whole(argv).succeed()?.stdout).into_owned())
    }

    /// Runs a line of shell there that must end with status 0; its standard output, as text.
    pub fn shell(&self, line: &str) -> Result<String> {
        self.succeed(["sh", "-c", line])
    }

    /// The content of a small file there (64 KiB at most), without starting a process.
    pub fn read_file(&self, path: impl AsRef<Path>) -> Result<Vec<u8>> {
        let path = path.as_ref().as_os_str().as_encoded_bytes().to_vec();
        let mut session = self.session()?;
        session.send(&Frame::ReadFile(path))?;
        session.content()
    }

    /// Kills its QEMU, as a power failure would.
    pub fn kill(&self) -> Result<()> {
        self.inject(NodeFault::Kill)
    }

    /// Boots it again after it went down; returns when its QEMU runs (see [`Cluster::wait`]).
    pub fn start(&self) -> Result<()> {
        self.cluster.request(&Request::Start { node: self.id })
    }

    /// Writes what it has in its memory to a file, and kills it. No folder of the host may be mounted
    /// there.
    pub fn snapshot(&self, file: impl AsRef<Path>) -> Result<()> {
        let (node, file) = (self.id, absolute(file.as_ref())?);
        self.cluster.request(&Request::Snapshot { node, file })
    }

    /// Lets it go on from a snapshot, after it went down; it is told that it is a copy. Returns when
    /// its QEMU runs.
    pub fn restore(&self, file: impl AsRef<Path>) -> Result<()> {
        let (node, file) = (self.id, absolute(file.as_ref())?);
        self.cluster.request(&Request::Restore { node, file })
    }

    /// Lets its processor and its clock stand still. Frames for it wait, as long as there is room,
    /// and its agent does not answer.
    pub fn pause(&self) -> Result<()> {
        self.inject(NodeFault::Pause)
    }

    /// Lets it go on after [`Node::pause`], as if no time had passed.
    pub fn resume(&self) -> Result<()> {
        self.inject(NodeFault::Resume)
    }

    /// Resets it: its memory is lost at once and it boots anew, as another boot. Returns when its
    /// QEMU runs.
    pub fn reset(&self) -> Result<()> {
        self.inject(NodeFault::Reset)
    }

    /// Has QEMU's own monitor carry out a command of QMP, for what the harness has no word for;
    /// what QEMU returns.
    pub fn qmp(&self, command: &str, arguments: Value) -> Result<Value> {
        let request = Request::Monitor {
            node: self.id,
            command: command.into(),
            arguments,
        };
        match self.cluster.ask(&request)? {
            (Answer::Returned(value), _) => Ok(value),
            (other, _) => Err(self.cluster.odd(&other)),
        }
    }

    /// Takes the carrier of its interface on a rail away, or on all rails. It is told so: this is
    /// the pulled plug. [`Cluster::cut`] does it without a word.
    pub fn link_down(&self, rail: impl Into<Option<u8>>) -> Result<()> {
        self.link(rail.into(), false)
    }

    /// Gives the carrier back. Until then it is gone in later boots, too.
    pub fn link_up(&self, rail: impl Into<Option<u8>>) -> Result<()> {
        self.link(rail.into(), true)
    }

    fn link(&self, rail: Option<u8>, up: bool) -> Result<()> {
        let node = self.id;
        self.cluster.request(&Request::Link { node, rail, up })
    }

    fn inject(&self, fault: NodeFault) -> Result<()> {
        let node = self.id;
        self.cluster.request(&Request::Node { node, fault })
    }

    /// Its console, both ways, from now on.
    pub fn attach_console(&self) -> Result<UnixStream> {
        self.cluster
            .ask(&Request::Console { node: self.id })
            .map(|(_, stream)| stream)
    }

    pub(crate) fn session(&self) -> Result<Session> {
        let (_, stream) = self.cluster.ask(&Request::Session { node: self.id })?;
        let call = self.cluster.cancellation().call(&stream)?;
        Ok(Session::new(self.name(), stream, call))
    }

    fn whole<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Exec<'a> {
        let mut argv = argv.into_iter();
        let program = argv
            .next()
            .map(|program| program.as_ref().to_owned())
            .unwrap_or_default();
        self.command(program).args(argv)
    }
}

/// A path that the supervisor, which has another working directory, takes for the same.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).context(|| format!("find {}", path.display()))
}

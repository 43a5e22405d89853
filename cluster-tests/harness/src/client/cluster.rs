// SPDX-License-Identifier: MIT OR Apache-2.0

//! A running cluster, from the outside.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use podos_switch::{Rate, Selector};

use crate::alarm::Alarm;
use crate::client::cancellation::Cancellation;
use crate::client::node::Node;
use crate::client::spawn;
use crate::client::switch::Switch;
use crate::client::timeline;
use crate::config::Config;
use crate::control::{self, Answer, Request, Status, WaitFor};
use crate::error::{Error, IoContext, Result};
use crate::image::Images;
use crate::keys;
use crate::state::{self, Lock, StateDir};
use crate::topology::{node_name, Net, NodeKey, Topology};

/// How long a supervisor may take to tidy up when it is asked to end.
const DOWN_WITHIN: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Clone, Debug)]
pub struct Up {
    /// The cluster's name, one at a time.
    pub name: String,
    /// Folder of the image, as `cargo xtask image` wrote it.
    pub image: PathBuf,
    /// What it consists of.
    pub topology: Topology,
    /// When [`Cluster::up`] returns.
    pub wait: WaitFor,
    /// When the cluster ends.
    pub lifetime: Lifetime,
    /// Where the consoles go if it does not come up; nowhere when `None`.
    pub keep_logs: Option<PathBuf>,
}

impl Up {
    /// A cluster that is waited for until all see each other, and ends with us.
    pub fn new(name: &str, image: impl Into<PathBuf>, topology: Topology) -> Self {
        Self {
            name: name.into(),
            image: image.into(),
            topology,
            wait: WaitFor::Alive,
            lifetime: Lifetime::Owner,
            keep_logs: None,
        }
    }
}

/// When a cluster ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// With its [`Cluster`], or with the process that has it, however that ends.
    Owner,
    /// When it is told to.
    Background,
}

/// A cluster that is up.
#[derive(Debug)]
pub struct Cluster {
    state: StateDir,
    topology: Topology,
    images: Option<Images>,
    /// The supervisor ends the cluster when this connection ends.
    hold: Option<UnixStream>,
    cancellation: Arc<Cancellation>,
}

impl Cluster {
    /// Boots a cluster and waits until it is ready. On any failure nothing of it stays, but the
    /// consoles where [`Up::keep_logs`] says.
    pub fn up(up: &Up) -> Result<Self> {
        up.topology.check()?;
        let images = Images::find(&up.image, &up.topology)?;
        let mut topology = up.topology.clone();
        if let Some(share) = &mut topology.share {
            *share = share
                .canonicalize()
                .context(|| format!("find the folder of --share, {}", share.display()))?;
        }
        for key in topology.keys.values_mut() {
            if let NodeKey::File(file) = key {
                *file = file
                    .canonicalize()
                    .context(|| format!("find the key file {}", file.display()))?;
            }
        }
        let state = StateDir::of(&up.name)?;
        let lock = state.create()?;
        let config = Config {
            name: up.name.clone(),
            topology: topology.clone(),
            images: images.clone(),
        };
        let mut cluster = Self {
            state,
            topology,
            images: Some(images),
            hold: None,
            cancellation: Arc::default(),
        };
        let started = spawn::supervisor(&cluster.state, lock, &config).and_then(|()| {
            cluster.hold = Some(cluster.hold()?);
            cluster.request(&Request::Wait { until: up.wait })
        });
        if let Err(error) = started {
            let error = cluster.keep_logs(up.keep_logs.as_deref(), error);
            cluster.end()?;
            return Err(error);
        }
        if up.lifetime == Lifetime::Background {
            cluster.release()?;
        }
        Ok(cluster)
    }

    /// The cluster of this name that is up already. It outlives the value.
    pub fn find(name: &str) -> Result<Self> {
        let state = StateDir::of(name)?;
        if !matches!(state.lock()?, Lock::Held) {
            return Err(not_up(name));
        }
        let text = fs::read(state.config()).map_err(|_| not_up(name))?;
        let config = serde_json::from_slice::<Config>(&text).map_err(|error| {
            let reason = format!("{}: {error}", state.config().display());
            Error::Supervisor {
                cluster: name.into(),
                reason,
            }
        })?;
        Ok(Self {
            state,
            topology: config.topology,
            images: Some(config.images),
            hold: None,
            cancellation: Arc::default(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.state.name()
    }

    /// What it was started as.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Folder of the image that most of its nodes boot, for another cluster of the same.
    pub fn image(&self) -> Option<&Path> {
        let images = self.images.as_ref();
        images.and_then(|images| images.usual.kernel.parent())
    }

    /// Folder of its consoles and other logs.
    pub fn folder(&self) -> &Path {
        self.state.path()
    }

    pub(crate) fn state(&self) -> &StateDir {
        &self.state
    }

    /// The node with this host id.
    pub fn node(&self, id: u32) -> Result<Node<'_>> {
        self.node_named(&id.to_string())
    }

    /// The node named `linus2` or `2`.
    pub fn node_named(&self, asked: &str) -> Result<Node<'_>> {
        match self.topology.find(asked) {
            Some(id) => Ok(Node::new(self, id)),
            None => Err(Error::NoSuchNode {
                cluster: self.name().into(),
                asked: asked.into(),
                nodes: self
                    .topology
                    .nodes
                    .iter()
                    .map(|id| node_name(*id))
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// All nodes, in the topology's order.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.topology.nodes.iter().map(|id| Node::new(self, *id))
    }

    pub(crate) fn has_agent(&self, node: u32) -> bool {
        let images = self.images.as_ref();
        images.is_none_or(|images| images.of(node).has_agent)
    }

    /// How it is.
    pub fn status(&self) -> Result<Status> {
        match self.ask(&Request::Status)? {
            (Answer::Status(status), _) => Ok(*status),
            (other, _) => Err(self.odd(&other)),
        }
    }

    /// Waits until the nodes that run are ready again, as [`Cluster::up`] does.
    pub fn wait(&self, until: WaitFor) -> Result<()> {
        self.request(&Request::Wait { until })
    }

    /// The kernels' alarms since the last call, or since the start.
    pub fn take_alarms(&self) -> Result<Vec<Alarm>> {
        match self.ask(&Request::TakeAlarms)? {
            (Answer::Alarms(alarms), _) => Ok(alarms),
            (other, _) => Err(self.odd(&other)),
        }
    }

    /// The file with the cluster key that a node was given, or `none` in it. Only this user can
    /// read it. `None` if the node was to have its image's, and that has none.
    pub fn key_file(&self, node: u32) -> Option<PathBuf> {
        let images = self.images.as_ref()?;
        keys::file(&self.state.keys(), images, &self.topology, node)
    }

    /// The switches of its rails, if it has [`Net::Switch`].
    pub fn switch(&self) -> Result<Switch<'_>> {
        match self.topology.net {
            Net::Switch => Ok(Switch::new(self)),
            Net::Bridge => Err(Error::NeedsSwitch(self.name().into())),
        }
    }

    /// Lets ports lose everything, both ways, without a word: nodes have their carriers still.
    pub fn cut(&self, at: Selector) -> Result<()> {
        self.request(&Request::Cut { at, cut: true })
    }

    /// Ends a cut.
    pub fn mend(&self, at: Selector) -> Result<()> {
        self.request(&Request::Cut { at, cut: false })
    }

    /// Shapes links to this rate; as fast as can be with `None`. [`Direction::Both`] is what the
    /// nodes receive, as with [`Rail::rate`], for a full link need not be shaped at both ends.
    pub fn rate(&self, at: Selector, rate: Option<Rate>) -> Result<()> {
        self.request(&Request::Rate { at, rate })
    }

    /// Puts a line into the timeline.
    pub fn mark(&self, text: impl Into<String>) -> Result<()> {
        self.request(&Request::Mark { text: text.into() })
    }

    /// All consoles, agent calls and faults so far, merged by the one clock.
    pub fn timeline(&self) -> Result<String> {
        timeline::merge(&self.state, &self.topology)
    }

    /// Ends the cluster: afterwards nothing of it is there.
    pub fn down(mut self) -> Result<()> {
        self.end()
    }

    /// Ends the cluster of this name, or what a killed supervisor left of it; false when there
    /// is nothing.
    pub fn down_named(name: &str) -> Result<bool> {
        let state = StateDir::of(name)?;
        match state.lock()? {
            Lock::Gone => Ok(false),
            Lock::Taken(stale) => state.remove(stale).map(|()| true),
            Lock::Held => {
                let topology = Topology::nodes(0);
                Self {
                    state,
                    topology,
                    images: None,
                    hold: None,
                    cancellation: Arc::default(),
                }
                .end()
                .map(|()| true)
            }
        }
    }

    pub(crate) fn request(&self, request: &Request) -> Result<()> {
        match self.ask(request)? {
            (Answer::Done, _) => Ok(()),
            (other, _) => Err(self.odd(&other)),
        }
    }

    pub(crate) fn cancellation(&self) -> &Arc<Cancellation> {
        &self.cancellation
    }

    /// Asks, and gives back the connection for what may follow.
    pub(crate) fn ask(&self, request: &Request) -> Result<(Answer, UnixStream)> {
        if request.is_for_report() {
            return self.ask_anyway(self.connect()?, request);
        }
        self.cancellation.check()?;
        let stream = self.connect()?;
        let call = self.cancellation.call(&stream)?;
        let asked = self.ask_anyway(stream, request);
        asked.map_err(|error| call.reason(error))
    }

    fn ask_anyway(
        &self,
        mut stream: UnixStream,
        request: &Request,
    ) -> Result<(Answer, UnixStream)> {
        let answer = control::send(&mut stream, request)
            .and_then(|()| control::receive(&mut stream))
            .map_err(|error| {
                self.supervisor_error(format!("{error} (see {})", self.state.log().display()))
            })?;
        match answer {
            Answer::Refused(refusal) => Err(refusal.into_error(self.name())),
            answer => Ok((answer, stream)),
        }
    }

    fn connect(&self) -> Result<UnixStream> {
        UnixStream::connect(self.state.control()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => not_up(self.name()),
            _ => self.supervisor_error(format!(
                "connect to {}: {error}",
                self.state.control().display()
            )),
        })
    }

    fn hold(&self) -> Result<UnixStream> {
        self.ask(&Request::Hold).map(|(_, stream)| stream)
    }

    /// Makes the cluster outlive this process.
    fn release(&mut self) -> Result<()> {
        if let Some(mut hold) = self.hold.take() {
            control::send(&mut hold, &Request::Release).context(|| "release the cluster".into())?;
            // The answer tells that the supervisor will not end it when `hold` is dropped.
            let _ =
                control::receive::<Answer>(&mut hold).context(|| "release the cluster".into())?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.hold = None;
        // A supervisor that is on its way out already may close the connection on us.
        let asked = self.request(&Request::Down);
        let deadline = Instant::now() + DOWN_WITHIN;
        loop {
            match self.state.lock()? {
                Lock::Gone => return Ok(()),
                Lock::Taken(stale) => return self.state.remove(stale),
                Lock::Held if Instant::now() > deadline => break,
                Lock::Held => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        let pid = fs::read_to_string(self.state.pid()).unwrap_or_default();
        let asked = asked
            .err()
            .map(|error| format!(" ({error})"))
            .unwrap_or_default();
        Err(self.supervisor_error(format!(
            "process {} did not end within {} s{asked}: kill it, then try again",
            pid.trim(),
            DOWN_WITHIN.as_secs(),
        )))
    }

    /// Moves the consoles to where they outlive the cluster, and the error's words with them.
    fn keep_logs(&self, to: Option<&Path>, error: Error) -> Error {
        let Some(to) = to else { return error };
        let copied = fs::create_dir_all(to).and_then(|()| {
            for entry in fs::read_dir(self.state.path())? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "log") {
                    fs::copy(&path, to.join(path.file_name().unwrap_or_default()))?;
                }
            }
            Ok(())
        });
        if copied.is_err() {
            return error;
        }
        let moved = |text: String| {
            text.replace(&*self.state.path().to_string_lossy(), &to.to_string_lossy())
        };
        match error {
            Error::Alarm(mut alarm) => {
                alarm.console = to.join(alarm.console.file_name().unwrap_or_default());
                Error::Alarm(alarm)
            }
            Error::NotReady { cluster, reason } => Error::NotReady {
                cluster,
                reason: moved(reason),
            },
            Error::Supervisor { cluster, reason } => Error::Supervisor {
                cluster,
                reason: moved(reason),
            },
            other => other,
        }
    }

    pub(crate) fn odd(&self, answer: &Answer) -> Error {
        self.supervisor_error(format!("unexpected answer {answer:?}"))
    }

    fn supervisor_error(&self, reason: String) -> Error {
        Error::Supervisor {
            cluster: self.name().into(),
            reason,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.hold.is_some() {
            // The supervisor ends on its own when the hold is gone; waiting here only makes sure
            // that the name is free again, and a failure shows in the next `up`.
            let _ = self.end();
        }
    }
}

fn not_up(name: &str) -> Error {
    let others = match state::list().unwrap_or_default() {
        names if names.is_empty() => String::new(),
        names => format!(" (up are: {})", names.join(", ")),
    };
    Error::NotUp {
        name: name.into(),
        others,
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Alarms: those that end a test, those that it expects, and the end of what hangs.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::alarm::Alarm;
use crate::client::cancellation::Reason;
use crate::client::cluster::Cluster;
use crate::control::{receive, send, Answer, Request};
use crate::error::{Error, Result};
use crate::topology::node_name;

/// Between two questions whether an expected alarm has come.
const PAUSE: Duration = Duration::from_millis(25);

/// While it lives, an alarm of any node ends all calls on its cluster. Dropping it ends that.
#[derive(Debug)]
pub struct Watch {
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
}

/// While it lives, alarms of a node with some text in them are expected (see
/// [`Cluster::expect_alarm`]).
#[derive(Debug)]
pub struct Expectation<'a> {
    cluster: &'a Cluster,
    node: u32,
    pattern: String,
    stream: UnixStream,
}

impl Cluster {
    /// From now on the first alarm of a kernel, and a node that goes down by itself, ends
    /// every call on this cluster, those under way and those to come, with
    /// [`Error::Alarm`]. Before that, `tell` hears of it. A alarm that nobody has taken yet
    /// counts at once.
    pub fn watch(&self, tell: impl FnOnce(&Alarm) + Send + 'static) -> Result<Watch> {
        let stream = match self.ask(&Request::Watch)? {
            (Answer::Done, stream) => stream,
            (other, _) => return Err(self.odd(&other)),
        };
        let cancellation = Arc::clone(self.cancellation());
        let mut answers = stream.try_clone().map_err(|source| Error::Io {
            what: "keep a second handle of a connection".into(),
            source,
        })?;
        let listen = move || {
            // Its end, by whichever side, says that there is nothing to tell.
            if let Ok(Answer::Alarms(alarms)) = receive(&mut answers) {
                if let Some(alarm) = alarms.into_iter().next() {
                    tell(&alarm);
                    cancellation.cancel(Reason::Alarm(Box::new(alarm)));
                }
            }
        };
        let thread = Some(thread::spawn(listen));
        Ok(Watch { stream, thread })
    }

    /// Ends every call on this cluster with [`Error::GivenUp`], those under way and those to come.
    /// What a report needs can still be asked for: [`Cluster::status`], [`Cluster::timeline`],
    /// [`Cluster::take_alarms`], [`Switch::recent`](crate::Switch::recent).
    pub fn give_up(&self, why: impl Into<String>) {
        self.cancellation().cancel(Reason::GivenUp(why.into()));
    }

    /// Whether calls can still be made: the reason why not, as an error.
    pub fn check(&self) -> Result<()> {
        self.cancellation().check()
    }

    /// Declares that a node is about to raise an alarm on purpose: until the value is dropped, its
    /// alarms with `pattern` in them are expected. So is the line that announces a report
    /// on that node, and the end of its QEMU after such a alarm.
    ///
    /// ```no_run
    /// # fn main() -> podos_harness::Result<()> {
    /// # let cluster = podos_harness::Cluster::find("podos")?;
    /// let panic = cluster.expect_alarm(2, "Kernel panic - not syncing")?;
    /// cluster.node(2)?.command("sh").args(["-c", "echo c > /proc/sysrq-trigger"]).spawn()?;
    /// panic.wait(std::time::Duration::from_secs(20))?;
    /// # Ok(()) }
    /// ```
    pub fn expect_alarm(&self, node: u32, pattern: &str) -> Result<Expectation<'_>> {
        let node = self.node(node)?.id();
        let request = Request::Expect {
            node,
            pattern: pattern.into(),
        };
        match self.ask(&request)? {
            (Answer::Done, stream) => Ok(Expectation {
                cluster: self,
                node,
                pattern: pattern.into(),
                stream,
            }),
            (other, _) => Err(self.odd(&other)),
        }
    }

    /// Has all nodes print on their consoles what their tasks do, which is how it gets into the
    /// timeline; by their agents, or where these don't answer, by other means. It takes a while,
    /// and what can't be learnt is told in the timeline.
    pub fn print_stacks(&self) -> Result<()> {
        self.request(&Request::Stacks)
    }

    /// Sends SIGTERM to all that runs by [`Node::command`](crate::Node::command), whoever called;
    /// returns when it has ended, or does not.
    pub fn terminate_commands(&self) -> Result<()> {
        self.request(&Request::Terminate)
    }

    /// Kills the QEMUs of all nodes, all at once.
    pub fn kill_nodes(&self) -> Result<()> {
        self.request(&Request::KillAll)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The thread reads its end then.
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Expectation<'_> {
    /// The alarms so far that were expected, line by line.
    pub fn seen(&self) -> Result<Vec<String>> {
        let mut stream = &self.stream;
        let answer = send(&mut stream, &Request::Seen).and_then(|()| receive(&mut stream));
        match answer {
            Ok(Answer::Lines(lines)) => Ok(lines),
            Ok(other) => Err(self.cluster.odd(&other)),
            Err(source) => Err(Error::Io {
                what: "ask the supervisor for expected alarms".into(),
                source,
            }),
        }
    }

    /// Waits for the first one.
    pub fn wait(&self, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(line) = self.seen()?.into_iter().next() {
                return Ok(line);
            }
            self.cluster.check()?;
            if Instant::now() > deadline {
                return Err(Error::NoAlarm {
                    node: node_name(self.node),
                    pattern: self.pattern.clone(),
                    seconds: limit.as_secs(),
                });
            }
            thread::sleep(PAUSE);
        }
    }
}

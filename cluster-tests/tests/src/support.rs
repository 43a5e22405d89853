// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests say to clusters and nodes. All use of the harness is here and in `clusters`.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use podos_harness::{Cluster, Exec, Exit, Expectation, Node, NodeState, Running, Switch, WaitFor};

use crate::answers::Answers;
use crate::record;
use crate::terms::Terms;

/// Where the guest's tool is on the nodes.
pub const TOOL: &str = "/tmp/podos-testtool";
/// Where the host's folder with it is.
const SHARED_TOOL: &str = "/mnt/host/podos-testtool";
/// How long something may take that is asked for again and again.
const PATIENCE: Duration = Duration::from_secs(15);
/// The pause between two askings.
const PAUSE: Duration = Duration::from_millis(25);

/// See [`crate::enter`].
pub fn enter() {
    podos_harness::supervisor::enter();
}

/// What a test works with.
pub struct Lab<'a> {
    /// None in a setting without nodes.
    cluster: Option<&'a Cluster>,
    test: &'static str,
    terms: Arc<Terms>,
    scratch: Cell<bool>,
}

impl<'a> Lab<'a> {
    pub fn new(cluster: Option<&'a Cluster>, test: &'static str, terms: Arc<Terms>) -> Self {
        let scratch = Cell::new(false);
        Self {
            cluster,
            test,
            terms,
            scratch,
        }
    }

    /// A folder for what tells why the test failed: it goes if it passes, and the files in it are
    /// attached to the report if it does not.
    pub fn record(&self) -> PathBuf {
        record::folder(&self.terms.folder, self.test)
    }

    /// What all tests of the run are run with.
    pub fn terms(&self) -> &Arc<Terms> {
        &self.terms
    }

    /// The cluster, for what concerns no single node.
    pub fn cluster(&self) -> Result<&'a Cluster> {
        self.cluster.context("the test's setting has no nodes")
    }

    /// Declares that a node is about to raise an alarm on purpose, until the value is dropped (see
    /// [`Cluster::expect_alarm`]).
    pub fn expect_alarm(&self, host: u32, pattern: &str) -> Result<Expectation<'a>> {
        Ok(self.cluster()?.expect_alarm(host, pattern)?)
    }

    /// The seed of all random numbers.
    pub fn seed(&self) -> u64 {
        self.terms.seed
    }

    /// The network, which can make faults; for settings that have one of ours.
    pub fn switch(&self) -> Result<Switch<'a>> {
        Ok(self.cluster()?.switch()?)
    }

    /// Where the key is that a node was given.
    pub fn key_file(&self, host: u32) -> Option<PathBuf> {
        self.cluster?.key_file(host)
    }

    /// linusN.
    pub fn node(&self, host: u32) -> Result<Machine<'a>> {
        Ok(Machine(self.cluster()?.node(host)?))
    }

    /// All nodes that can be asked, linus1 first.
    pub fn nodes(&self) -> Vec<Machine<'a>> {
        let nodes = self.cluster.into_iter().flat_map(Cluster::nodes);
        let nodes = nodes.filter(|node| node.has_agent());
        nodes.map(Machine).collect()
    }

    /// An empty directory, under the same name on every node, for this test only.
    pub fn scratch(&self) -> Result<String> {
        let path = self.scratch_path();
        if !self.scratch.replace(true) {
            for node in self.nodes() {
                node.sh(&format!("rm -rf {path} && mkdir -m 1777 {path}"))?;
            }
        }
        Ok(path)
    }

    /// Removes what [`Lab::scratch`] made.
    pub fn clean_up(&self) -> Result<()> {
        if self.scratch.get() {
            for node in self.nodes() {
                node.sh(&format!("rm -rf {}", self.scratch_path()))?;
            }
        }
        Ok(())
    }

    fn scratch_path(&self) -> String {
        format!("/tmp/test-{}", self.test)
    }

    /// Boots nodes that are down; returns when all nodes see each other.
    pub fn revive(&self) -> Result<()> {
        let cluster = self.cluster()?;
        let status = cluster.status()?;
        let down: Vec<_> = status
            .nodes
            .iter()
            .filter(|n| n.state == NodeState::Down)
            .collect();
        for node in &down {
            cluster.node(node.id)?.start()?;
        }
        cluster.wait(WaitFor::Alive)?;
        for node in &down {
            self.node(node.id)?.prepare()?;
        }
        Ok(())
    }
}

/// A node.
#[derive(Clone, Copy)]
pub struct Machine<'a>(Node<'a>);

/// How a command on a node ended, and what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
}

impl From<podos_harness::Output> for Output {
    fn from(output: podos_harness::Output) -> Self {
        Self {
            exit: output.exit,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl<'a> Machine<'a> {
    pub fn new(node: Node<'a>) -> Self {
        Self(node)
    }

    /// The same node for those parts of the harness that are tests' subjects themselves.
    pub fn harness(&self) -> Node<'a> {
        self.0
    }

    pub fn host(&self) -> u32 {
        self.0.id()
    }

    /// `linusN`.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// The guest's tool, which is on a shared folder, copied to where it runs fast.
    pub fn prepare(&self) -> Result<()> {
        self.sh(&format!("cp {SHARED_TOOL} {TOOL}")).map(drop)
    }

    /// A command, however it ends.
    pub fn exec(&self, argv: &[&str]) -> Result<Output> {
        Ok(self.0.exec(argv)?.into())
    }

    /// A line of shell, however it ends.
    pub fn try_sh(&self, line: &str) -> Result<Output> {
        self.exec(&["sh", "-c", line])
    }

    /// A line of shell that ends with status 0; its output without the white space at the end.
    pub fn sh(&self, line: &str) -> Result<String> {
        let output = self.try_sh(line)?;
        let (name, exit) = (self.name(), output.exit);
        ensure!(
            exit.success(),
            "on {name}: `{line}` ended with {exit}: {}{}",
            output.stdout,
            output.stderr
        );
        Ok(output.stdout.trim_end().to_owned())
    }

    /// A line of shell that fails; what it said about it.
    pub fn fails(&self, line: &str) -> Result<String> {
        let output = self.try_sh(line)?;
        if output.exit.success() {
            let name = self.name();
            bail!(
                "on {name}: `{line}` was to fail, but wrote {:?}",
                output.stdout
            );
        }
        Ok(output.stderr)
    }

    /// Waits until a process runs whose command line has `words` in it.
    pub fn until_runs(&self, words: &str) -> Result<()> {
        self.until(&runs(words)).map(drop)
    }

    /// Waits until no process runs whose command line has `words` in it.
    pub fn until_gone(&self, words: &str) -> Result<()> {
        self.until(&format!("! {}", runs(words))).map(drop)
    }

    /// A line of shell, again and again until it ends with status 0.
    pub fn until(&self, line: &str) -> Result<String> {
        let deadline = Instant::now() + self.patience();
        loop {
            match self.sh(line) {
                Err(error) if Instant::now() > deadline => {
                    let seconds = self.patience().as_secs();
                    return Err(error).context(format!("given up after {seconds} s"));
                }
                Err(_) => thread::sleep(PAUSE),
                done => return done,
            }
            // Nothing good comes any more after that.
            self.0.cluster().check()?;
        }
    }

    /// How long something may take here that is asked for again and again.
    fn patience(&self) -> Duration {
        self.0.cluster().topology().kernel.scale(PATIENCE)
    }

    /// The guest's tool, which does its work; what it answers.
    pub fn tool(&self, args: &[&str]) -> Result<Answers> {
        let output = self.try_tool(args)?;
        let (name, exit) = (self.name(), output.exit);
        ensure!(
            exit.success(),
            "on {name}: `tool {}` ended with {exit}: {}{}",
            args.join(" "),
            output.stdout,
            output.stderr
        );
        Ok(self.answers(args, &output))
    }

    /// The guest's tool, however it ends.
    pub fn try_tool(&self, args: &[&str]) -> Result<Output> {
        self.exec(&[&[TOOL], args].concat())
    }

    /// The guest's tool, which goes on while the test does.
    pub fn start_tool(&self, args: &[&str]) -> Result<Background<'a>> {
        self.background(args, self.0.command(TOOL).args(args))
    }

    /// The same, where it may take longer than commands usually do.
    pub fn start_long_tool(&self, args: &[&str], limit: Duration) -> Result<Background<'a>> {
        self.background(args, self.0.command(TOOL).args(args).limit(limit))
    }

    fn background(&self, args: &[&str], command: Exec<'a>) -> Result<Background<'a>> {
        Ok(Background {
            machine: *self,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            running: command.spawn()?,
        })
    }

    /// The error number of one call of the guest's tool.
    pub fn call(&self, operation: &str, path: &str) -> Result<Answers> {
        self.tool(&["call", operation, path])
    }

    /// Kills the virtual machine, as a power failure would.
    pub fn kill(&self) -> Result<()> {
        Ok(self.0.kill()?)
    }

    fn answers(&self, args: &[&str], output: &Output) -> Answers {
        Answers::parse(
            format!("{}: tool {}", self.name(), args.join(" ")),
            &output.stdout,
        )
    }
}

/// A line of shell that is true if such a process runs; it does not find itself, for a character
/// of the words is in brackets.
fn runs(words: &str) -> String {
    let last = words.len() - 1;
    format!(
        "ps -o args | grep -q '{}[{}]'",
        &words[..last],
        &words[last..]
    )
}

/// The guest's tool in the background. Dropping it kills it.
pub struct Background<'a> {
    machine: Machine<'a>,
    args: Vec<String>,
    running: Running,
}

impl Background<'_> {
    /// Waits until it said `ready=1`.
    pub fn ready(&self) -> Result<()> {
        self.ready_within(self.machine.patience())
    }

    /// The same of one that has much to do before.
    pub fn ready_within(&self, limit: Duration) -> Result<()> {
        Ok(self.running.wait_for_stdout("ready=1\n", limit)?)
    }

    /// Kills it in a way that it can't notice.
    pub fn kill(mut self) -> Result<()> {
        self.running.signal(libc::SIGKILL as u8)?;
        self.running.wait()?;
        Ok(())
    }

    /// Waits for its end; what it answered.
    pub fn finish(self) -> Result<Answers> {
        let output = Output::from(self.running.wait()?);
        let args: Vec<_> = self.args.iter().map(String::as_str).collect();
        let (name, exit) = (self.machine.name(), output.exit);
        ensure!(
            exit.success(),
            "on {name}: `tool {}` ended with {exit}: {}{}",
            args.join(" "),
            output.stdout,
            output.stderr
        );
        Ok(self.machine.answers(&args, &output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_for_a_process_does_not_find_the_look() {
        assert_eq!(runs("sleep 12"), "ps -o args | grep -q 'sleep 1[2]'");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The cluster that a bench runs on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use podos_harness::{Cluster, Node, Rate, Running, Selector, Topology, Up};

use crate::answers::Answers;

/// Where the guest's tool is on the nodes.
pub const TOOL: &str = "/tmp/podos-testtool";
/// Where the host's folder with it is.
const SHARED_TOOL: &str = "/mnt/host/podos-testtool";
/// How long a server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than any bench.
const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long one measurement may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A cluster, with what a bench asks of it.
pub struct Lab {
    cluster: Cluster,
}

impl Lab {
    /// Boots the cluster; `share` has the guest's tool. The consoles of one that does not come up
    /// go to `logs`.
    pub fn up(
        bench: &str,
        image: &Path,
        topology: Topology,
        share: &Path,
        logs: &Path,
    ) -> Result<Self> {
        let name = format!("bench-{bench}-{}", std::process::id());
        let mut up = Up::new(&name, image, topology.share(share));
        up.keep_logs = Some(logs.to_owned());
        let cluster = Cluster::up(&up).with_context(|| format!("cannot boot cluster {name}"))?;
        for node in cluster.nodes() {
            node.shell(&format!("cp {SHARED_TOOL} {TOOL}"))?;
        }
        Ok(Self { cluster })
    }

    /// linusN.
    pub fn node(&self, host: u32) -> Result<Node<'_>> {
        Ok(self.cluster.node(host)?)
    }

    /// What runs the nodes.
    pub fn accelerator(&self) -> Result<String> {
        Ok(self.cluster.status()?.accelerator)
    }

    /// Runs `podos-testtool bench ARGS` on a node to its good end.
    pub fn tool(&self, host: u32, args: &[&str]) -> Result<Answers> {
        let output = self.command(host, args)?.run()?;
        let question = format!("linus{host}: bench {}", args.join(" "));
        ensure!(
            output.exit.success(),
            "{question}: {}: {}",
            output.exit,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(Answers::parse(question, &output.text()))
    }

    /// Starts `podos-testtool bench ARGS` on a node, and returns when it says that it is ready.
    /// It is killed when the value is dropped.
    pub fn start(&self, host: u32, args: &[&str]) -> Result<Background> {
        let running = self.command(host, args)?.limit(FOREVER).spawn()?;
        running.wait_for_stdout("ready=1\n", PATIENCE)?;
        Ok(Background(Some(running)))
    }

    /// Starts a program on a node. It is killed when the value is dropped.
    pub fn background(&self, host: u32, program: &str, args: &[&str]) -> Result<Background> {
        let command = self.node(host)?.command(program).args(args);
        Ok(Background(Some(command.limit(FOREVER).spawn()?)))
    }

    fn command(&self, host: u32, args: &[&str]) -> Result<podos_harness::Exec<'_>> {
        let command = self.node(host)?.command(TOOL).arg("bench");
        Ok(command.args(args).limit(LIMIT))
    }

    /// Shapes all rails to a rate; as fast as can be with `None`.
    pub fn shape(&self, rate: Option<Rate>) -> Result<()> {
        Ok(self.cluster.rate(Selector::ALL, rate)?)
    }

    /// The processor time of all nodes so far, as the host counts it: that of their QEMU
    /// processes. What an emulated processor does in which of its threads does not matter then.
    pub fn processor_time(&self) -> Result<Duration> {
        let nodes = self.cluster.status()?.nodes;
        let pids = nodes.iter().filter_map(|node| node.qemu);
        pids.map(process_time).sum()
    }

    /// Keeps the consoles and what else was logged so far.
    pub fn keep_logs(&self, to: &Path) -> Result<()> {
        fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        let timeline = to.join("timeline.log");
        fs::write(&timeline, self.cluster.timeline()?)
            .with_context(|| format!("cannot write {}", timeline.display()))
    }

    /// Fails if a kernel raised an alarm.
    pub fn check_consoles(&self) -> Result<()> {
        let alarms = self.cluster.take_alarms()?;
        let told: Vec<_> = alarms.iter().map(|t| t.to_string()).collect();
        ensure!(told.is_empty(), "{}", told.join("; "));
        Ok(())
    }
}

/// A tool that runs on a node. Dropping it kills the tool, and waits until it is gone.
pub struct Background(Option<Running>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(mut running) = self.0.take() {
            // One that has ended already, or whose node is gone, is fine.
            let _ = running.signal(libc::SIGKILL as u8);
            let _ = running.wait();
        }
    }
}

/// User and system time of a process and of its threads.
fn process_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = ticks(&text).with_context(|| format!("cannot parse {path}: {text}"))?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// `utime` and `stime` of a line of /proc/PID/stat, whose second field may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_an_odd_name_has_its_time() {
        let line = "7 (qemu ) 1) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 3 0 1000";
        assert_eq!(ticks(line), Some(300));
        assert_eq!(ticks("7 (qemu"), None);
        assert_eq!(ticks("7 (qemu) S 1 7"), None);
    }

    #[test]
    fn this_process_takes_time() {
        let start = process_time(std::process::id()).unwrap();
        let busy = std::time::Instant::now();
        while process_time(std::process::id()).unwrap() == start {
            assert!(busy.elapsed() < Duration::from_secs(20));
        }
    }
}

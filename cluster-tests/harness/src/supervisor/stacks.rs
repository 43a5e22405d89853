// SPDX-License-Identifier: MIT OR Apache-2.0

//! Task stacks of a hung node, on its console.
//!
//! The agent is asked first. One that does not answer hangs, and then the kernel is asked over
//! its serial line, which needs no process, or at worst the shell there. A kernel that does not
//! hear that has its interrupts off, or its processor stands still: then the registers tell where.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::time::{Duration, Instant};

use podos_agent_proto::{Command, Exit, Frame};
use serde_json::json;

use super::cluster::Cluster;
use crate::supervisor::agent::AgentPort;
use crate::topology::node_name;

/// What the kernel is asked: for blocked tasks, for what runs on each processor, for all tasks.
const KEYS: [&str; 3] = ["w", "l", "t"];

/// What it says first of all to any of them.
const ECHO: &str = "sysrq: Show";

/// How long an agent may take to say that it is there, under KVM.
const PONG: Duration = Duration::from_secs(2);

/// How long all stacks may take, for a serial line takes every byte by itself.
const TELLS: Duration = Duration::from_secs(15);

/// A console that is quiet for so long has told all.
const QUIET: Duration = Duration::from_millis(500);

/// Has every node that runs print what its tasks do, all at once; returns when they did.
pub(super) fn print(cluster: &Arc<Cluster>) {
    let running = cluster.topology().nodes.iter().copied();
    let running = running.filter(|id| cluster.runs(*id));
    let asking = running.map(|id| {
        let cluster = Arc::clone(cluster);
        std::thread::spawn(move || ask(&cluster, id))
    });
    for thread in asking.collect::<Vec<_>>() {
        // One that panicked has told the log.
        let _ = thread.join();
    }
}

fn ask(cluster: &Cluster, id: u32) {
    let name = node_name(id);
    let note = |what: &str| cluster.events().note(&name, &format!("STACKS: {what}"));
    let limit = |limit| {
        cluster
            .topology()
            .kernel
            .scale(cluster.accelerator().scale(limit))
    };
    match by_agent(cluster, id, limit(PONG), limit(TELLS)) {
        Ok(()) => return note("asked for by its agent"),
        Err(why) => note(&format!("{why}: its kernel is asked over its console")),
    }
    match by_console(cluster, id, limit(PONG), limit(TELLS)) {
        Ok(way) => note(&format!("asked for over its console, by {way}")),
        Err(why) => {
            note(&format!("{why}: its registers are read"));
            registers(cluster, id, note);
        }
    }
}

/// Has the agent ask the kernel.
fn by_agent(cluster: &Cluster, id: u32, pong: Duration, tells: Duration) -> Result<(), String> {
    let agent = cluster
        .agent(id)
        .map_err(|_| "it has no agent".to_owned())?;
    let silent = || format!("its agent did not answer within {} s", pong.as_secs());
    if !answers(&agent, &Frame::Ping, pong, |frame| *frame == Frame::Pong) {
        return Err(silent());
    }
    let line = KEYS.map(|key| format!("echo {key} > /proc/sysrq-trigger"));
    let argv = ["sh".into(), "-c".into(), line.join(" && ")];
    let command = Command {
        argv: argv.map(|word: String| word.into_bytes()).to_vec(),
        ..Command::default()
    };
    let done = Frame::Exited(Exit::Code(0));
    if !answers(&agent, &Frame::Exec(command), tells, |frame| *frame == done) {
        return Err("its agent could not ask for them".into());
    }
    let console = cluster.console(id).map_err(|_| "no console".to_owned())?;
    quiet(&console.watch(), "", QUIET, tells)
}

/// Says this to an agent; whether the answer that is wanted comes in time.
fn answers(
    agent: &AgentPort,
    say: &Frame,
    limit: Duration,
    wanted: impl Fn(&Frame) -> bool,
) -> bool {
    let Some((session, frames)) = agent.open() else {
        return false;
    };
    agent.send(session, say);
    let deadline = Instant::now() + limit;
    let next = || frames.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    let came = std::iter::from_fn(|| next().ok()).any(|frame| wanted(&frame));
    agent.close(session);
    came
}

/// Asks the kernel itself, by a break on the serial line and a key; one that takes no keys there
/// may still have the login shell on that line do it. By which of them it was.
fn by_console(
    cluster: &Cluster,
    id: u32,
    hears: Duration,
    tells: Duration,
) -> Result<&'static str, String> {
    let console = cluster.console(id).map_err(|_| "no console".to_owned())?;
    let by_break = |key: &str| {
        let sent = cluster.ask_monitor(id, "chardev-send-break", &json!({ "id": "console" }));
        // Then nobody hears.
        if let Err(refusal) = sent {
            eprintln!("break on {}'s serial line: {refusal:?}", node_name(id));
        }
        console.type_in(key.as_bytes());
    };
    let by_shell = |key: &str| {
        // In place of whatever is typed there already.
        let line = format!("\u{15}echo {key} > /proc/sysrq-trigger\n");
        console.type_in(line.as_bytes());
    };
    let all = |ask: &dyn Fn(&str)| {
        KEYS.iter().try_for_each(|key| {
            let output = console.watch();
            ask(key);
            quiet(&output, ECHO, hears, tells)
        })
    };
    let by_break = all(&by_break).map(|()| "a break");
    by_break.or_else(|_| all(&by_shell).map(|()| "the shell there"))
}

/// Waits until a console has said `first`, and then nothing for a while.
fn quiet(
    output: &Receiver<Vec<u8>>,
    first: &str,
    hears: Duration,
    tells: Duration,
) -> Result<(), String> {
    let begin = Instant::now();
    let mut said = Vec::new();
    loop {
        let heard = String::from_utf8_lossy(&said).contains(first);
        match output.recv_timeout(if heard { QUIET } else { hears }) {
            Ok(bytes) if !heard => said.extend(bytes),
            Ok(_) if begin.elapsed() < tells => {}
            // It tells more than there is time for, or is done.
            Ok(_) | Err(RecvTimeoutError::Timeout) if heard => return Ok(()),
            _ => return Err("its kernel did not hear".into()),
        }
    }
}

/// Notes where the processor is, a few times: whether it moves tells a loop from a halt.
fn registers(cluster: &Cluster, id: u32, note: impl Fn(&str)) {
    for _ in 0..3 {
        let arguments = json!({ "command-line": "info registers" });
        match cluster.ask_monitor(id, "human-monitor-command", &arguments) {
            Ok(text) => {
                let text = text.as_str().unwrap_or_default();
                let at = text.lines().filter(|line| line.starts_with("RIP="));
                note(&at.collect::<Vec<_>>().join("; "));
            }
            Err(refusal) => return note(&format!("they can't be read: {refusal:?}")),
        }
    }
}

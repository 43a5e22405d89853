// SPDX-License-Identifier: MIT OR Apache-2.0

//! Alarms passed on to those who wait for one, and the end of commands and nodes that hang.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::readiness::told_to_the_end;
use crate::alarm::Alarm;
use crate::control::{receive, send, Answer, Request};
use crate::supervisor::agent::AgentPort;
use crate::topology::node_name;

/// How long commands may take to end by SIGTERM, under KVM.
const TERMINATES: Duration = Duration::from_secs(1);

/// Between two looks at them.
const PAUSE: Duration = Duration::from_millis(20);

/// Tells whoever asked of the next alarm, or of the one that there is already.
pub(super) fn next_alarm(mut stream: UnixStream, cluster: &Cluster) -> io::Result<()> {
    send(&mut stream, &Answer::Done)?;
    let mut inner = cluster.lock();
    match cluster.alarm(&inner) {
        None => inner.alarms.listen(stream),
        Some(alarm) => {
            drop(inner);
            send(&mut stream, &Answer::Alarms(vec![alarm]))?;
        }
    }
    Ok(())
}

/// Expects alarms of a node until the connection ends.
pub(super) fn expect(
    mut stream: UnixStream,
    cluster: &Cluster,
    node: u32,
    pattern: String,
) -> io::Result<()> {
    let name = node_name(node);
    let note = |what: &str| cluster.events().note(&name, what);
    note(&format!(
        "an alarm with `{pattern}` is expected from now on"
    ));
    let id = cluster.lock().alarms.expect(node, pattern.clone());
    let served = send(&mut stream, &Answer::Done).and_then(|()| {
        // Until the other side ends it.
        while let Ok(Request::Seen) = receive::<Request>(&mut stream) {
            let seen = cluster.lock().alarms.seen(id);
            send(&mut stream, &Answer::Lines(seen))?;
        }
        Ok(())
    });
    cluster.lock().alarms.withdraw(id);
    note(&format!(
        "an alarm with `{pattern}` is not expected any more"
    ));
    served
}

/// The alarms so far, once the kernels have told all of them.
pub(super) fn take_alarms(cluster: &Cluster) -> Vec<Alarm> {
    let first = cluster.alarm(&cluster.lock());
    if let Some(first) = first {
        told_to_the_end(cluster, first);
    }
    cluster.take_alarms()
}

/// Ends what agents run by SIGTERM, and waits until it ended, or does not.
pub(super) fn terminate(cluster: &Cluster) {
    cluster
        .events()
        .note("cluster", "SIGTERM to what the agents run");
    let nodes = cluster.topology().nodes.iter();
    let agents = nodes.filter_map(|id| cluster.agent(*id).ok());
    let agents = agents.collect::<Vec<Arc<AgentPort>>>();
    for agent in &agents {
        agent.signal_all(libc::SIGTERM as u8);
    }
    let limit = cluster.accelerator().scale(TERMINATES);
    let deadline = Instant::now() + cluster.topology().kernel.scale(limit);
    while !agents.iter().all(|agent| agent.is_idle()) && Instant::now() < deadline {
        drop(cluster.wait_change(cluster.lock(), PAUSE));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The process that owns a running cluster: its namespaces, its QEMUs, its
//! folder and its control socket.
//!
//! Its main thread starts the QEMUs, for they die with the thread that did;
//! every connection, console and agent port has a thread of its own.

mod agent;
mod alarms;
mod cluster;
mod console;
mod ending;
mod events;
mod faults;
mod firmware;
mod links;
mod namespace;
mod network;
mod qemu;
mod qmp;
mod readiness;
mod serve;
mod stacks;
mod tsc;
mod vm;
mod watch;

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{Config, ARGUMENT, READY};
use crate::control::Refusal;
use crate::error::{Error, IoContext, Result};
use crate::keys;
use crate::state::StateDir;
use cluster::Cluster;
use network::Network;

/// What only the main thread can do.
enum Order {
    /// Boot a node that is down, or let it go on from a snapshot; the answer goes back.
    Start(u32, Option<PathBuf>, Sender<Result<()>>),
    /// Boot the test firmware; the answer goes back.
    Firmware(firmware::Boot, Sender<Result<(), Refusal>>),
    /// End the cluster.
    End,
}

/// Becomes the supervisor if this process was started as one; then it does not return.
///
/// To be called first in `main`, before any thread is started.
pub fn enter() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|argument| argument == ARGUMENT) {
        let folder = PathBuf::from(args.next().unwrap_or_default());
        let status = run(StateDir::at(folder));
        std::process::exit(i32::from(status != ExitCode::SUCCESS));
    }
}

fn run(state: StateDir) -> ExitCode {
    match set_up(state) {
        Ok((cluster, orders)) => {
            say(READY);
            obey(&cluster, &orders);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Says it to whoever started us, and lets go of them.
fn say(text: &str) {
    let mut stdout = std::io::stdout();
    // Whoever started us may have gone; then the hold is gone too, which ends the cluster.
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

fn set_up(state: StateDir) -> Result<(Arc<Cluster>, Receiver<Order>)> {
    let clock = Clock::start();
    let config = read_config(&state)?;
    rustix::process::setsid().context(|| "start a session".into())?;
    let pid = state.pid();
    std::fs::write(&pid, format!("{}\n", std::process::id()))
        .context(|| format!("write {}", pid.display()))?;
    keys::make(&state.keys(), &config.topology)?;
    let network = Network::make(&config.topology)?;
    let control = state.control();
    let listener =
        UnixListener::bind(&control).context(|| format!("bind {}", control.display()))?;
    let (orders, ordered) = channel();
    let cluster = Cluster::new(config, state, clock, network, orders)?;
    for node in cluster.topology().nodes.clone() {
        cluster.boot(node, None)?;
    }
    let server = Arc::clone(&cluster);
    std::thread::spawn(move || serve::accept(&listener, &server));
    Ok((cluster, ordered))
}

fn read_config(state: &StateDir) -> Result<Config> {
    let path = state.config();
    let text = std::fs::read(&path).context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| Error::Supervisor {
        cluster: state.name().into(),
        reason: format!("{}: {error}", path.display()),
    })
}

/// Serves the main thread's orders until the cluster is to end, and ends it.
fn obey(cluster: &Arc<Cluster>, orders: &Receiver<Order>) {
    for order in orders {
        match order {
            Order::Start(node, snapshot, done) => {
                // Whoever asked may have gone.
                let _ = done.send(cluster.boot(node, snapshot));
            }
            Order::Firmware(boot, done) => {
                let _ = done.send(firmware::boot(cluster, &boot));
            }
            Order::End => break,
        }
    }
    cluster.end();
}

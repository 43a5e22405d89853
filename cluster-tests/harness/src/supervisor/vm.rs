// SPDX-License-Identifier: MIT OR Apache-2.0

//! One boot of a node: its QEMU and the sockets to it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::io::{fcntl_setfd, FdFlags};
use rustix::process::{
    getppid, pidfd_open, pidfd_send_signal, set_parent_process_death_signal, Pid, PidfdFlags,
    Signal,
};

use crate::config::Config;
use crate::error::{IoContext, Result};
use crate::supervisor::agent::AgentPort;
use crate::supervisor::qemu::{self, Boot, Sockets};
use crate::supervisor::qmp::Qmp;

/// A QEMU that runs.
pub(crate) struct Vm {
    pid: u32,
    process: OwnedFd,
    pub agent: Arc<AgentPort>,
    pub monitor: Arc<Qmp>,
}

/// The host's ends of a QEMU just started.
pub(crate) struct Started {
    pub pid: u32,
    pub child: Child,
    pub process: OwnedFd,
    pub agent: UnixStream,
    pub console: UnixStream,
    pub monitor: UnixStream,
}

impl Vm {
    pub(crate) fn new(
        pid: u32,
        process: OwnedFd,
        agent: Arc<AgentPort>,
        monitor: Arc<Qmp>,
    ) -> Self {
        Self {
            pid,
            process,
            agent,
            monitor,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills QEMU; one that has ended already is fine.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }
}

/// Starts the QEMU of a boot. It dies with the calling *thread*, so that must be one that lives
/// as long as the supervisor.
///
/// `plugs` become its interfaces, with network `switch`.
pub(crate) fn start(
    config: &Config,
    boot: &Boot,
    plugs: Vec<OwnedFd>,
    log: &File,
) -> Result<Started> {
    launch(plugs, log, |sockets| qemu::arguments(config, boot, sockets))
}

/// The same for a QEMU with these arguments.
pub(crate) fn launch(
    plugs: Vec<OwnedFd>,
    log: &File,
    arguments: impl FnOnce(&Sockets) -> Vec<OsString>,
) -> Result<Started> {
    let what = || format!("start {} (Debian package qemu-system-x86)", qemu::PROGRAM);
    let (agent, guest_agent) = UnixStream::pair().context(what)?;
    let (console, guest_console) = UnixStream::pair().context(what)?;
    let (monitor, guest_monitor) = UnixStream::pair().context(what)?;
    let sockets = Sockets {
        agent: guest_agent.as_raw_fd(),
        console: guest_console.as_raw_fd(),
        monitor: guest_monitor.as_raw_fd(),
        rails: plugs.iter().map(AsRawFd::as_raw_fd).collect(),
    };
    let parent = rustix::process::getpid();
    let log = log.try_clone().context(what)?;
    let mut command = Command::new(qemu::PROGRAM);
    command
        .args(arguments(&sockets))
        .stdin(Stdio::null())
        .stdout(log.try_clone().context(what)?)
        .stderr(log);
    let prepare = move || -> io::Result<()> {
        for fd in sockets.all() {
            // SAFETY: the parent keeps the sockets open until the child is spawned, so the
            // numbers name them in the child as well.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above.
        if getppid() != Some(parent) {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        Ok(())
    };
    // SAFETY: `prepare` only makes system calls: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn().context(what)?;
    drop((guest_agent, guest_console, guest_monitor, plugs));
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).context(what)?;
    Ok(Started {
        pid: child.id(),
        child,
        process,
        agent,
        console,
        monitor,
    })
}

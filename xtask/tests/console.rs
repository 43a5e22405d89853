// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cluster console` on a terminal of its own, ended in every way that leaves it a chance.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, Result};
use rustix::fs::{flock, FlockOperation, Mode, OFlags};
use rustix::process::{kill_process, waitid, Pid, Signal, WaitId, WaitIdOptions};
use rustix::pty::{grantpt, openpt, ptsname, unlockpt, OpenptFlags};
use rustix::termios::{tcgetattr, LocalModes, Termios};

const PATIENCE: Duration = Duration::from_secs(60);
/// Ctrl-], as in telnet.
const ESCAPE: u8 = 0x1d;

/// The folder of a cluster whose one node says nothing and takes every key.
///
/// It is what the verb meets, not a cluster: the lock on the folder, what it is a cluster of, and a
/// control socket that joins everybody to a console.
struct Silent {
    run: tempfile::TempDir,
    _lock: File,
}

impl Silent {
    fn start() -> Result<Self> {
        let run = tempfile::tempdir()?;
        let folder = run.path().join("podos/silent");
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700).create(&folder)?;
        let lock = File::open(&folder)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        fs::write(
            folder.join("config.json"),
            r#"{"name": "silent", "topology": {}, "images": {"other": {}, "usual":
                {"kernel": "/k", "initramfs": "/i", "has_agent": true}}}"#,
        )?;
        let control = UnixListener::bind(folder.join("control"))?;
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in control.incoming() {
                let mut stream = stream?;
                let mut length = [0; 4];
                stream.read_exact(&mut length)?;
                let mut request = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut request)?;
                stream.write_all(b"\0\0\0\x06\"Done\"")?;
                kept.push(stream);
            }
            std::io::Result::Ok(())
        });
        Ok(Self { run, _lock: lock })
    }
}

/// A terminal, and a console on it of a node that says nothing.
struct Attended {
    /// The side of who looks at it and types.
    master: File,
    terminal: OwnedFd,
    before: Termios,
    child: Child,
    /// What it says.
    said: PathBuf,
}

impl Attended {
    fn start(cluster: &Silent, prefix: &[&str]) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        let before = tcgetattr(&terminal)?;
        let said = cluster.run.path().join("said");
        let mut words = ["setsid", "--ctty"].to_vec();
        words.extend(prefix);
        let child = Command::new(words[0])
            .args(&words[1..])
            .arg(env!("CARGO_BIN_EXE_xtask"))
            .args(["cluster", "console", "--name", "silent", "linus1"])
            .env("XDG_RUNTIME_DIR", cluster.run.path())
            .stdin(Stdio::from(terminal.try_clone()?))
            .stdout(Stdio::null())
            .stderr(File::create(&said)?)
            .spawn()?;
        Ok(Self {
            master: File::from(master),
            terminal,
            before,
            child,
            said,
        })
    }

    fn is_raw(&self) -> Result<bool> {
        let now = tcgetattr(&self.terminal)?;
        Ok(!now.local_modes.contains(LocalModes::ICANON))
    }

    fn until_raw(&self, raw: bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.is_raw()? != raw {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?.is_some() {
                bail!("it has ended: {}", fs::read_to_string(&self.said)?);
            }
            if Instant::now() > deadline {
                bail!(
                    "the terminal has not become {}",
                    if raw { "raw" } else { "its old self" }
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn send(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// How it ended; the terminal must be as it was.
    fn end(mut self) -> Result<ExitStatus> {
        let status = self.child.wait()?;
        let after = tcgetattr(&self.terminal)?;
        let modes = |of: &Termios| {
            (
                of.input_modes,
                of.output_modes,
                of.control_modes,
                of.local_modes,
            )
        };
        assert_eq!(modes(&after), modes(&self.before), "after {status}");
        Ok(status)
    }
}

#[test]
fn the_terminal_is_given_back_however_it_ends() -> Result<()> {
    let cluster = Silent::start()?;
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let console = Attended::start(&cluster, &[])?;
        console.until_raw(true)?;
        console.send(signal)?;
        assert_eq!(console.end()?.signal(), Some(signal.as_raw()));
    }
    let mut console = Attended::start(&cluster, &[])?;
    console.until_raw(true)?;
    console.master.write_all(&[ESCAPE])?;
    assert!(console.end()?.success());

    let console = Attended::start(&cluster, &[])?;
    console.until_raw(true)?;
    console.send(Signal::TSTP)?;
    console.until_raw(false)?;
    console.send(Signal::CONT)?;
    console.until_raw(true)?;
    console.send(Signal::TERM)?;
    assert_eq!(console.end()?.signal(), Some(libc::SIGTERM));

    // What nohup has it ignore does not end it.
    let mut console = Attended::start(&cluster, &["env", "--ignore-signal=HUP"])?;
    console.until_raw(true)?;
    console.send(Signal::HUP)?;
    console.master.write_all(b"typed")?;
    assert!(console.is_raw()? && console.child.try_wait()?.is_none());
    console.send(Signal::TERM)?;
    assert_eq!(console.end()?.signal(), Some(libc::SIGTERM));
    Ok(())
}

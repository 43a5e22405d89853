// SPDX-License-Identifier: MIT OR Apache-2.0

//! `bench nfs-export` and `bench nfs-mount`: the kernel's own NFS server and client, version 4.2.
//!
//! An NFS server asks rpc.mountd who a client is and what is exported to it. Here all answers are
//! in the kernel's caches before anybody asks (`/proc/net/rpc/*/channel`), so that the kernel needs
//! no daemon; what is measured is the same.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use rustix::mount::{mount, MountFlags};

use super::{tcp, wireguard};
use crate::report::{say, say_millis};

const CONTROL: &str = "/proc/fs/nfsd";
const CACHES: &str = "/proc/net/rpc";
/// What the kernel calls all clients together.
const DOMAIN: &str = "bench";
/// The last second that 32 bits can say.
const NEVER: &str = "2147483647";
/// No checks of the path above a file, the export is named by a number, root stays root; written
/// data are on the medium when an answer says so, as is the default.
const FLAGS: u32 = 0x0400 | 0x2000;
/// The least that the kernel takes. Clients of the time before the server's start may come back
/// for so long, and new ones have to wait.
const GRACE_SECONDS: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);

/// Export a directory by NFSv4.2 over TCP; ends when clients can work with it
#[derive(Debug, clap::Args)]
pub struct Export {
    dir: PathBuf,
    /// Host ids of the clients
    #[arg(long, required = true)]
    to: Vec<u32>,
    /// Threads of the server
    #[arg(long, default_value_t = 8)]
    threads: u32,
}

impl Export {
    pub fn run(&self) -> Result<()> {
        let start = Instant::now();
        let dir = self.dir.to_str().context("the directory's name")?;
        ensure!(
            dir.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'),
            "{dir}: a name that the kernel's caches would need escapes for"
        );
        if !Path::new(CONTROL).join("threads").exists() {
            mount("nfsd", CONTROL, "nfsd", MountFlags::empty(), None).with_context(|| {
                format!("cannot mount {CONTROL}: has the kernel an NFS server?")
            })?;
        }
        for host in &self.to {
            for address in [tcp::address(*host)?, wireguard::address(*host)?] {
                answer(
                    "auth.unix.ip",
                    &format!("nfsd {address} {NEVER} {DOMAIN}\n"),
                )?;
            }
        }
        // User and group of nobody, and number 0, which the root of version 4 has.
        let export = format!("{DOMAIN} {dir} {NEVER} {FLAGS} 65534 65534 0\n");
        answer("nfsd.export", &export)?;
        answer(
            "nfsd.fh",
            &format!("{DOMAIN} 1 \\x00000000 {NEVER} {dir}\n"),
        )?;
        control("versions", "-3 +4.2\n")?;
        control("nfsv4gracetime", &format!("{GRACE_SECONDS}\n"))?;
        // Named here, it is not announced to a portmapper, which version 4 does without.
        control("portlist", "tcp 2049\n")?;
        control("threads", &format!("{}\n", self.threads))?;
        wait_for("the grace period is over", || {
            Ok(fs::read_to_string(Path::new(CONTROL).join("v4_end_grace"))?.starts_with('Y'))
        })?;
        say_millis("waited_ms", start.elapsed());
        Ok(())
    }
}

/// Mount another node's export by NFSv4.2 over TCP; answers the options that it has
#[derive(Debug, clap::Args)]
pub struct Mount {
    /// Host id of the server
    host: u32,
    /// Where; made if it is not there
    dir: PathBuf,
    /// Host id of this node
    #[arg(long)]
    from: u32,
    /// Over the interface of WireGuard; see `wireguard-peer`
    #[arg(long)]
    wireguard: bool,
    /// Give up where the server does not answer: after a second, or three if nobody listens
    #[arg(long)]
    soft: bool,
}

impl Mount {
    pub fn run(&self) -> Result<()> {
        let address = match self.wireguard {
            true => wireguard::address,
            false => tcp::address,
        };
        let (server, client) = (address(self.host)?, address(self.from)?);
        fs::create_dir_all(&self.dir).with_context(|| self.dir.display().to_string())?;
        let source = format!("{server}:/");
        let patience = match self.soft {
            true => "soft,timeo=10,retrans=0",
            false => "hard",
        };
        let options =
            format!("addr={server},clientaddr={client},vers=4.2,proto=tcp,sec=sys,{patience}");
        let data = CString::new(options.as_str())?;
        mount(
            &source,
            &self.dir,
            "nfs4",
            MountFlags::empty(),
            data.as_c_str(),
        )
        .with_context(|| format!("cannot mount {source} with {options}"))?;
        let options = options_of(&self.dir, &fs::read_to_string("/proc/mounts")?)?;
        let by = format!("addr={server}");
        for wanted in ["vers=4.2", "proto=tcp", &by] {
            ensure!(
                options.split(',').any(|option| option == wanted),
                "{source} was mounted without {wanted}: {options}"
            );
        }
        say("options", options);
        Ok(())
    }
}

/// The options of the last mount at `dir`.
fn options_of(dir: &Path, mounts: &str) -> Result<String> {
    let fields = mounts.lines().rev().map(|line| line.split(' '));
    for mut line in fields {
        if line.nth(1) == dir.to_str() {
            return Ok(line.nth(1).context("a mount without options")?.to_owned());
        }
    }
    bail!("{} is not mounted", dir.display());
}

/// Puts an answer into one of the kernel's caches.
fn answer(cache: &str, line: &str) -> Result<()> {
    write(&Path::new(CACHES).join(cache).join("channel"), line)
}

fn control(name: &str, text: &str) -> Result<()> {
    write(&Path::new(CONTROL).join(name), text)
}

/// In one write, which is one command.
fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {:?} to {}", text, path.display()))
}

fn wait_for(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !holds()? {
        ensure!(
            start.elapsed() < PATIENCE,
            "after {} s it does not hold: {what}",
            PATIENCE.as_secs()
        );
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_last_mount() {
        let mounts = "tmpfs /mnt/nfs tmpfs rw 0 0\n\
                      10.80.0.2:/ /mnt/nfs nfs4 rw,vers=4.2,proto=tcp 0 0\n\
                      proc /proc proc rw 0 0\n";
        let options = options_of(Path::new("/mnt/nfs"), mounts).unwrap();
        assert_eq!(options, "rw,vers=4.2,proto=tcp");
        assert!(options_of(Path::new("/mnt"), mounts).is_err());
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! `confine`: runs a program with fewer rights than its caller has.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::{getegid, geteuid, Gid, Uid};
use rustix::thread::{self, CapabilitiesSecureBits, CapabilitySet, CapabilitySets, UnshareFlags};

/// Linux's capabilities, as far as there are any.
const CAPABILITIES: u32 = 41;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Fence {
    /// A filter of system calls, which lets all of them through
    Seccomp,
    /// A user namespace in which the user is root
    User,
    /// A mount namespace
    Mount,
    /// A PID namespace for its children
    Pid,
    /// A network namespace
    Network,
    /// An IPC namespace
    Ipc,
}

/// Give things up, then become a program
#[derive(Debug, clap::Args)]
pub struct Confine {
    /// Go into one of these
    #[arg(long)]
    fence: Option<Fence>,

    /// Keep these capabilities alone, in all sets: a mask in hexadecimal
    #[arg(long, value_name = "MASK", value_parser = hexadecimal)]
    keep: Option<u64>,

    /// Become this user and group, with the capabilities that are kept
    #[arg(long, value_name = "ID")]
    uid: Option<u32>,

    /// Have root's programs get no capabilities because they are root's
    #[arg(long)]
    no_root: bool,

    /// Have no program give it more
    #[arg(long)]
    no_new_privs: bool,

    /// The program and its arguments
    #[arg(last = true, required = true)]
    args: Vec<OsString>,
}

fn hexadecimal(text: &str) -> Result<u64, std::num::ParseIntError> {
    u64::from_str_radix(text, 16)
}

impl Confine {
    pub fn run(&self) -> Result<()> {
        if self.no_new_privs {
            thread::set_no_new_privs(true).context("cannot set no_new_privs")?;
        }
        if let Some(fence) = self.fence {
            enter(fence).with_context(|| format!("cannot enter {fence:?}"))?;
        }
        if self.no_root {
            thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_ROOT)
                .context("cannot set NOROOT")?;
        }
        let keep = self.keep.or(self.uid.and(Some(0)));
        if let Some(keep) = keep {
            reduce_bounding_set(keep).context("cannot reduce the bounding set")?;
        }
        if let Some(id) = self.uid {
            become_user(id).context("cannot become the user")?;
        }
        if let Some(keep) = keep {
            keep_capabilities(keep, self.uid.is_some()).context("cannot keep the capabilities")?;
        }
        let (program, args) = self.args.split_first().context("a program")?;
        Err(Command::new(program).args(args).exec()).context("cannot run the program")
    }
}

fn enter(fence: Fence) -> io::Result<()> {
    let namespace = match fence {
        Fence::Seccomp => return filter(),
        Fence::User => UnshareFlags::NEWUSER,
        Fence::Mount => UnshareFlags::NEWNS,
        Fence::Pid => UnshareFlags::NEWPID,
        Fence::Network => UnshareFlags::NEWNET,
        Fence::Ipc => UnshareFlags::NEWIPC,
    };
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    // SAFETY: No namespace is one of descriptors, which alone could be used by others.
    unsafe { thread::unshare_unsafe(namespace) }?;
    if fence == Fence::User {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    Ok(())
}

/// A filter of one instruction: let it through.
fn filter() -> io::Result<()> {
    let mut allow = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut allow,
    };
    let program = &raw const program;
    // SAFETY: The program is one instruction long, and copied by the call.
    match unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, program) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The capabilities with these bits, one by one.
fn each(mask: u64) -> impl Iterator<Item = CapabilitySet> {
    let bits = (0..CAPABILITIES).map(|number| 1 << number);
    bits.filter(move |bit| mask & bit != 0)
        .map(CapabilitySet::from_bits_retain)
}

fn reduce_bounding_set(keep: u64) -> io::Result<()> {
    for capability in each(!keep) {
        thread::remove_capability_from_bounding_set(capability)?;
    }
    Ok(())
}

fn become_user(id: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    thread::set_keep_capabilities(true)?;
    thread::set_thread_groups(&[])?;
    thread::set_thread_res_gid(gid, gid, gid)?;
    Ok(thread::set_thread_res_uid(uid, uid, uid)?)
}

/// With `ambient`, programs have them without knowing of capabilities, as root's have.
fn keep_capabilities(keep: u64, ambient: bool) -> io::Result<()> {
    let set = CapabilitySet::from_bits_retain(keep);
    thread::clear_ambient_capability_set()?;
    let sets = CapabilitySets {
        effective: set,
        permitted: set,
        inheritable: set,
    };
    thread::set_capabilities(None, sets)?;
    for capability in each(keep).filter(|_| ambient) {
        thread::configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        assert_eq!(hexadecimal("1f"), Ok(0x1f));
        let bits: Vec<_> = each(0b101).map(|set| set.bits()).collect();
        assert_eq!(bits, [1, 4]);
        assert_eq!(each(u64::MAX).count(), 41);
    }
}

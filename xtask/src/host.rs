// SPDX-License-Identifier: MIT OR Apache-2.0

//! The host check: which tools the verbs need, and how to get a missing one.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context as _, Result};
use xshell::{cmd, Shell};

use crate::children;
use crate::context::Context;
use crate::fs;

/// How a tool's presence is told.
#[derive(Clone, Copy, Debug)]
enum Probe {
    /// An executable of this name in PATH or the system directories.
    Program,
    /// A file that the C compiler finds in its library path.
    Library,
}

/// Something that must be on the host.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Name of the program or library file.
    pub name: &'static str,
    /// The Debian and Ubuntu package that has it.
    package: &'static str,
    /// What it is needed for.
    pub why: &'static str,
    probe: Probe,
    /// Needed only by an ordinary user, not by root.
    user_only: bool,
    /// The least that it is needed for.
    purpose: Purpose,
}

/// What the tools are wanted for; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To build images and to run clusters.
    Work,
    /// To measure beside peers.
    Bench,
    /// To check everything as well.
    Test,
}

const fn program(name: &'static str, package: &'static str, why: &'static str) -> Tool {
    Tool {
        name,
        package,
        why,
        probe: Probe::Program,
        user_only: false,
        purpose: Purpose::Work,
    }
}

/// Everything that the verbs take from the host.
pub const TOOLS: &[Tool] = &[
    program("bwrap", "bubblewrap", "enters the build root"),
    program("mmdebstrap", "mmdebstrap", "makes the build root"),
    program("git", "git", "applies and keeps the kernel patches"),
    program("tar", "tar", "unpacks the build root and the kernel"),
    program("xz", "xz-utils", "unpacks the kernel"),
    program("cc", "gcc", "links the userspace"),
    Tool {
        name: "libc.a",
        package: "libc6-dev",
        why: "the userspace is linked statically",
        probe: Probe::Library,
        user_only: false,
        purpose: Purpose::Work,
    },
    program(
        "qemu-system-x86_64",
        "qemu-system-x86",
        "boots the clusters",
    ),
    program("ip", "iproute2", "makes the networks of a cluster"),
    program(
        "unshare",
        "util-linux",
        "gives each cluster its own network namespace",
    ),
    Tool {
        user_only: true,
        ..program("newuidmap", "uidmap", "lets an ordinary user make a root")
    },
    Tool {
        purpose: Purpose::Bench,
        ..program("dropbear", "dropbear-bin", "is the ssh of bench gipc")
    },
    Tool {
        purpose: Purpose::Test,
        ..program("bsdtar", "libarchive-tools", "lists what is in an image")
    },
    Tool {
        purpose: Purpose::Test,
        ..program("chrt", "util-linux", "has compilers give way to clusters")
    },
    Tool {
        purpose: Purpose::Test,
        ..program("tshark", "tshark", "reads captures with the dissector")
    },
];

impl Tool {
    /// Where the tool is, or `None` when it is not there.
    pub fn find(&self) -> Option<PathBuf> {
        match self.probe {
            Probe::Program => find_program(self.name),
            Probe::Library => find_library(self.name),
        }
    }

    /// Whether this user needs it for this purpose.
    pub fn wanted(&self, purpose: Purpose) -> bool {
        (!self.user_only || !rustix::process::geteuid().is_root()) && self.purpose <= purpose
    }
}

/// The tools that are needed and not there.
pub fn missing(purpose: Purpose) -> Vec<Tool> {
    TOOLS
        .iter()
        .filter(|tool| tool.wanted(purpose) && tool.find().is_none())
        .copied()
        .collect()
}

/// The one command that installs `tools` on Debian and Ubuntu.
pub fn install_command(tools: &[Tool]) -> String {
    let packages: BTreeSet<_> = tools.iter().map(|tool| tool.package).collect();
    let packages = packages.into_iter().collect::<Vec<_>>().join(" ");
    format!("apt-get update && apt-get install -y --no-install-recommends {packages}")
}

/// Makes sure that every tool for building and running is there.
pub fn ensure(ctx: &Context) -> Result<()> {
    ensure_for(ctx, Purpose::Work)
}

/// Makes sure that every tool is there: lists what is missing, installs it as root on Debian and
/// Ubuntu, and otherwise fails with the command to run.
pub fn ensure_for(ctx: &Context, purpose: Purpose) -> Result<()> {
    let lacking = missing(purpose);
    if lacking.is_empty() {
        return Ok(());
    }
    let list = lacking
        .iter()
        .map(|t| format!("{} ({})", t.name, t.why))
        .collect::<Vec<_>>()
        .join(", ");
    let command = install_command(&lacking);
    if !is_debian_like() {
        let packages = lacking
            .iter()
            .map(|t| t.package)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>();
        bail!(
            "missing on this host: {list}; install what Debian calls {} with the host's package manager",
            packages.join(", ")
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing on this host: {list}; run: sudo sh -c '{command}'");
    }
    if ctx.flags.offline {
        bail!("missing on this host: {list}; --offline forbids to install; run: {command}");
    }
    eprintln!("host: missing: {list}");
    eprintln!("host: {command}");
    let install = duct::cmd!("sh", "-c", &command)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout_null();
    children::succeed(&command, &install)
        .with_context(|| format!("cannot install host packages; run by hand: {command}"))?;
    match missing(purpose).as_slice() {
        [] => Ok(()),
        rest => bail!(
            "still missing after `{command}`: {}",
            rest.iter().map(|t| t.name).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The compiler answers with a full path for a file it finds, and with the bare name otherwise.
fn find_library(name: &str) -> Option<PathBuf> {
    find_program("cc")?;
    let sh = Shell::new().ok()?;
    let answer = cmd!(sh, "cc -print-file-name={name}")
        .quiet()
        .ignore_stderr()
        .read()
        .ok()?;
    let path = PathBuf::from(answer.trim());
    path.is_absolute().then_some(path)
}

fn is_debian_like() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    os_family(&release)
        .iter()
        .any(|id| matches!(id.as_str(), "debian" | "ubuntu"))
}

/// `ID` and `ID_LIKE` of an os-release file.
fn os_family(release: &str) -> Vec<String> {
    release
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        })
        .flat_map(|value| {
            value
                .trim_matches(['"', '\''])
                .split_whitespace()
                .map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_names_the_family() {
        assert_eq!(os_family("NAME=\"Debian\"\nID=debian\n"), ["debian"]);
        assert_eq!(
            os_family("ID=pop\nID_LIKE=\"ubuntu debian\"\n"),
            ["pop", "ubuntu", "debian"]
        );
        assert!(os_family("VERSION_ID=\"12\"\n").is_empty());
    }

    #[test]
    fn install_command_names_each_package_once() {
        let tool = program("no-such-tool", "pkg-b", "why");
        let other = program("no-such-tool-either", "pkg-a", "why");
        assert_eq!(
            install_command(&[tool, other, tool]),
            "apt-get update && apt-get install -y --no-install-recommends pkg-a pkg-b"
        );
        assert!(tool.find().is_none());
    }

    #[test]
    fn what_only_benches_and_tests_need_is_not_wanted_for_work() {
        let wanted = |purpose| {
            let tools = TOOLS.iter().filter(move |tool| tool.wanted(purpose));
            tools.map(|tool| tool.name).collect::<Vec<_>>()
        };
        assert!(!wanted(Purpose::Work).contains(&"tshark"));
        assert!(!wanted(Purpose::Work).contains(&"dropbear"));
        assert!(!wanted(Purpose::Bench).contains(&"tshark"));
        assert!(wanted(Purpose::Bench).contains(&"dropbear"));
        assert!(wanted(Purpose::Test).contains(&"dropbear"));
        assert!(wanted(Purpose::Test).contains(&"tshark"));
        assert!(wanted(Purpose::Work).contains(&"bwrap"));
    }
}

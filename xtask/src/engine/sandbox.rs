// SPDX-License-Identifier: MIT OR Apache-2.0

//! Commands inside the build root, entered with bubblewrap as root and as an ordinary user alike.

use std::ffi::OsString;
use std::path::Path;

use super::store::Output;

/// Moment that everything built claims to be from: 2026-01-01T00:00:00Z.
pub const SOURCE_DATE_EPOCH: u32 = 1_767_225_600;

/// A view of the build root for one command: read-only, without network, with nothing of the host
/// but what is bound. All paths inside are fixed, so none of this machine's can get into an output.
#[derive(Clone, Debug)]
pub struct Sandbox {
    arguments: Vec<OsString>,
}

impl Sandbox {
    /// A view of the root in the output `root` of the build root step.
    pub fn new(root: &Output) -> Self {
        Sandbox::at(&root.path("root"))
    }

    /// A view of the root directory `root`.
    pub fn at(root: &Path) -> Self {
        let mut sandbox = Sandbox {
            arguments: Vec::new(),
        };
        if !rustix::process::geteuid().is_root() {
            sandbox.add(["--unshare-user", "--uid", "0", "--gid", "0"]);
        }
        sandbox.add([
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--hostname",
            "podos",
        ]);
        sandbox.add(["--die-with-parent", "--new-session", "--clearenv"]);
        sandbox.add([OsString::from("--ro-bind"), root.into(), "/".into()]);
        sandbox.add([
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run",
        ]);
        sandbox.add(["--tmpfs", "/build", "--chdir", "/build"]);
        sandbox
            .env("PATH", "/usr/lib/llvm-19/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/tmp")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH)
            .unshare_net()
    }

    fn add<T: Into<OsString>>(&mut self, arguments: impl IntoIterator<Item = T>) {
        self.arguments.extend(arguments.into_iter().map(Into::into));
    }

    fn unshare_net(mut self) -> Self {
        self.add(["--unshare-net"]);
        self
    }

    /// Lets the command use the host's network.
    pub fn network(mut self) -> Self {
        self.arguments
            .retain(|argument| argument != "--unshare-net");
        self.add(["--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"]);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.add(["--setenv".to_owned(), name.to_owned(), value.to_string()]);
        self
    }

    /// Shows the host's `from` at `to`, read-only.
    pub fn read_only(mut self, from: &Path, to: &str) -> Self {
        self.add([OsString::from("--ro-bind"), from.into(), to.into()]);
        self
    }

    /// Shows the host's `from` at `to`, writable.
    pub fn writable(mut self, from: &Path, to: &str) -> Self {
        self.add([OsString::from("--bind"), from.into(), to.into()]);
        self
    }

    /// The command, ready to run.
    pub fn command<T: Into<OsString>>(
        &self,
        arguments: impl IntoIterator<Item = T>,
    ) -> duct::Expression {
        let mut all = self.arguments.clone();
        all.push("--".into());
        all.extend(arguments.into_iter().map(Into::into));
        duct::cmd("bwrap", all)
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether this user can have bridges and taps on this machine.

use std::fs;
use std::io;

use rustix::process::getuid;

use crate::error::{Error, Result};

/// The device through which QEMU gets its taps.
const TUN: &str = "/dev/net/tun";

/// Sysctls of kernels that keep ordinary users from making user namespaces, with the value that
/// lets them.
const USER_NAMESPACES: [(&str, &str); 2] = [
    ("kernel/unprivileged_userns_clone", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "0"),
];

/// Whether this user can have bridges and taps, as far as that can be told beforehand.
///
/// # Errors
///
/// What is in the way, and what to do about it.
pub(crate) fn check() -> Result<()> {
    let refuses = |&(name, allowed): &(&str, &str)| {
        let value = fs::read_to_string(format!("/proc/sys/{name}"));
        value.is_ok_and(|value| value.trim() != allowed)
    };
    if !getuid().is_root() && USER_NAMESPACES.iter().any(refuses) {
        let source = io::ErrorKind::PermissionDenied.into();
        let what = user_namespaces_wanted();
        return Err(Error::Io { what, source });
    }
    check_tun()
}

/// What could not be done without namespaces, and who can change that.
pub(crate) fn user_namespaces_wanted() -> String {
    let sysctl = |(name, value): (&str, &str)| format!("{}={value}", name.replace('/', "."));
    let [first, second] = USER_NAMESPACES.map(sysctl);
    format!(
        "make a user and a network namespace (allow it by `sysctl {first} {second}`, whichever of \
         the two this kernel has, or run as root)"
    )
}

/// Whether this user may make taps.
pub(crate) fn check_tun() -> Result<()> {
    let opened = fs::File::options().read(true).write(true).open(TUN);
    opened.map(drop).map_err(without_tun)
}

/// What to do about a device that can't be opened: it is the machine's, and its administrator says
/// who may.
fn without_tun(source: io::Error) -> Error {
    let help = match source.kind() {
        io::ErrorKind::PermissionDenied => format!("let this user in by `chmod 666 {TUN}`"),
        _ => "load the kernel's module tun".to_owned(),
    };
    Error::Io {
        what: format!(
            "open {TUN} for the nodes' taps ({help}; or use `--net switch`, which needs no privilege)"
        ),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_taps_there_is_a_network_still() {
        for (errno, help) in [(libc::EACCES, "chmod 666"), (libc::ENOENT, "module tun")] {
            let told = without_tun(io::Error::from_raw_os_error(errno)).to_string();
            assert!(
                told.contains(help) && told.contains("--net switch"),
                "{told}"
            );
        }
    }
}

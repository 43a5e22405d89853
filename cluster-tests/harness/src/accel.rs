// SPDX-License-Identifier: MIT OR Apache-2.0

//! KVM where it is proven, TCG elsewhere.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How guests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's translator: works everywhere, several times slower.
    Tcg,
    /// The kernel's virtual machines.
    Kvm,
}

/// A boot sector that leaves QEMU with [`PROBE_STATUS`]: `mov al, 0x21; out 0xf4, al; hlt`.
const PROBE_CODE: [u8; 5] = [0xb0, 0x21, 0xe6, 0xf4, 0xf4];
/// `isa-debug-exit` gives twice the written value plus one.
const PROBE_STATUS: i32 = 0x43;
const PROBE_WITHIN: Duration = Duration::from_secs(5);

impl Accelerator {
    /// The best that this machine has. `/dev/kvm` alone proves nothing: a kernel module that
    /// drives the hardware must be there, and a guest must have run.
    pub fn detect() -> Self {
        let loaded = ["kvm_intel", "kvm_amd"]
            .iter()
            .any(|module| Path::new("/sys/module").join(module).is_dir());
        if loaded && Self::Kvm.runs_a_guest() {
            Self::Kvm
        } else {
            Self::Tcg
        }
    }

    /// QEMU's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }

    /// A limit for something that takes at most `limit` under KVM.
    pub fn scale(self, limit: Duration) -> Duration {
        match self {
            Self::Tcg => limit * 4,
            Self::Kvm => limit,
        }
    }

    /// Boots a guest of five bytes.
    fn runs_a_guest(self) -> bool {
        self.probe().unwrap_or(false)
    }

    fn probe(self) -> std::io::Result<bool> {
        let mut sector = [0; 512];
        sector[..PROBE_CODE.len()].copy_from_slice(&PROBE_CODE);
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        let mut disk = tempfile::NamedTempFile::new()?;
        disk.write_all(&sector)?;
        let mut qemu = Command::new("qemu-system-x86_64")
            .args([
                "-accel",
                self.name(),
                "-m",
                "16",
                "-nodefaults",
                "-no-user-config",
            ])
            .args(["-display", "none", "-no-reboot"])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-drive"])
            .arg(format!("file={},format=raw,if=ide", disk.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let deadline = Instant::now() + PROBE_WITHIN;
        loop {
            if let Some(status) = qemu.try_wait()? {
                return Ok(status.code() == Some(PROBE_STATUS));
            }
            if Instant::now() > deadline {
                qemu.kill()?;
                qemu.wait()?;
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_guest_answers_where_it_must() {
        assert!(Accelerator::Tcg.runs_a_guest());
    }

    #[test]
    fn limits_grow_under_tcg() {
        let limit = Duration::from_secs(3);
        assert_eq!(Accelerator::Kvm.scale(limit), limit);
        assert_eq!(Accelerator::Tcg.scale(limit), Duration::from_secs(12));
    }
}

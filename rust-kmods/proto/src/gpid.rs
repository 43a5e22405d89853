// SPDX-License-Identifier: GPL-2.0-only

//! Global process identifiers.

use core::fmt;

use crate::host_id::HostId;

/// A process's name in the whole cluster (paper, section 5.1 and figure 10).
///
/// Host id (32 bits) | boot sequence (16) | local pid (16). Pid 0 stands for the node itself; host
/// 0 and boot 0 are never used by a node, so the all-zero value can mean "everybody".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Gpid(u64);

impl Gpid {
    /// The address of a broadcast: every node.
    pub const EVERYBODY: Gpid = Gpid(0);

    /// The identifier with these parts.
    pub const fn new(host: HostId, boot: u16, pid: u16) -> Self {
        Self((host.raw() as u64) << 32 | (boot as u64) << 16 | pid as u64)
    }

    /// From the 64 bits of the wire and of `task_struct`.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The 64 bits.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The host id.
    pub const fn host(self) -> HostId {
        HostId::new((self.0 >> 32) as u32)
    }

    /// Which boot of that host.
    pub const fn boot(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The pid on that host.
    pub const fn pid(self) -> u16 {
        self.0 as u16
    }

    /// The node this process runs on: the same host and boot, pid 0.
    pub const fn node(self) -> Self {
        Self(self.0 & !0xffff)
    }

    /// Whether both run on the same boot of the same host.
    pub const fn same_node(self, other: Self) -> bool {
        self.0 >> 16 == other.0 >> 16
    }
}

impl fmt::Display for Gpid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Gpid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gpid({:016x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn parts_survive() {
        let gpid = Gpid::new(HostId::new(0x0102_0304), 0x0506, 0x0708);
        assert_eq!(gpid.raw(), 0x0102_0304_0506_0708);
        assert_eq!(
            (gpid.host(), gpid.boot(), gpid.pid()),
            (HostId::new(0x0102_0304), 0x0506, 0x0708)
        );
        assert_eq!(gpid.to_string(), "0102030405060708");
        assert_eq!(
            Gpid::new(HostId::new(2), 1, 3).to_string(),
            "0000000200010003"
        );
    }

    #[test]
    fn a_reboot_is_another_node() {
        let task = Gpid::new(HostId::new(4), 9, 1234);
        assert!(task.same_node(Gpid::new(HostId::new(4), 9, 1)));
        assert!(!task.same_node(Gpid::new(HostId::new(4), 10, 1234)));
        assert!(!task.same_node(Gpid::new(HostId::new(5), 9, 1234)));
        assert_eq!(task.node(), Gpid::new(HostId::new(4), 9, 0));
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! What this node's mounts forbid.

use kernel::bindings;
use kernel::prelude::*;

use super::attributes::MountFlags;
use super::Path;

/// `SB_RDONLY`, which is a macro that bindgen can't see through.
const SB_RDONLY: c_ulong = 1 << 0;

impl Path {
    /// What the mount that the path lies in forbids, or its file system does everywhere.
    pub(crate) fn mount_flags(&self) -> MountFlags {
        // SAFETY: By the path's type invariant the mount is referenced, and its superblock lives as
        // long as it does. Flags that change meanwhile are old or new.
        let (mount, file_system, internal, foreign) = unsafe {
            let mount = self.mount();
            let sb = (*mount).mnt_sb;
            (
                (&raw const (*mount).mnt_flags).read_volatile() as bindings::mount_flags,
                (&raw const (*sb).s_flags).read_volatile(),
                (*sb).s_iflags,
                !core::ptr::eq((*sb).s_user_ns, &raw const bindings::init_user_ns),
            )
        };
        let has = |flag: bindings::mount_flags| mount & flag != 0;
        let ever = |flag: u32| internal & flag as c_ulong != 0;
        MountFlags {
            read_only: has(bindings::mount_flags_MNT_READONLY) || file_system & SB_RDONLY != 0,
            // As `mnt_may_suid()` has it: what another user namespace mounted gives nobody power.
            no_suid: has(bindings::mount_flags_MNT_NOSUID) || foreign,
            no_dev: has(bindings::mount_flags_MNT_NODEV) || ever(bindings::SB_I_NODEV),
            no_exec: has(bindings::mount_flags_MNT_NOEXEC) || ever(bindings::SB_I_NOEXEC),
        }
    }
}

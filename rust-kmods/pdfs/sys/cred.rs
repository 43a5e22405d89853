// SPDX-License-Identifier: GPL-2.0-only

//! For whom a file is asked for: the ids of the caller, and a server thread acting with them.

use core::ptr;
use kernel::bindings;
use kernel::prelude::*;
use kernel::types::NotThreadSafe;

/// Most groups that are looked at.
pub(crate) const MAX_GROUPS: usize = podos_proto::codec::MAX_GROUPS;

/// User and groups, as the file systems look at them.
#[derive(Clone, Copy)]
pub(crate) struct Ids {
    /// User.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    groups: [u32; MAX_GROUPS],
    count: usize,
}

impl Ids {
    /// The ids with the first [`MAX_GROUPS`] of `groups`.
    pub(crate) fn new(uid: u32, gid: u32, groups: impl IntoIterator<Item = u32>) -> Self {
        let mut ids = Self {
            uid,
            gid,
            groups: [0; MAX_GROUPS],
            count: 0,
        };
        for (place, group) in ids.groups.iter_mut().zip(groups) {
            *place = group;
            ids.count += 1;
        }
        ids
    }

    /// Those of the current task.
    pub(crate) fn of_task() -> Self {
        // SAFETY: A task's own credentials stay as they are while it looks at them; the group list
        // has as many members as it says.
        unsafe {
            let cred = (*bindings::get_current()).cred;
            let info = (*cred).group_info;
            let groups = (*info).gid.as_slice((*info).ngroups as usize);
            Self::new(
                (*cred).fsuid.val,
                (*cred).fsgid.val,
                groups.iter().map(|gid| gid.val),
            )
        }
    }

    /// The supplementary groups.
    pub(crate) fn groups(&self) -> &[u32] {
        &self.groups[..self.count]
    }

    /// Lets the current thread act with these ids until the returned value is dropped: without any
    /// privilege, unless the user is root.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn assume(&self) -> Result<Assumed> {
        // SAFETY: `init_task` is always there; what we get is ours alone until it is put to use.
        unsafe {
            let cred = bindings::prepare_kernel_cred(ptr::addr_of_mut!(bindings::init_task));
            if cred.is_null() {
                return Err(ENOMEM);
            }
            let info = bindings::groups_alloc(self.count as c_int);
            if info.is_null() {
                bindings::put_cred(cred);
                return Err(ENOMEM);
            }
            let members = (*info).gid.as_mut_slice(self.count);
            for (member, group) in members.iter_mut().zip(self.groups()) {
                member.val = *group;
            }
            bindings::groups_sort(info);
            bindings::set_groups(cred, info);
            bindings::put_group_info(info);
            (*cred).fsuid.val = self.uid;
            (*cred).fsgid.val = self.gid;
            if self.uid != 0 {
                (*cred).cap_effective.val = 0;
            }
            // INVARIANT: Overridden just now.
            Ok(Assumed {
                old: bindings::override_creds(cred),
                _here: NotThreadSafe,
            })
        }
    }
}

/// The current thread acts for somebody else.
///
/// # Invariants
///
/// `old` are the credentials that the current thread had when it assumed the present ones, of which
/// this value holds the reference.
pub(crate) struct Assumed {
    old: *const bindings::cred,
    _here: NotThreadSafe,
}

impl Drop for Assumed {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::put_cred(bindings::revert_creds(self.old)) };
    }
}

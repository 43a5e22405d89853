// SPDX-License-Identifier: GPL-2.0-only

//! Credentials of requests: the caller's ids and capabilities, and a server thread that acts with
//! them.

use core::ptr;
use kernel::bindings;
use kernel::prelude::*;
use kernel::types::NotThreadSafe;

/// Most groups that are looked at.
pub(crate) const MAX_GROUPS: usize = podos_proto::codec::MAX_GROUPS;

/// User, groups and capabilities, as the file systems look at them.
#[derive(Clone, Copy)]
pub(crate) struct Ids {
    /// User.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// The capabilities in effect, by Linux's numbers. No id stands for any of them.
    pub(crate) capabilities: u64,
    groups: [u32; MAX_GROUPS],
    count: usize,
}

impl Ids {
    /// These, with the first [`MAX_GROUPS`] of `groups`.
    pub(crate) fn new(
        uid: u32,
        gid: u32,
        capabilities: u64,
        groups: impl IntoIterator<Item = u32>,
    ) -> Self {
        let mut ids = Self {
            uid,
            gid,
            capabilities,
            groups: [0; MAX_GROUPS],
            count: 0,
        };
        for (place, group) in ids.groups.iter_mut().zip(groups) {
            *place = group;
            ids.count += 1;
        }
        ids
    }

    /// Those of the current task. What it may in a user namespace of its own counts for nothing in
    /// the cluster: its ids are told as they are in the initial one.
    pub(crate) fn of_task() -> Self {
        // SAFETY: A task's own credentials stay as they are while it looks at them; the group list
        // has as many members as it says.
        unsafe {
            let cred = (*bindings::get_current()).cred;
            let info = (*cred).group_info;
            let groups = (*info).gid.as_slice((*info).ngroups as usize);
            let at_home = ptr::eq((*cred).user_ns, ptr::addr_of!(bindings::init_user_ns));
            Self::new(
                (*cred).fsuid.val,
                (*cred).fsgid.val,
                if at_home {
                    (*cred).cap_effective.val
                } else {
                    0
                },
                groups.iter().map(|gid| gid.val),
            )
        }
    }

    /// The supplementary groups.
    pub(crate) fn groups(&self) -> &[u32] {
        &self.groups[..self.count]
    }

    /// Lets the current thread act with these ids and capabilities, and with nothing else, until
    /// the returned value is dropped.
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
            // Not the ids for files alone: /proc and /sys look at the effective ones.
            let uid = bindings::kuid_t { val: self.uid };
            let gid = bindings::kgid_t { val: self.gid };
            ((*cred).uid, (*cred).euid, (*cred).suid, (*cred).fsuid) = (uid, uid, uid, uid);
            ((*cred).gid, (*cred).egid, (*cred).sgid, (*cred).fsgid) = (gid, gid, gid, gid);
            // The thread's own are all there are.
            let capabilities = bindings::kernel_cap_t {
                val: self.capabilities & (*cred).cap_effective.val,
            };
            let none = bindings::kernel_cap_t { val: 0 };
            ((*cred).cap_permitted, (*cred).cap_effective) = (capabilities, capabilities);
            ((*cred).cap_inheritable, (*cred).cap_ambient) = (none, none);
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

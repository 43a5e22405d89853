// SPDX-License-Identifier: GPL-2.0-only

//! Whose a program is.

use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::{bindings, error::to_result};
use podos_proto::codec::Creds;

/// The current task's user, group and supplementary groups, as they travel.
pub(crate) fn caller_credentials() -> Creds {
    // SAFETY: A task's own credentials stay while it does not change them, which it can't do
    // inside this call.
    let cred = unsafe { &*(*bindings::get_current()).cred };
    // SAFETY: Credentials hold a reference to their groups, which nobody writes any more, and
    // `ngroups` says how many there are.
    let groups = unsafe {
        let info = &*cred.group_info;
        info.gid
            .as_slice(usize::try_from(info.ngroups).unwrap_or(0))
    };
    Creds::new(
        cred.fsuid.val,
        cred.fsgid.val,
        groups.iter().map(|gid| gid.val),
    )
}

/// A `struct group_info` that is set up.
///
/// # Invariants
///
/// `0` is valid and sorted, and this value holds a reference to it.
struct Groups(NonNull<bindings::group_info>);

impl Groups {
    fn new(creds: &Creds) -> Result<Self> {
        let groups = creds.groups().map_err(|_| EINVAL)?;
        // SAFETY: Plain FFI call; the number is at most `MAX_GROUPS`.
        let info = unsafe { bindings::groups_alloc(groups.len() as c_int) };
        let info = NonNull::new(info).ok_or(ENOMEM)?;
        // SAFETY: The object is new and has room for `groups.len()` ids; all of them are written
        // before it is sorted.
        unsafe {
            let room = (*info.as_ptr()).gid.as_mut_slice(groups.len());
            for (to, from) in room.iter_mut().zip(groups) {
                *to = bindings::kgid_t { val: from.get() };
            }
            bindings::groups_sort(info.as_ptr());
        }
        // INVARIANT: Set up above; `groups_alloc` gives the first reference.
        Ok(Self(info))
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::put_group_info(self.0.as_ptr()) };
    }
}

/// A `struct user_struct`: whom processes and files are accounted to.
///
/// # Invariants
///
/// `0` is valid, and this value holds a reference to it.
struct User(NonNull<bindings::user_struct>);

impl User {
    fn new(uid: bindings::kuid_t) -> Result<Self> {
        // SAFETY: Plain FFI call.
        let user = unsafe { bindings::alloc_uid(uid) };
        // INVARIANT: The call gives a reference.
        NonNull::new(user).map(Self).ok_or(EAGAIN)
    }

    /// Makes credentials that are being prepared this user's, their own user's reference going.
    ///
    /// # Safety
    ///
    /// `cred` is valid, and not yet any task's.
    unsafe fn give_to(self, cred: *mut bindings::cred) {
        // SAFETY: By the safety requirement; credentials hold a reference to their user.
        let previous = unsafe { core::mem::replace(&mut (*cred).user, self.0.as_ptr()) };
        core::mem::forget(self);
        // INVARIANT: The reference that the credentials held.
        drop(NonNull::new(previous).map(Self));
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::free_uid(self.0.as_ptr()) };
    }
}

/// Gives credentials that are being prepared to a user. Root keeps what a usermode helper has,
/// anybody else has no capabilities.
///
/// # Errors
///
/// `EINVAL` if there are too many groups, `EAGAIN` if the user can't be accounted to, `ENOMEM`.
///
/// # Safety
///
/// `cred` is valid, and not yet any task's.
pub(super) unsafe fn assume(cred: *mut bindings::cred, creds: &Creds) -> Result {
    let groups = Groups::new(creds)?;
    let uid = bindings::kuid_t {
        val: creds.fsuid.get(),
    };
    let gid = bindings::kgid_t {
        val: creds.fsgid.get(),
    };
    let user = User::new(uid)?;
    // SAFETY: By the safety requirement nobody else uses the object; `set_groups` takes a
    // reference of its own.
    unsafe {
        bindings::set_groups(cred, groups.0.as_ptr());
        user.give_to(cred);
        let cred = &mut *cred;
        (cred.uid, cred.euid, cred.suid, cred.fsuid) = (uid, uid, uid, uid);
        (cred.gid, cred.egid, cred.sgid, cred.fsgid) = (gid, gid, gid, gid);
        if uid.val != 0 {
            let none = bindings::kernel_cap_t { val: 0 };
            cred.cap_inheritable = none;
            cred.cap_permitted = none;
            cred.cap_effective = none;
            cred.cap_ambient = none;
        }
    }
    // SAFETY: As above. The task's process moves from one account to the other when it commits
    // credentials whose user is another one.
    to_result(unsafe { bindings::set_cred_ucounts(cred) })
}

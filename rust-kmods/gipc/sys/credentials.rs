// SPDX-License-Identifier: GPL-2.0-only

//! The identity and the privileges of a program.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicI64, Ordering};
use kernel::prelude::*;
use kernel::sync::rcu;
use kernel::{bindings, error::to_result};
use podos_proto::codec::Groups as WireGroups;
use podos_proto::gipc::ProcessCreds;

use super::limits;

/// What the current task is and may, as it travels.
pub(crate) fn of_caller() -> ProcessCreds {
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
    // SAFETY: The current task is valid.
    let flags = match unsafe { bindings::task_no_new_privs(bindings::get_current()) } {
        true => ProcessCreds::NO_NEW_PRIVS,
        false => 0,
    };
    ProcessCreds {
        uid: cred.uid.val.into(),
        gid: cred.gid.val.into(),
        euid: cred.euid.val.into(),
        egid: cred.egid.val.into(),
        fsuid: cred.fsuid.val.into(),
        fsgid: cred.fsgid.val.into(),
        securebits: cred.securebits.into(),
        flags: flags.into(),
        inheritable: cred.cap_inheritable.val.into(),
        permitted: cred.cap_permitted.val.into(),
        effective: cred.cap_effective.val.into(),
        bounding: cred.cap_bset.val.into(),
        ambient: cred.cap_ambient.val.into(),
        groups: WireGroups::new(groups.iter().map(|gid| gid.val)),
    }
}

/// A `struct group_info` that is set up.
///
/// # Invariants
///
/// `0` is valid and sorted, and this value holds a reference to it.
struct Groups(NonNull<bindings::group_info>);

impl Groups {
    fn new(groups: &WireGroups) -> Result<Self> {
        let groups = groups.get().map_err(|_| EINVAL)?;
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

/// The capabilities that programs of this node can have at all: those that its init can give.
fn of_this_node() -> u64 {
    // SAFETY: The initial pid namespace is always there, and so is its init: without it the kernel
    // panics. The task stays valid as long as RCU's lock is held, which `get_task_cred` needs; the
    // credentials do by the reference that it takes.
    unsafe {
        let guard = rcu::read_lock();
        let init = ptr::read_volatile(&raw const bindings::init_pid_ns.child_reaper);
        let cred = bindings::get_task_cred(init);
        drop(guard);
        let bounding = (*cred).cap_bset.val;
        bindings::put_cred(cred);
        bounding
    }
}

/// Gives credentials that are being prepared to a caller: `execve(2)` makes of them what it would
/// have made of the caller's own, as far as this node's init could have given it.
///
/// # Errors
///
/// `EAGAIN` if the user can't be accounted to, or runs as many processes as it may; `EINVAL` if
/// there are too many groups, `ENOMEM`.
///
/// # Safety
///
/// `cred` is valid, of the initial user namespace, and not yet any task's.
pub(super) unsafe fn assume(cred: *mut bindings::cred, creds: &ProcessCreds) -> Result {
    let groups = Groups::new(&creds.groups)?;
    let uid = |id: &zerocopy::big_endian::U32| bindings::kuid_t { val: id.get() };
    let gid = |id: &zerocopy::big_endian::U32| bindings::kgid_t { val: id.get() };
    let user = User::new(uid(&creds.uid))?;
    // SAFETY: By the safety requirement nobody else uses the object; `set_groups` takes a
    // reference of its own.
    unsafe {
        bindings::set_groups(cred, groups.0.as_ptr());
        user.give_to(cred);
        let cred = &mut *cred;
        (cred.uid, cred.euid, cred.fsuid) = (uid(&creds.uid), uid(&creds.euid), uid(&creds.fsuid));
        (cred.gid, cred.egid, cred.fsgid) = (gid(&creds.gid), gid(&creds.egid), gid(&creds.fsgid));
        // What `execve(2)` makes them anyway.
        (cred.suid, cred.sgid) = (cred.euid, cred.egid);
        cred.securebits = creds.securebits.get();
        let possible = cred.cap_bset.val & of_this_node();
        let set = |set: &zerocopy::big_endian::U64| bindings::kernel_cap_t {
            val: set.get() & possible,
        };
        cred.cap_inheritable = set(&creds.inheritable);
        cred.cap_permitted = set(&creds.permitted);
        cred.cap_effective = set(&creds.effective);
        cred.cap_bset = set(&creds.bounding);
        cred.cap_ambient = set(&creds.ambient);
    }
    // SAFETY: As above. The task's process moves from one account to the other when it commits
    // credentials whose user is another one.
    to_result(unsafe { bindings::set_cred_ucounts(cred) })?;
    // SAFETY: As above.
    match unsafe { may_have_another_process(&*cred) } {
        true => Ok(()),
        false => Err(EAGAIN),
    }
}

/// Whether one more process would be within its user's limit, as `fork(2)` looks at it.
///
/// # Safety
///
/// `cred` has the account of its user.
unsafe fn may_have_another_process(cred: &bindings::cred) -> bool {
    let exempt = 1 << bindings::CAP_SYS_RESOURCE | 1 << bindings::CAP_SYS_ADMIN;
    if cred.uid.val == 0 || cred.cap_effective.val & exempt != 0 {
        return true;
    }
    let kind = bindings::rlimit_type_UCOUNT_RLIMIT_NPROC as usize;
    // SAFETY: By the safety requirement the account is valid; the kernel counts in it atomically.
    let count = unsafe {
        let counter = &raw mut (*cred.ucounts).rlimit[kind].counter;
        AtomicI64::from_ptr(counter).load(Ordering::Relaxed)
    };
    u64::try_from(count).is_ok_and(|count| count < limits::own(bindings::RLIMIT_NPROC as usize))
}

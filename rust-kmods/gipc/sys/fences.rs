// SPDX-License-Identifier: GPL-2.0-only

//! What confines a task to a part of its node.

use core::ptr;
use kernel::bindings;
use kernel::prelude::*;

/// What a program on another node would not be inside of any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// A filter of system calls.
    Seccomp,
    /// A user namespace.
    UserNamespace,
    /// Another namespace than the initial one, as the log says it.
    Namespace(&'static str),
}

impl Fence {
    /// As the log says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seccomp => "a seccomp filter",
            Self::UserNamespace => "a user namespace",
            Self::Namespace(name) => name,
        }
    }
}

/// The fences that the current task is inside of.
pub(crate) fn of_caller() -> impl Iterator<Item = Fence> {
    // SAFETY: The current task is valid. Its credentials and its namespaces are changed by nobody
    // but itself, and it is here. The initial task's namespaces are always there.
    let (filtered, at_home, namespaces) = unsafe {
        let current = bindings::get_current();
        let own = &*(*current).nsproxy;
        let initial = &*bindings::init_task.nsproxy;
        let home = &raw const bindings::init_user_ns;
        let pid = bindings::task_active_pid_ns(current);
        (
            (*current).seccomp.mode != 0,
            ptr::eq((*(*current).cred).user_ns, home),
            [
                ("a mount namespace", ptr::eq(own.mnt_ns, initial.mnt_ns)),
                ("a PID namespace", ptr::eq(pid, initial.pid_ns_for_children)),
                // Of those that it would start.
                ("a PID namespace", ptr::eq(own.pid_ns_for_children, pid)),
                ("a network namespace", ptr::eq(own.net_ns, initial.net_ns)),
                ("an IPC namespace", ptr::eq(own.ipc_ns, initial.ipc_ns)),
            ],
        )
    };
    let outside = |(name, initial): (&'static str, bool)| match initial {
        true => None,
        false => Some(Fence::Namespace(name)),
    };
    let [mount, pid, pid_of_children, network, ipc] = namespaces.map(outside);
    let fences = [
        filtered.then_some(Fence::Seccomp),
        (!at_home).then_some(Fence::UserNamespace),
        mount,
        pid,
        pid_of_children,
        network,
        ipc,
    ];
    fences.into_iter().flatten()
}

/// Whether the current task may go into the namespaces of others, out of its own.
pub(crate) fn may_leave_namespaces() -> bool {
    // SAFETY: Plain FFI call.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as c_int) }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The end of processes. Every status goes to the one caller of [`reap`], which hands it to the
//! process's owner; orphans have none.

use std::io;

use rustix::process::Pid;

use crate::Exit;

/// Takes the statuses of the children that have ended. `ended` is called while the child is still
/// there as a zombie, so its number, and that of its process group, is still its own.
pub fn reap(mut ended: impl FnMut(Pid, Exit)) -> io::Result<()> {
    while let Some((pid, exit)) = wait(libc::P_ALL, 0, libc::WNOHANG | libc::WNOWAIT)? {
        ended(pid, exit);
        wait(libc::P_PID, pid.as_raw_nonzero().get() as libc::id_t, 0)?;
    }
    Ok(())
}

/// A child's end; `None` if all run.
fn wait(
    kind: libc::idtype_t,
    id: libc::id_t,
    options: libc::c_int,
) -> io::Result<Option<(Pid, Exit)>> {
    // SAFETY: siginfo_t is plain numbers, for which zero is a valid value; the kernel leaves it so
    // when there is nothing to tell.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `info` is a siginfo_t that outlives the call.
        match unsafe { libc::waitid(kind, id, &mut info, libc::WEXITED | options) } {
            0 => break,
            _ => match io::Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EINTR) => {}
                error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
                error => return Err(error),
            },
        }
    }
    // SAFETY: waitid fills in the fields of SIGCHLD, or leaves them zero; both are numbers.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let exit = match info.si_code {
        libc::CLD_EXITED => Exit::Code(status as u8),
        _ => Exit::Signal(status as u8),
    };
    Ok(Pid::from_raw(pid).map(|pid| (pid, exit)))
}

/// The end of one child, as [`reap`] would take it: with `WNOWAIT` among the `options` it stays
/// there, with `WNOHANG` it is not waited for. `None` if it runs, or is no child.
pub fn wait_for(pid: Pid, options: libc::c_int) -> io::Result<Option<Exit>> {
    let ended = wait(
        libc::P_PID,
        pid.as_raw_nonzero().get() as libc::id_t,
        options,
    )?;
    Ok(ended.map(|(_, exit)| exit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_signals() {
        let child = crate::child::fork(|| 7).unwrap();
        assert_eq!(wait_for(child, libc::WNOWAIT).unwrap(), Some(Exit::Code(7)));
        assert_eq!(wait_for(child, 0).unwrap(), Some(Exit::Code(7)));
        assert_eq!(wait_for(child, 0).unwrap(), None);

        let child = crate::child::fork(|| loop {
            std::thread::park();
        });
        let child = child.unwrap();
        assert_eq!(wait_for(child, libc::WNOHANG).unwrap(), None);
        rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
        assert_eq!(wait_for(child, 0).unwrap(), Some(Exit::Signal(9)));
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! The active end: a node's directory, opened with `O_GIPC`.

use core::sync::atomic::{AtomicU32, Ordering};
use kernel::iov::{IovIterDest, IovIterSource};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use kernel::uaccess::{UserPtr, UserSlice};
use podos_cm::Circuit;
use podos_proto::gipc::{Command, Failed, Op, OpenRequest, Signal, MAX_COMMAND};
use podos_proto::wire::Class;
use podos_proto::{Gpid, HostId};
use podos_sys::{Poller, Stream, Wake};
use zerocopy::IntoBytes;

use crate::abi;
use crate::convert;
use crate::received::Received;
use crate::sender::Sender;
use crate::sys::fences::{self, Fence};
use crate::sys::{self, OpeningFile};
use crate::Gipc;

/// The kernel's own: `MAX_ERRNO`.
const MAX_ERRNO: i32 = 4095;

/// What [`ActiveEnd::known`] tells without the lock.
mod known {
    /// A read would not wait.
    pub(super) const READY: u32 = 1;
    /// Nothing is taken in before something is read.
    pub(super) const FULL: u32 = 2;
    /// The program's GPID, or that there is none.
    pub(super) const GPID: u32 = 4;
    /// The program's wait status, or that there is none.
    pub(super) const STATUS: u32 = 8;
    /// The circuit has ended.
    pub(super) const END: u32 = 16;
}

/// How far the caller is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Phase {
    /// There is no command yet.
    Opened = 0,
    /// A write is sending the command.
    Commanding = 1,
    /// Writes are the program's input.
    Running = 2,
}

/// One circuit to a program on another node; what the opened file is about.
#[pin_data]
pub(crate) struct ActiveEnd {
    host: HostId,
    circuit: Circuit,
    #[pin]
    sender: Sender,
    #[pin]
    received: Mutex<Received>,
    /// Bits of [`known`], for conditions of waits.
    known: AtomicU32,
    phase: AtomicU32,
}

/// Opens a circuit to `host` and makes `file`, the node's directory, its active end.
///
/// # Errors
///
/// `EPERM` for a caller whom something keeps from the rest of its node, `EHOSTDOWN` if the node is
/// not alive, and those of [`Circuit::connect`].
pub(crate) fn open(host: HostId, file: OpeningFile, program_at_caller: bool) -> Result {
    refuse_fenced(host)?;
    if !podos_rm::is_alive(host) {
        return Err(EHOSTDOWN);
    }
    let flags = match program_at_caller {
        true => OpenRequest::PROGRAM_AT_CALLER,
        false => 0,
    };
    let request = OpenRequest::new(
        podos_cm::local_gpid(),
        sys::credentials_of_caller(),
        flags,
        sys::umask_of_caller(),
        sys::limits_of_caller(),
    );
    let parts = [request.as_bytes()];
    let circuit = Circuit::connect(host, Class::Gipc, Op::Open as u8, &parts)?;
    let active = Arc::pin_init(ActiveEnd::new(host, circuit)?, GFP_KERNEL)?;
    sys::adopt(file, active)
}

/// Refuses a caller that is inside of something which can't go along: its program would be outside.
fn refuse_fenced(host: HostId) -> Result {
    let fence = fences::of_caller().find(|fence| match fence {
        Fence::Seccomp | Fence::UserNamespace => true,
        // Those are none to who may enter others, as those of the initial ones.
        Fence::Namespace(_) => !fences::may_leave_namespaces(),
    });
    let Some(fence) = fence else {
        return Ok(());
    };
    if sys::log_has_room() {
        let (uid, host) = (sys::credentials_of_caller().uid.get(), host.raw());
        pr_warn!(
            "uid {uid} may start no program on linus{host}: it is inside of {}, and the program \
             would not be\n",
            fence.name()
        );
    }
    Err(EPERM)
}

impl ActiveEnd {
    fn new(host: HostId, circuit: Circuit) -> Result<impl PinInit<Self>> {
        let received = Received::new()?;
        Ok(pin_init!(Self {
            host,
            circuit,
            sender <- Sender::new(),
            received <- new_mutex!(received, "podos_gipc_received"),
            known: AtomicU32::new(0),
            phase: AtomicU32::new(Phase::Opened as u32),
        }))
    }

    /// Takes in what has arrived, and asks `look` for what it wants to know.
    fn look<T>(&self, look: impl FnOnce(&mut Received) -> T) -> T {
        let mut received = self.received.lock();
        let ended = received.end().is_some();
        received.pump(&self.circuit);
        if !ended && received.end() == Some(Ok(())) {
            // There is nobody any more to send to.
            self.sender.close(&self.circuit);
        }
        let result = look(&mut received);
        let bits = [
            (received.is_ready(), known::READY),
            (received.is_full(), known::FULL),
            (received.gpid().is_some(), known::GPID),
            (received.status().is_some(), known::STATUS),
            (received.end().is_some(), known::END),
        ];
        let bits = bits.iter().filter(|(set, _)| *set);
        let now = bits.fold(0, |known, (_, bit)| known | bit);
        let before = self.known.swap(now, Ordering::AcqRel);
        drop(received);
        if before != now {
            // Others may wait for what this task has taken in.
            self.circuit.waiters().wake_all();
        }
        result
    }

    /// Looks until there is an answer; `bit` is the one of [`known`] that promises it.
    fn wait_for<T>(
        &self,
        bit: u32,
        block: bool,
        mut look: impl FnMut(&mut Received) -> Option<Result<T>>,
    ) -> Result<T> {
        loop {
            if let Some(answer) = self.look(&mut look) {
                return answer;
            }
            if !block {
                return Err(EAGAIN);
            }
            self.circuit.waiters().wait_until(Wake::Interruptible, || {
                let known = self.known.load(Ordering::Acquire);
                let more = known & (known::FULL | known::END) == 0 && self.circuit.readable();
                (known & bit != 0 || more).then_some(())
            })?;
        }
    }

    fn phase_is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Acquire) == phase as u32
    }

    fn set_phase(&self, from: Phase, to: Phase) -> bool {
        let (from, to) = (from as u32, to as u32);
        let set = self
            .phase
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        if set.is_ok() {
            self.circuit.waiters().wake_all();
        }
        set.is_ok()
    }

    /// The first write: the command (paper, section 5.4.1, step 5).
    fn command(&self, from: &mut IovIterSource<'_>) -> Result<usize> {
        if from.len() > MAX_COMMAND {
            return Err(E2BIG);
        }
        let mut bytes = KVVec::new();
        let len = from.copy_from_iter_vec(&mut bytes, GFP_KERNEL)?;
        if !from.is_empty() {
            return Err(EFAULT);
        }
        Command::parse(&bytes).map_err(|_| EINVAL)?;
        // Who has as many programs as it may was told so without being asked for this one.
        if let Some(Err(e)) = self.look(|received| received.status()) {
            return Err(e);
        }
        let sent = self.circuit.send(Op::Exec as u8, &[&bytes]);
        if sent.is_err() {
            // A part of it may be there: another command behind it would be taken for the rest.
            self.circuit.abort();
        }
        sent.map(|()| len)
    }

    /// A later write: the program's input.
    fn input(&self, from: &mut IovIterSource<'_>, block: bool) -> Result<usize> {
        self.refuse_after_end()?;
        let wake = block.then_some(Wake::Interruptible);
        self.sender.write(&self.circuit, Op::Stdin, from, wake)
    }

    /// Nobody reads any more when the circuit has come to its end: what a program has started may read
    /// its input when it has ended itself.
    fn refuse_after_end(&self) -> Result {
        match self.look(|received| (received.status(), received.end())) {
            (Some(Ok(_)), Some(_)) => Err(EPIPE),
            (Some(Err(e)), _) => Err(e),
            _ => Ok(()),
        }
    }

    /// Tells the program that its input is at its end, or, with an error number, why it is not.
    fn end_of_input(&self, error: Option<i32>) -> Result {
        if !self.phase_is(Phase::Running) {
            return Err(ENOTCONN);
        }
        match self.refuse_after_end() {
            // Nobody needs it.
            Err(e) if e == EPIPE => return Ok(()),
            other => other?,
        }
        let wake = Some(Wake::Interruptible);
        let circuit = &self.circuit;
        match error {
            None => self.sender.send(circuit, Op::StdinEof, &[], wake),
            Some(errno) => {
                let why = Failed::new(errno);
                self.sender
                    .send(circuit, Op::StdinFailed, why.as_bytes(), wake)
            }
        }
    }

    fn gpid(&self) -> Result<Gpid> {
        self.wait_for(known::GPID, true, |received| received.gpid())
    }

    fn signal(&self, signal: i32) -> Result {
        if !matches!(signal, 1..=64 | -64..=-1) {
            return Err(EINVAL);
        }
        let target = self.gpid()?;
        if self.look(|received| received.status()).is_some() && signal > 0 {
            return Err(ESRCH);
        }
        let message = Signal::new(target, signal);
        let parts = [message.as_bytes()];
        let circuit = Circuit::connect(self.host, Class::Gipc, Op::Signal as u8, &parts)?;
        match circuit.recv_woken_by(Wake::Interruptible)? {
            None => Ok(()),
            Some(mut answer) if Op::from_raw(answer.op()) == Some(Op::Failed) => {
                let errno = Failed::decode(answer.linear()?).map_err(|_| EPROTO)?;
                Err(convert::told(Error::from_errno(errno)))
            }
            Some(_) => Err(EPROTO),
        }
    }
}

impl Stream for ActiveEnd {
    type Owner = Gipc;

    const NAME: &'static CStr = c"[gipc]";

    fn read(&self, to: &mut IovIterDest<'_>, block: bool) -> Result<usize> {
        if self.phase_is(Phase::Opened) {
            return Err(ENOTCONN);
        }
        if to.is_empty() {
            return Ok(0);
        }
        self.wait_for(known::READY, block, |received| {
            received.read(to).transpose()
        })
    }

    fn write(&self, from: &mut IovIterSource<'_>, block: bool) -> Result<usize> {
        if self.set_phase(Phase::Opened, Phase::Commanding) {
            let sent = self.command(from);
            let next = match sent {
                Ok(_) => Phase::Running,
                Err(_) => Phase::Opened,
            };
            self.set_phase(Phase::Commanding, next);
            return sent;
        }
        // Another thread's command goes first.
        self.circuit.waiters().wait_until(Wake::Interruptible, || {
            (!self.phase_is(Phase::Commanding)).then_some(())
        })?;
        if self.phase_is(Phase::Opened) {
            return Err(ENOTCONN);
        }
        self.input(from, block)
    }

    fn poll(&self, poller: &Poller) -> u32 {
        poller.wait_on(self.circuit.waiters());
        let (ready, end) = self.look(|received| (received.is_ready(), received.end()));
        let mut events = 0;
        if ready {
            events |= Poller::IN;
        }
        if self.sender.writable(&self.circuit) {
            events |= Poller::OUT;
        }
        match end {
            Some(Ok(())) => events | Poller::HUP,
            Some(Err(_)) => events | Poller::HUP | Poller::ERR,
            None => events,
        }
    }

    fn ioctl(&self, command: u32, argument: usize) -> Result<isize> {
        let user = |len| UserSlice::new(UserPtr::from_addr(argument), len);
        match command {
            abi::RECORDS => self.look(|received| received.use_records()),
            abi::END_OF_INPUT => self.end_of_input(None)?,
            abi::FAIL_INPUT => {
                let errno = user(size_of::<i32>()).reader().read::<i32>()?;
                if !(1..=MAX_ERRNO).contains(&errno) {
                    return Err(EINVAL);
                }
                self.end_of_input(Some(errno))?;
            }
            abi::SIGNAL => self.signal(user(size_of::<i32>()).reader().read::<i32>()?)?,
            abi::STATUS => {
                let status = self.wait_for(known::STATUS, true, |received| received.status())?;
                user(size_of::<i32>()).writer().write(&status)?;
            }
            abi::GPID => {
                let gpid = self.gpid()?.raw();
                user(size_of::<u64>()).writer().write(&gpid)?;
            }
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }

    fn release(&self) {
        let ended = self.look(|received| received.end());
        if ended != Some(Ok(())) {
            // The program loses its caller, and ends.
            self.circuit.abort();
        }
    }
}

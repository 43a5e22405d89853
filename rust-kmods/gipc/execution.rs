// SPDX-License-Identifier: GPL-2.0-only

//! One program that runs for a caller on another node.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use kernel::iov::IovIterDest;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use podos_cm::{Circuit, Incoming};
use podos_proto::gipc::{Failed, Op, Started};
use podos_proto::Gpid;
use podos_sys::Wake;
use zerocopy::IntoBytes;

use crate::convert;
use crate::sender::Sender;
use crate::streams::{Output, Stdin};
use crate::sys::{Mode, Pid, StreamFile};

/// A program, from before its start until nobody uses its streams any more.
#[pin_data]
pub(crate) struct Execution {
    pub(crate) circuit: Circuit,
    #[pin]
    pub(crate) sender: Sender,
    #[pin]
    input: Mutex<Input>,
    /// Whether a reader of the input would not wait although nothing new arrives.
    input_left: AtomicBool,
    /// Whether nobody reads the input any more.
    discarding: AtomicBool,
    /// Open files that the program's output goes to.
    pub(crate) writers: AtomicU32,
    #[pin]
    process: Mutex<Process>,
    /// Whether there is no program any more, or never will be.
    ended: AtomicBool,
}

/// What was received for the program and not read by it.
struct Input {
    /// A segment, of which so many bytes were read.
    segment: Option<(Incoming, usize)>,
    /// Set when nothing follows: whether the input is whole, or why it is not.
    end: Option<Result>,
}

impl Input {
    /// Whether a reader would not wait.
    fn is_ready(&self) -> bool {
        self.segment.is_some() || self.end.is_some()
    }
}

/// The program's process.
enum Process {
    /// Not there yet.
    Awaited,
    /// Must not come any more.
    Cancelled,
    /// There, or gone.
    Started { pid: Pid, gpid: Gpid },
}

/// What the thread that watches over an execution has to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The caller is gone, or the module goes.
    Orphaned,
    /// The program has ended, and nobody uses its streams.
    Finished,
    /// There is input that nobody reads.
    Unread,
}

impl Execution {
    /// No program yet.
    pub(crate) fn new(circuit: Circuit) -> impl PinInit<Self> {
        let input = Input {
            segment: None,
            end: None,
        };
        pin_init!(Self {
            circuit,
            sender <- Sender::new(),
            input <- new_mutex!(input, "podos_gipc_input"),
            input_left: AtomicBool::new(false),
            discarding: AtomicBool::new(false),
            writers: AtomicU32::new(0),
            process <- new_mutex!(Process::Awaited, "podos_gipc_process"),
            ended: AtomicBool::new(false),
        })
    }

    /// The files that are to be the program's descriptors 0, 1 and 2.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `ENFILE`.
    pub(crate) fn open_streams(self: &Arc<Self>) -> Result<[StreamFile; 3]> {
        let stdin = Arc::new(Stdin(self.clone()), GFP_KERNEL)?;
        let stdin = StreamFile::new(stdin, Mode::Read)?;
        Ok([
            stdin,
            self.open_output(Op::Stdout)?,
            self.open_output(Op::Stderr)?,
        ])
    }

    fn open_output(self: &Arc<Self>, op: Op) -> Result<StreamFile> {
        let execution = self.clone();
        let output = Arc::new(Output { execution, op }, GFP_KERNEL)?;
        let file = StreamFile::new(output, Mode::Write)?;
        self.writers.fetch_add(1, Ordering::AcqRel);
        Ok(file)
    }

    /// Enters the current task as the program, and tells the caller.
    ///
    /// # Errors
    ///
    /// `ECANCELED` if there is no caller any more, and those of sending.
    pub(crate) fn start(&self) -> Result {
        let gpid = podos_cm::local_gpid();
        {
            let mut process = self.process.lock();
            if matches!(*process, Process::Cancelled) {
                return Err(ECANCELED);
            }
            let pid = Pid::current()?;
            *process = Process::Started { pid, gpid };
        }
        let started = Started::new(gpid);
        let wake = Some(Wake::Killable);
        self.sender
            .send(&self.circuit, Op::Started, started.as_bytes(), wake)
    }

    /// The program's GPID, once it was started.
    pub(crate) fn gpid(&self) -> Option<Gpid> {
        match &*self.process.lock() {
            Process::Started { gpid, .. } => Some(*gpid),
            _ => None,
        }
    }

    /// Sends the program a signal, or, if it is negative, the program's process group.
    ///
    /// # Errors
    ///
    /// `ESRCH` if there is no such process, `EINVAL` if there is no such signal.
    pub(crate) fn signal(&self, signal: i32) -> Result {
        match &*self.process.lock() {
            Process::Started { pid, .. } if signal < 0 => pid.signal_group(-signal),
            Process::Started { pid, .. } => pid.signal(signal),
            _ => Err(ESRCH),
        }
    }

    /// Prevents the program's start, if it is not too late for that.
    pub(crate) fn cancel(&self) {
        let mut process = self.process.lock();
        if matches!(*process, Process::Awaited) {
            *process = Process::Cancelled;
        }
    }

    /// Tells the caller how it went, and the watching thread that it is over.
    pub(crate) fn end(&self, op: Op, body: &[u8]) {
        // A caller that is gone needs no news.
        let _ = self.sender.send(&self.circuit, op, body, Some(Wake::Idle));
        self.ended.store(true, Ordering::Release);
        self.circuit.waiters().wake_all();
    }

    /// Whether there is no program any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// What there is to do for the watching thread.
    pub(crate) fn event(&self) -> Option<Event> {
        if self.circuit.broken().is_some() {
            Some(Event::Orphaned)
        } else if self.has_ended() && self.writers.load(Ordering::Acquire) == 0 {
            Some(Event::Finished)
        } else if self.discarding.load(Ordering::Acquire)
            && !self.input_left.load(Ordering::Acquire)
            && self.circuit.readable()
        {
            Some(Event::Unread)
        } else {
            None
        }
    }

    /// Takes the next segment of the input if there is none at hand.
    fn fetch(&self, input: &mut Input) {
        while !input.is_ready() && self.circuit.readable() {
            let received = self.circuit.recv();
            // A caller that is gone has not said whether that was all.
            let Ok(Some(segment)) = received else {
                input.end = Some(Err(EIO));
                break;
            };
            match Op::from_raw(segment.op()) {
                Some(Op::Stdin) if segment.is_empty() => {}
                Some(Op::Stdin) => input.segment = Some((segment, 0)),
                Some(Op::StdinEof) => input.end = Some(Ok(())),
                Some(Op::StdinFailed) => input.end = Some(Err(failure(segment))),
                _ => {
                    input.end = Some(Err(EIO));
                    self.circuit.abort();
                }
            }
        }
        self.note_left(input);
    }

    /// Lets other readers know what this one has taken from the circuit.
    fn note_left(&self, input: &Input) {
        let left = input.is_ready();
        if left && !self.input_left.swap(left, Ordering::AcqRel) {
            self.circuit.waiters().wake_all();
        } else {
            self.input_left.store(left, Ordering::Release);
        }
    }

    /// Reads the program's standard input; 0 is its end.
    ///
    /// # Errors
    ///
    /// `EIO` if the caller went before he came to the end; why he could not read it, if he says so;
    /// `EAGAIN` without `block`, `ERESTARTSYS`, `EFAULT`.
    pub(crate) fn read_input(&self, to: &mut IovIterDest<'_>, block: bool) -> Result<usize> {
        loop {
            if let Some(read) = self.take_input(to)? {
                return Ok(read);
            }
            if !block {
                return Err(EAGAIN);
            }
            self.circuit.waiters().wait_until(Wake::Interruptible, || {
                let left = self.input_left.load(Ordering::Acquire);
                (left || self.circuit.readable()).then_some(())
            })?;
        }
    }

    /// Reads what is there of the input; `None` if that is nothing.
    fn take_input(&self, to: &mut IovIterDest<'_>) -> Result<Option<usize>> {
        let mut input = self.input.lock();
        let mut read = 0;
        while !to.is_empty() {
            self.fetch(&mut input);
            let Some((segment, taken)) = &mut input.segment else {
                break;
            };
            let all = segment.len() - *taken;
            let len = segment.copy_to_iter(*taken, to);
            *taken += len;
            read += len;
            if len == all {
                input.segment = None;
            } else if !to.is_empty() {
                // The reader's memory ended before the length it told.
                return if read > 0 {
                    Ok(Some(read))
                } else {
                    Err(EFAULT)
                };
            }
        }
        self.note_left(&input);
        match input.end {
            _ if read > 0 => Ok(Some(read)),
            None => Ok(None),
            Some(end) => end.map(|()| Some(0)),
        }
    }

    /// Whether a read of the input would not wait.
    pub(crate) fn input_is_ready(&self) -> bool {
        let mut input = self.input.lock();
        self.fetch(&mut input);
        input.is_ready()
    }

    /// Nobody reads the input any more: what comes of it must not fill the circuit.
    pub(crate) fn discard_input(&self) {
        self.discarding.store(true, Ordering::Release);
        self.drain_input();
        self.circuit.waiters().wake_all();
    }

    /// Throws away the input that has arrived.
    pub(crate) fn drain_input(&self) {
        let mut input = self.input.lock();
        loop {
            input.segment = None;
            self.fetch(&mut input);
            if input.segment.is_none() {
                break;
            }
        }
    }

    /// Whether the caller sends nothing more.
    pub(crate) fn input_has_ended(&self) -> bool {
        self.input.lock().end.is_some()
    }
}

/// Why the caller's input can't be read, as he says.
fn failure(mut segment: Incoming) -> Error {
    let errno = segment.linear().ok().map(Failed::decode);
    match errno {
        Some(Ok(errno)) => convert::told(Error::from_errno(errno)),
        _ => EIO,
    }
}

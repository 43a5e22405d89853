// SPDX-License-Identifier: GPL-2.0-only

//! Multicast groups: one message to several processes on several hosts, and its outcome at each.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex};
use podos_proto::wire::Class;
use podos_proto::Gpid;
use podos_sys::{WaitQueue, Wake};

use crate::callback::{Handled, Handler};
use crate::circuit::{Circuit, MAX_MESSAGE};
use crate::node::NODE;
use crate::sys;

/// Most members of a group.
pub const MAX_MEMBERS: usize = 1024;

/// Several processes, or whole nodes, that are sent the same messages.
///
/// Each message goes to all members at once, on a circuit for each that the message itself opens:
/// a group at rest costs nothing, and a member that is slow or dead holds up no other one. What
/// becomes of the message is told for each member, as soon as it is known.
///
/// While the value lives, `/sys/kernel/podos/cm/groups` shows the group.
pub struct Group {
    registered: Arc<Registered>,
    members: KVec<Gpid>,
    timeout: Option<Duration>,
}

/// A member's answer.
pub struct Reply {
    /// The answer's op.
    pub op: u8,
    /// The answer.
    pub data: KVec<u8>,
}

impl Group {
    /// The group of `members`: process id 0 stands for whoever listens for `class` on the node,
    /// boot sequence 0 for whatever boot the host is in.
    ///
    /// # Errors
    ///
    /// `EINVAL` without members, `EMSGSIZE` with more than [`MAX_MEMBERS`], `ENOMEM`.
    pub fn new(class: Class, members: &[Gpid]) -> Result<Self> {
        if members.is_empty() {
            return Err(EINVAL);
        }
        if members.len() > MAX_MEMBERS {
            return Err(EMSGSIZE);
        }
        let mut copy = KVec::with_capacity(members.len(), GFP_KERNEL)?;
        copy.extend_from_slice(members, GFP_KERNEL)?;
        Ok(Self {
            registered: NODE.get()?.groups().register(class, members.len())?,
            members: copy,
            timeout: None,
        })
    }

    /// Has members that are alive, but do not answer within `limit`, fail with `ETIMEDOUT`. Without
    /// a limit only a member's death or the caller's own ends the wait for it.
    pub fn set_timeout(&mut self, limit: Duration) {
        self.timeout = Some(limit);
    }

    /// The members, in the order in which they were given.
    pub fn members(&self) -> &[Gpid] {
        &self.members
    }

    /// Sends a message, the concatenation of `parts`, to all members, and waits until each has
    /// taken it, which it shows by finishing its end, or has failed.
    ///
    /// `each` is called once for each member, by its place in [`Group::members`], in the order in
    /// which the results come. They are those of [`Circuit::recv`], and `ETIMEDOUT` when the timeout
    /// ran out.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS` when the task is killed: `each` is not called for the rest. `EMSGSIZE`,
    /// `ENOMEM`.
    pub fn send(&self, op: u8, parts: &[&[u8]], mut each: impl FnMut(usize, Result)) -> Result {
        self.exchange(op, parts, Want::End, |member, result| {
            each(member, result.map(drop));
        })
    }

    /// As [`Group::send`], but waits for a message of each member, which `each` is given. A member
    /// that finishes without one fails with `ENODATA`; a message longer than [`MAX_MESSAGE`] is
    /// `EMSGSIZE`.
    ///
    /// # Errors
    ///
    /// As [`Group::send`].
    pub fn call(&self, op: u8, parts: &[&[u8]], each: impl FnMut(usize, Result<Reply>)) -> Result {
        self.exchange(op, parts, Want::Message, each)
    }

    fn exchange(
        &self,
        op: u8,
        parts: &[&[u8]],
        want: Want,
        mut each: impl FnMut(usize, Result<Reply>),
    ) -> Result {
        let mut message = KVVec::new();
        for part in parts {
            message.extend_from_slice(part, GFP_KERNEL)?;
        }
        if message.len() > MAX_MESSAGE {
            return Err(EMSGSIZE);
        }
        self.registered.messages.fetch_add(1, Ordering::Relaxed);
        let mut each = |member, result: Result<Reply>| {
            if result.is_err() {
                self.registered.failures.fetch_add(1, Ordering::Relaxed);
            }
            each(member, result);
        };
        let news = Arc::pin_init(News::new(), GFP_KERNEL)?;
        let mut open = KVec::with_capacity(self.members.len(), GFP_KERNEL)?;
        for (member, &gpid) in self.members.iter().enumerate() {
            match Exchange::begin(member, gpid, self.registered.class, &news) {
                Ok(exchange) => open.push(exchange, GFP_KERNEL)?,
                Err(e) => each(member, Err(e)),
            }
        }
        let deadline = self.timeout.map(|limit| sys::monotonic_ns() + nanos(limit));
        loop {
            // Before the look at the circuits, so that what changes during it counts as news.
            let seen = news.count();
            open.retain(|exchange| match exchange.step(op, &message, want) {
                Some(result) => {
                    each(exchange.member, result);
                    false
                }
                None => true,
            });
            if open.is_empty() {
                return Ok(());
            }
            if !news.wait(seen, deadline)? {
                break;
            }
        }
        for exchange in open {
            exchange.circuit.abort();
            each(exchange.member, Err(ETIMEDOUT));
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(node) = NODE.get() {
            node.groups().remove(&self.registered);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}

/// What a member has to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Finish its end.
    End,
    /// Send a message.
    Message,
}

/// The circuit with one member, and how far it has come.
struct Exchange {
    member: usize,
    circuit: Handled,
    /// Bytes of the message that were sent; `None` when all of it was.
    sent: Option<usize>,
    reply: KVec<u8>,
}

impl Exchange {
    fn begin(member: usize, gpid: Gpid, class: Class, news: &Arc<News>) -> Result<Self> {
        Ok(Self {
            member,
            circuit: Circuit::prepare(gpid, class)?.handled_by(news.clone()),
            sent: Some(0),
            reply: KVec::new(),
        })
    }

    /// Goes on as far as it can without waiting; what became of it if it is over.
    fn step(&mut self, op: u8, message: &[u8], want: Want) -> Option<Result<Reply>> {
        match self.push(op, message).and_then(|()| self.pull(want)) {
            Ok(reply) => Some(Ok(reply)),
            Err(EAGAIN) => None,
            Err(e) => Some(Err(e)),
        }
    }

    /// Sends what there is room for. A full window is no error: the member may well answer before
    /// it has taken all.
    fn push(&mut self, op: u8, message: &[u8]) -> Result {
        while let Some(sent) = self.sent {
            let size = self.circuit.segment_size().min(message.len() - sent);
            let end = sent + size == message.len();
            match self
                .circuit
                .try_send_segment(op, end, &message[sent..sent + size])
            {
                Ok(()) => self.sent = Some(sent + size),
                Err(EAGAIN) => return Ok(()),
                // Why it broke is for the receiving side to tell, behind what it received.
                Err(_) => self.sent = None,
            }
            if end {
                self.sent = None;
                self.circuit.shutdown();
            }
        }
        Ok(())
    }

    /// Receives what there is: the reply, `EAGAIN` if more has to come, or why none will.
    fn pull(&mut self, want: Want) -> Result<Reply> {
        loop {
            let Some(mut segment) = self.circuit.try_recv()? else {
                return match want {
                    Want::End => Ok(self.reply(0)),
                    Want::Message => Err(ENODATA),
                };
            };
            if want == Want::End {
                continue;
            }
            let data = segment.linear()?;
            if self.reply.len() + data.len() > MAX_MESSAGE {
                self.circuit.abort();
                return Err(EMSGSIZE);
            }
            self.reply.extend_from_slice(data, GFP_KERNEL)?;
            if segment.is_end() {
                return Ok(self.reply(segment.op()));
            }
        }
    }

    fn reply(&mut self, op: u8) -> Reply {
        Reply {
            op,
            data: core::mem::take(&mut self.reply),
        }
    }
}

/// Where the circuits of one message tell that something changed.
#[pin_data]
struct News {
    count: AtomicU32,
    #[pin]
    came: WaitQueue,
}

/// What lockdep calls the lock: the same letters for all modules that compile a call into
/// themselves.
#[inline(never)]
fn lock_name() -> &'static CStr {
    c"podos_group"
}

impl News {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            count: AtomicU32::new(0),
            came <- WaitQueue::new(lock_name(), kernel::static_lock_class!()),
        })
    }

    fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until there is more than was `seen`; `false` when it is `deadline`, in ns since boot.
    fn wait(&self, seen: u32, deadline: Option<u64>) -> Result<bool> {
        let more = || (self.count() != seen).then_some(());
        let Some(deadline) = deadline else {
            self.came.wait_until(Wake::Killable, more)?;
            return Ok(true);
        };
        let left = Duration::from_nanos(deadline.saturating_sub(sys::monotonic_ns()));
        if left.is_zero() {
            return Ok(false);
        }
        // A jiffy is the finest that the wait can do; it looks again afterwards.
        let left = left + Duration::from_millis(1);
        self.came
            .wait_until_timeout(Wake::Killable, left, more)
            .map(|_| true)
    }
}

impl Handler for News {
    fn changed(&self, _circuit: &Circuit) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.came.wake_all();
    }
}

/// What is known of a group while it lives.
struct Registered {
    class: Class,
    members: usize,
    messages: AtomicU64,
    failures: AtomicU64,
}

/// The groups of a node.
#[pin_data]
pub(crate) struct Groups {
    #[pin]
    list: Mutex<KVec<Arc<Registered>>>,
}

impl Groups {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- new_mutex!(KVec::new(), "podos_groups"),
        })
    }

    fn register(&self, class: Class, members: usize) -> Result<Arc<Registered>> {
        let group = Registered {
            class,
            members,
            messages: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        };
        let group = Arc::new(group, GFP_KERNEL)?;
        self.list.lock().push(group.clone(), GFP_KERNEL)?;
        Ok(group)
    }

    fn remove(&self, group: &Arc<Registered>) {
        self.list.lock().retain(|other| !Arc::ptr_eq(other, group));
    }

    /// One line for each group; as many as there is room for.
    pub(crate) fn show(&self, text: &mut dyn Write) -> fmt::Result {
        writeln!(text, "class members messages failures")?;
        for group in &*self.list.lock() {
            let shown = writeln!(
                text,
                "{} {} {} {}",
                group.class as u32,
                group.members,
                group.messages.load(Ordering::Relaxed),
                group.failures.load(Ordering::Relaxed)
            );
            if shown.is_err() {
                break;
            }
        }
        Ok(())
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! An example of the Communication Manager's interface: a layer whose nodes greet each other.
//!
//! docs/cm-interface.md explains it piece by piece. It is built with the other modules, so that it
//! stays true, and can be tried:
//!
//! ```sh
//! insmod /lib/modules/podos/podos_example.ko     # on all nodes
//! cd /sys/kernel/podos/example
//! echo call 2 > ask;    cat answers              # 2: hello, 1, from 2
//! echo later 2 > ask;   cat answers
//! echo all 2 3 9 > ask; cat answers              # a line for each, 9: EHOSTDOWN
//! echo shout hi > ask;  cat answers              # on another node: 1 shouts: hi
//! ```

use core::fmt::Write;
use core::time::Duration;
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use podos_cm::{Circuit, EphemeralRegistration, Group, Handler, Listener};
use podos_proto::wire::Class;
use podos_proto::{Gpid, HostId};
use podos_sys::{Attribute, AttributeFile, KThread, WaitQueue, Wake};

/// The layer's class: the place of kDDM, which is not built yet.
const CLASS: Class = Class::Kddm;

/// The layer's messages. An op has 5 bits and is the layer's own.
mod op {
    /// Who are you?
    pub(super) const ASK: u8 = 1;
    /// The answer.
    pub(super) const GREETING: u8 = 2;
    /// Ephemeral: to whom it may concern.
    pub(super) const SHOUT: u8 = 3;
}

module! {
    type: Example,
    name: "podos_example",
    authors: ["The PODOS Project"],
    description: "PODOS Communication Manager example",
    license: "GPL",
}

/// The module. The fields are dropped in this order: nobody asks any more, then nobody is answered.
struct Example {
    _ask: AttributeFile<Ask>,
    _answers: AttributeFile<Show>,
    _shouts: EphemeralRegistration,
    _service: Service,
}

impl kernel::Module for Example {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let answers = Arc::pin_init(Answers::new(), GFP_KERNEL)?;
        let service = Service::start()?;
        let shouts = hear(answers.clone())?;
        let directory = Arc::new(podos_cm::sysfs_root()?.child(c"example")?, GFP_KERNEL)?;
        Ok(Self {
            _ask: AttributeFile::new(directory.clone(), c"ask", Ask(answers.clone()))?,
            _answers: AttributeFile::new(directory, c"answers", Show(answers))?,
            _shouts: shouts,
            _service: service,
        })
    }
}

/// The passive end: one thread answers, circuit by circuit.
///
/// A service whose answers take time gives each circuit a thread of its own instead, so that one
/// that is slow holds up no other one.
struct Service {
    listener: Arc<Listener>,
    _thread: KThread,
}

impl Service {
    fn start() -> Result<Self> {
        let listener = podos_cm::listen(CLASS)?;
        let accepting = listener.clone();
        let thread = KThread::spawn(c"podos_example", move |_| {
            // Until the listener is closed.
            while let Ok(circuit) = accepting.accept() {
                if let Err(e) = answer(&circuit) {
                    pr_info!(
                        "{} got no answer: {}\n",
                        circuit.remote().host().raw(),
                        name_of(e)
                    );
                }
            }
        });
        match thread {
            Ok(thread) => Ok(Self {
                listener,
                _thread: thread,
            }),
            Err(e) => {
                listener.close();
                Err(e)
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Breaks the circuits, and ends the thread's waits.
        self.listener.close();
    }
}

/// Reads the request and answers it. Dropping the circuit afterwards finishes it.
fn answer(circuit: &Circuit) -> Result {
    let mut request = KVec::new();
    if circuit.recv_message(&mut request)? != Some(op::ASK) {
        return Err(EPROTO);
    }
    // Which process the opener named; a layer that serves several tells them apart by it.
    let me = circuit.target();
    let mut text = Text::new();
    write!(
        text,
        "hello, {}, from {}",
        circuit.remote().host(),
        me.host()
    )?;
    circuit.send(op::GREETING, &[text.bytes()])
}

/// Asks one node, and waits. The request travels with the open, the first answer with the frame
/// that accepts it: one round trip.
fn call(host: HostId) -> Result<KVec<u8>> {
    let circuit = Circuit::connect(host, CLASS, op::ASK, &[])?;
    let mut greeting = KVec::new();
    match circuit.recv_message(&mut greeting)? {
        Some(op::GREETING) => Ok(greeting),
        Some(_) => Err(EPROTO),
        // The other end finished without an answer.
        None => Err(ENODATA),
    }
}

/// The answer to a question that was asked without waiting.
#[pin_data]
struct Later {
    #[pin]
    result: SpinLockIrq<Option<Result<KVec<u8>>>>,
    #[pin]
    came: WaitQueue,
}

impl Later {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            result <- new_spinlock_irq!(None, "podos_example_later"),
            came <- WaitQueue::new(c"podos_example", kernel::static_lock_class!()),
        })
    }

    /// Takes what has come; `EAGAIN` if there is nothing yet.
    fn receive(circuit: &Circuit) -> Result<KVec<u8>> {
        let mut segment = circuit.try_recv()?.ok_or(ENODATA)?;
        // A greeting is short: one segment is all of it. May not sleep, hence `GFP_ATOMIC`.
        let mut greeting = KVec::new();
        greeting.extend_from_slice(segment.linear()?, GFP_ATOMIC)?;
        Ok(greeting)
    }
}

impl Handler for Later {
    /// Called where the frame came, in softirq.
    fn changed(&self, circuit: &Circuit) {
        match Self::receive(circuit) {
            Err(EAGAIN) => {}
            result => {
                self.result.lock().get_or_insert(result);
                self.came.wake_all();
            }
        }
    }
}

/// As [`call`], but the answer is received by callback, while this task could do something else.
fn call_later(host: HostId) -> Result<KVec<u8>> {
    let later = Arc::pin_init(Later::new(), GFP_KERNEL)?;
    let circuit = Circuit::connect(host, CLASS, op::ASK, &[])?;
    // Dropping it, at the end of the function, waits until the handler runs no more.
    let _handled = circuit.handled_by(later.clone());
    later
        .came
        .wait_until(Wake::Killable, || later.result.lock().take())?
}

/// Asks several nodes at once; `each` is told what became of it at each of them.
fn call_all(hosts: &[HostId], mut each: impl FnMut(HostId, Result<KVec<u8>>)) -> Result {
    let mut members = KVec::new();
    for &host in hosts {
        // Process 0: whoever listens there. Boot 0: whichever boot the host is in.
        members.push(Gpid::new(host, 0, 0), GFP_KERNEL)?;
    }
    let mut group = Group::new(CLASS, &members)?;
    // A node that is alive, but does not answer.
    group.set_timeout(Duration::from_secs(5));
    group.call(op::ASK, &[], |member, result| {
        each(hosts[member], result.map(|reply| reply.data));
    })
}

/// Hears what others shout. The handler runs in softirq.
fn hear(answers: Arc<Answers>) -> Result<EphemeralRegistration> {
    let handler = move |from: Gpid, op: u8, data: &[u8]| {
        if op == op::SHOUT {
            answers.add(format_args!(
                "{} shouts: {}",
                from.host(),
                data.escape_ascii()
            ));
        }
    };
    podos_cm::on_ephemeral(CLASS, KBox::new(handler, GFP_KERNEL)?)
}

/// To all nodes, at most once, and nobody answers.
fn shout(text: &[u8]) -> Result {
    podos_cm::broadcast(CLASS, op::SHOUT, text)
}

/// What the errors of circuits mean.
fn name_of(error: Error) -> &'static str {
    match error {
        EHOSTDOWN => "EHOSTDOWN: the node is not there, or has died",
        ECONNREFUSED => "ECONNREFUSED: nobody listens for the class there",
        ECONNRESET => "ECONNRESET: the other end broke the circuit",
        ETIMEDOUT => "ETIMEDOUT: the node is there, but does not answer",
        EBUSY => "EBUSY: too many circuits wait to be accepted there",
        EMSGSIZE => "EMSGSIZE: the message is too long",
        EMFILE => "EMFILE: this user has as many circuits as one may have",
        ENFILE => "ENFILE: no circuits are left for users, or none at all",
        EPIPE => "EPIPE: sent after shutdown",
        ENODATA => "ENODATA: finished without an answer",
        ERESTARTSYS => "ERESTARTSYS: this task was killed while it waited",
        _ => "another error",
    }
}

/// `/sys/kernel/podos/example/ask`: `call HOST`, `later HOST`, `all HOST...` or `shout TEXT`.
struct Ask(Arc<Answers>);

impl Attribute for Ask {
    const READABLE: bool = false;
    const WRITABLE: bool = true;

    fn store(&self, text: &[u8]) -> Result {
        let Self(answers) = self;
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?.trim();
        let (verb, rest) = text.split_once(' ').ok_or(EINVAL)?;
        let host = || rest.parse::<HostId>().map_err(|_| EINVAL);
        match verb {
            "call" => answers.note(host()?, call(host()?)),
            "later" => answers.note(host()?, call_later(host()?)),
            "shout" => shout(rest.as_bytes())?,
            "all" => {
                let mut hosts = KVec::new();
                for host in rest.split_ascii_whitespace() {
                    hosts.push(host.parse::<HostId>().map_err(|_| EINVAL)?, GFP_KERNEL)?;
                }
                call_all(&hosts, |host, result| answers.note(host, result))?;
            }
            _ => return Err(EINVAL),
        }
        Ok(())
    }
}

/// `/sys/kernel/podos/example/answers`.
struct Show(Arc<Answers>);

impl Attribute for Show {
    fn show(&self, text: &mut dyn Write) -> Result {
        Ok(self.0.show(text)?)
    }
}

/// The last lines of what was heard.
#[pin_data]
struct Answers {
    #[pin]
    lines: SpinLockIrq<[Text; LINES]>,
}

const LINES: usize = 16;

impl Answers {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lines <- new_spinlock_irq!([const { Text::new() }; LINES], "podos_example_answers"),
        })
    }

    /// Adds a line in place of the oldest one. Context: any.
    fn add(&self, line: core::fmt::Arguments<'_>) {
        let mut lines = self.lines.lock();
        lines.rotate_left(1);
        lines[LINES - 1] = Text::new();
        // What is too long is cut.
        let _ = lines[LINES - 1].write_fmt(line);
    }

    fn note(&self, host: HostId, result: Result<KVec<u8>>) {
        match result {
            Ok(greeting) => self.add(format_args!("{host}: {}", greeting.escape_ascii())),
            Err(e) => self.add(format_args!("{host}: {}", name_of(e))),
        }
    }

    fn show(&self, text: &mut dyn Write) -> core::fmt::Result {
        let lines = self.lines.lock();
        for line in lines.iter().filter(|line| line.len > 0) {
            writeln!(text, "{}", line.bytes().escape_ascii())?;
        }
        Ok(())
    }
}

/// A short text.
struct Text {
    bytes: [u8; 100],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Self {
            bytes: [0; 100],
            len: 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> core::fmt::Result {
        let free = &mut self.bytes[self.len..];
        let n = more.len().min(free.len());
        free[..n].copy_from_slice(&more.as_bytes()[..n]);
        self.len += n;
        if n < more.len() {
            return Err(core::fmt::Error);
        }
        Ok(())
    }
}

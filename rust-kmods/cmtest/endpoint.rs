// SPDX-License-Identifier: GPL-2.0-only

//! An open file of the device.

use kernel::iov::{IovIterDest, IovIterSource};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::{Arc, Mutex, SetOnce};
use podos_cm::{Backlog, Circuit, MAX_MESSAGE};
use podos_proto::tgroup::GroupKind;
use podos_proto::wire::Class;
use podos_proto::{Gpid, HostId};
use podos_sys::{Poller, Stream, Wake};

use crate::abi;
use crate::argument::Argument;
use crate::held::Held;
use crate::sys::{new_descriptor, Device};
use crate::{ephemerals, group_call, ping, CmTest, SHARED};

/// Op of the messages of processes; any but [`crate::echo::ECHO`].
const MESSAGE: u8 = 2;

/// One end of a circuit, or what takes circuits, or nothing yet.
#[pin_data]
pub(crate) struct Endpoint {
    target: SetOnce<Target>,
    /// Populated by the first write, or from the start.
    circuit: SetOnce<Circuit>,
    backlog: SetOnce<Arc<Backlog>>,
    #[pin]
    reading: Mutex<Held>,
    #[pin]
    writing: Mutex<()>,
}

/// What the first write connects to.
struct Target {
    gpid: Gpid,
    group: Option<GroupKind>,
}

impl Endpoint {
    fn new(circuit: SetOnce<Circuit>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                target: SetOnce::new(),
                circuit,
                backlog: SetOnce::new(),
                reading <- new_mutex!(Held::default(), "podos_cmtest_reading"),
                writing <- new_mutex!((), "podos_cmtest_writing"),
            }),
            GFP_KERNEL,
        )
    }

    fn circuit(&self) -> Result<&Circuit> {
        self.circuit.as_ref().ok_or(ENOTCONN)
    }

    fn connect(&self, to: &abi::Connect) -> Result {
        let gpid = match to.gpid {
            0 => Gpid::new(HostId::new(to.host), 0, 0),
            gpid => Gpid::from_raw(gpid),
        };
        let group = match to.group {
            0 => None,
            raw => Some(GroupKind::from_raw(raw).ok_or(EINVAL)?),
        };
        if self.circuit.as_ref().is_some() || !self.target.populate(Target { gpid, group }) {
            return Err(EISCONN);
        }
        Ok(())
    }

    /// The circuit to write to; made by the first write.
    fn opened(&self) -> Result<&Circuit> {
        if let Some(circuit) = self.circuit.as_ref() {
            return Ok(circuit);
        }
        let target = self.target.as_ref().ok_or(ENOTCONN)?;
        let circuit = Circuit::prepare_in(target.group, target.gpid, Class::Test)?;
        // One write runs at a time, and nobody else makes one.
        self.circuit.populate(circuit);
        self.circuit()
    }

    fn listen(&self) -> Result {
        let listeners = &SHARED.get()?.listeners;
        let backlog = listeners.add()?;
        if !self.backlog.populate(backlog.clone()) {
            listeners.remove(&backlog);
            return Err(EINVAL);
        }
        Ok(())
    }

    fn accept(&self) -> Result<isize> {
        let backlog = self.backlog.as_ref().ok_or(EINVAL)?;
        let circuit = backlog.accept(Wake::Interruptible)?;
        let connected = SetOnce::new();
        connected.populate(circuit);
        Ok(new_descriptor(Self::new(connected)?)? as isize)
    }

    fn info(&self) -> Result<abi::Info> {
        let circuit = self.circuit()?;
        let stats = circuit.stats();
        Ok(abi::Info {
            remote: circuit.remote().raw(),
            index: circuit.index().raw(),
            rail: circuit.rail().map_or(u32::MAX, |rail| rail as u32),
            sent: stats.sent,
            received: stats.received,
            retransmitted: stats.retransmitted,
            timeouts: stats.timeouts,
        })
    }
}

impl Device for Endpoint {
    fn open() -> Result<Arc<Self>> {
        Self::new(SetOnce::new())
    }
}

impl Stream for Endpoint {
    type Owner = CmTest;

    const NAME: &'static CStr = c"[podos-cm]";

    fn read(&self, to: &mut IovIterDest<'_>, block: bool) -> Result<usize> {
        let circuit = self.circuit()?;
        let mut held = self.reading.try_lock().ok_or(EBUSY)?;
        if !block && held.is_empty() && !circuit.readable() {
            return Err(EAGAIN);
        }
        held.read(circuit, to)
    }

    fn write(&self, from: &mut IovIterSource<'_>, block: bool) -> Result<usize> {
        let len = from.len();
        if len > MAX_MESSAGE {
            return Err(EMSGSIZE);
        }
        let _writing = self.writing.try_lock().ok_or(EBUSY)?;
        let circuit = self.opened()?;
        if !block && !circuit.writable() {
            return Err(EAGAIN);
        }
        circuit.send_iter(MESSAGE, &[], from, len)?;
        Ok(len)
    }

    fn poll(&self, poller: &Poller) -> u32 {
        if let Some(backlog) = self.backlog.as_ref() {
            poller.wait_on(backlog.waiters());
            return if backlog.is_empty() { 0 } else { Poller::IN };
        }
        let Some(circuit) = self.circuit.as_ref() else {
            return match self.target.as_ref() {
                Some(_) => Poller::OUT,
                None => Poller::HUP,
            };
        };
        poller.wait_on(circuit.waiters());
        let mut events = 0;
        if circuit.readable() {
            events |= Poller::IN;
        }
        if circuit.writable() {
            events |= Poller::OUT;
        }
        if circuit.broken().is_some() {
            events |= Poller::ERR | Poller::HUP;
        }
        events
    }

    fn ioctl(&self, command: u32, argument: usize) -> Result<isize> {
        let argument = Argument::new(argument as u64)?;
        match command {
            abi::CONNECT => self.connect(&argument.read()?)?,
            abi::LISTEN => self.listen()?,
            abi::ACCEPT => return self.accept(),
            abi::SHUTDOWN => self.circuit()?.shutdown(),
            abi::ABORT => self.circuit()?.abort(),
            abi::INFO => argument.write(&self.info()?)?,
            abi::PING => argument.write(&ping::run(argument.read()?)?)?,
            abi::GROUP => group_call::run(&argument.read()?)?,
            abi::EPHEMERAL => ephemerals::send(&argument.read()?)?,
            abi::EPHEMERALS => argument.write(&SHARED.get()?.ephemerals.show())?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }

    fn release(&self) {
        if let (Some(backlog), Ok(shared)) = (self.backlog.as_ref(), SHARED.get()) {
            shared.listeners.remove(backlog);
        }
        let Some(circuit) = self.circuit.as_ref() else {
            return;
        };
        let unread = !self.reading.lock().is_empty() || circuit.readable();
        if unread && !circuit.at_end() {
            // What nobody will read was not received: the other end shall know, as with sockets.
            circuit.abort();
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! Test module of the Communication Manager: `/dev/podos-cm`.
//!
//! It gives processes what CM gives to the layers of the kernel, in class Test: circuits, groups,
//! ephemeral messages. Tests drive CM through it, and benches compare it with sockets. Besides, it
//! echoes the circuits whose first message says so (op [`echo::ECHO`]), in the kernel, and has a file
//! that notices being read ([`Reads`]).
//!
//! Not for machines in use: whoever may open the device may send to every node.

mod abi;
mod argument;
mod echo;
mod endpoint;
mod ephemerals;
mod group_call;
mod held;
mod listeners;
mod ping;
mod reads;
mod sys;

use kernel::prelude::*;
use kernel::sync::Arc;
use podos_cm::{Circuit, EphemeralRegistration, Listener};
use podos_proto::wire::Class;
use podos_sys::{AttributeFile, Global, GlobalGuard, KThread};

use echo::Echo;
use endpoint::Endpoint;
use ephemerals::Ephemerals;
use listeners::Listeners;
use reads::Reads;
use sys::MiscDevice;

module! {
    type: CmTest,
    name: "podos_cmtest",
    authors: ["The PODOS Project"],
    description: "PODOS Communication Manager test device",
    license: "GPL",
}

/// What the device's files work on, while the module is loaded.
static SHARED: Global<Shared> = Global::new();

/// See the module.
#[pin_data]
struct Shared {
    #[pin]
    listeners: Listeners,
    #[pin]
    echo: Echo,
    ephemerals: Ephemerals,
}

impl Shared {
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            listeners <- Listeners::new(),
            echo <- Echo::new(),
            ephemerals: Ephemerals::default(),
        })
    }

    /// A circuit that another node opened. Context: softirq.
    fn arrived(&self, circuit: Circuit, op: u8) {
        if op == echo::ECHO {
            self.echo.take(circuit);
        } else {
            self.listeners.deal(circuit);
        }
    }
}

/// The module. The fields are dropped in this order: no more files (they hold the module, so there
/// are none), no more arrivals, then what works on the circuits that are left.
struct CmTest {
    _reads: AttributeFile<Reads>,
    _device: Pin<KBox<MiscDevice<Endpoint>>>,
    _ephemerals: EphemeralRegistration,
    _arrivals: Arrivals,
    _reaper: KThread,
    _shared: GlobalGuard<Shared>,
}

impl kernel::Module for CmTest {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(Shared::new(), GFP_KERNEL)?;
        let guard = SHARED.set(shared.clone())?;
        let reaper = shared.clone();
        let reaper = KThread::spawn(c"podos_cmtest", move |stop| reaper.echo.reap(stop))?;
        let arrivals = Arrivals::new(shared.clone())?;
        let ephemerals = ephemerals::register(shared)?;
        let device = KBox::pin_init(MiscDevice::register(c"podos-cm"), GFP_KERNEL)?;
        Ok(Self {
            _reads: Reads::file()?,
            _device: device,
            _ephemerals: ephemerals,
            _arrivals: arrivals,
            _reaper: reaper,
            _shared: guard,
        })
    }
}

/// The circuits of class Test come to this module while this value lives.
struct Arrivals(Arc<Listener>);

impl Arrivals {
    fn new(shared: Arc<Shared>) -> Result<Self> {
        let handler = move |circuit: Circuit, op: u8| shared.arrived(circuit, op);
        let handler = KBox::new(handler, GFP_KERNEL)?;
        Ok(Self(podos_cm::listen_with(Class::Test, handler)?))
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.0.close();
    }
}

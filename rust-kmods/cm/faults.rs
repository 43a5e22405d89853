// SPDX-License-Identifier: GPL-2.0-only

//! Faults on purpose, in kernels with fault injection: of the frames that come in, one in so many
//! is lost, damaged or late.
//!
//! `/sys/kernel/debug/podos_faults/{lost,damaged,late}` each hold a number N: one frame in N, by
//! chance, meets that fate; 0 is none. It happens before anything looks at the frame, so the
//! counters of drops tell of damage only.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use kernel::debugfs::{Dir, File, Reader, Writer};
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::{Arc, SpinLockIrq};
use kernel::uaccess::UserSliceReader;

use crate::node::Node;
use crate::sys::{random_bytes, Expire, FrameReceiver, NetDevice, SkBuff, Timer};

/// How long a late frame is held back: others overtake it, no time-out is as short.
const LATENESS: Duration = Duration::from_millis(20);
/// Frames held back at once; more are in time.
const PLACES: usize = 16;

/// One in so many; 0 is none.
#[derive(Default)]
struct Odds(AtomicU32);

impl Odds {
    /// Whether it happens this time.
    fn strike(&self) -> bool {
        match self.0.load(Ordering::Relaxed) {
            0 => false,
            odds => u32::from_ne_bytes(random_bytes()) % odds == 0,
        }
    }
}

/// A file that holds a number.
struct Knob(Arc<Odds>);

impl Writer for Knob {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0 .0.load(Ordering::Relaxed))
    }
}

impl Reader for Knob {
    fn read_from_slice(&self, reader: &mut UserSliceReader) -> Result {
        let mut text = [0; 16];
        let text = text.get_mut(..reader.len()).ok_or(EINVAL)?;
        reader.read_slice(text)?;
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
        let odds = text.trim().parse().map_err(|_| EINVAL)?;
        self.0 .0.store(odds, Ordering::Relaxed);
        Ok(())
    }
}

/// The files, while this value lives. Dropped after the last frame came in, it forgets those that
/// are still held back.
pub(crate) struct Faults {
    late: Arc<Late>,
    _files: [Pin<KBox<File<Knob>>>; 3],
    _directory: Dir,
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.late.timer.cancel_and_wait();
        drop(self.late.take());
    }
}

/// Stands between the devices and the node.
pub(crate) struct Faulty {
    node: Arc<Node>,
    lost: Arc<Odds>,
    damaged: Arc<Odds>,
    late: Arc<Odds>,
    queue: Arc<Late>,
}

/// Puts a [`Faulty`] before the node, which does nothing until a file says so.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn before(node: Arc<Node>) -> Result<(Faults, Arc<Faulty>)> {
    let odds = || Arc::new(Odds::default(), GFP_KERNEL);
    let (lost, damaged, late) = (odds()?, odds()?, odds()?);
    let directory = Dir::new(c"podos_faults");
    let file = |name, odds: &Arc<Odds>| {
        KBox::pin_init(
            directory.read_write_file(name, Knob(odds.clone())),
            GFP_KERNEL,
        )
    };
    let files = [
        file(c"lost", &lost)?,
        file(c"damaged", &damaged)?,
        file(c"late", &late)?,
    ];
    let queue = Arc::pin_init(Late::new(node.clone()), GFP_KERNEL)?;
    let faults = Faults {
        late: queue.clone(),
        _files: files,
        _directory: directory,
    };
    let faulty = Faulty {
        node,
        lost,
        damaged,
        late,
        queue,
    };
    Ok((faults, Arc::new(faulty, GFP_KERNEL)?))
}

impl FrameReceiver for Faulty {
    fn receive(&self, dev: &NetDevice, mut frame: SkBuff) {
        if self.lost.strike() {
            return;
        }
        if self.damaged.strike() {
            damage(&mut frame);
        }
        let in_time = match self.late.strike() {
            true => self.queue.hold(dev, frame),
            false => Some(frame),
        };
        if let Some(frame) = in_time {
            self.node.receive(dev, frame);
        }
    }
}

/// Turns one bit over, if there is the memory to do it.
fn damage(frame: &mut SkBuff) {
    let chance = u32::from_ne_bytes(random_bytes()) as usize;
    if let Ok(data) = frame.linearized_mut() {
        let len = data.len().max(1);
        if let Some(byte) = data.get_mut((chance >> 3) % len) {
            *byte ^= 1 << (chance & 7);
        }
    }
}

/// Frames that are held back, with the devices that they came in by.
type Held = [Option<(NetDevice, SkBuff)>; PLACES];

/// Frames on their way, and the timer that delivers them.
#[pin_data]
struct Late {
    node: Arc<Node>,
    #[pin]
    held: SpinLockIrq<Held>,
    #[pin]
    timer: Timer<Late>,
}

impl Late {
    fn new(node: Arc<Node>) -> impl PinInit<Self> {
        pin_init!(Self {
            node,
            held <- new_spinlock_irq!([const { None }; PLACES], "podos_late"),
            timer <- Timer::new(c"podos_late_timer", kernel::static_lock_class!()),
        })
    }

    /// Holds the frame back; gives it back if there is no place.
    fn hold(self: &Arc<Self>, dev: &NetDevice, frame: SkBuff) -> Option<SkBuff> {
        let mut held = self.held.lock();
        let Some(place) = held.iter_mut().find(|place| place.is_none()) else {
            return Some(frame);
        };
        *place = Some((dev.clone(), frame));
        // All that are held leave with the one that came last.
        self.timer.arm(self, LATENESS);
        None
    }

    fn take(&self) -> Held {
        core::mem::replace(&mut *self.held.lock(), [const { None }; PLACES])
    }
}

impl Expire for Late {
    fn expire(self: Arc<Self>) {
        for (dev, frame) in self.take().into_iter().flatten() {
            self.node.receive(&dev, frame);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! The thread that tells this node's state to the others, and reports here when they come and go.

use kernel::pr_warn_once;
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_proto::rm::{Op, BEACON_INTERVAL};
use podos_proto::wire::Class;
use podos_proto::Seq;
use podos_sys::StopToken;
use zerocopy::IntoBytes;

use crate::beacon;
use crate::report::Report;
use crate::state::State;
use crate::sys;

/// The thread's own state.
pub(crate) struct Herald {
    state: Arc<State>,
    report: Report,
    /// Number of the next beacon.
    seq: Seq,
}

impl Herald {
    /// A herald that knows nothing yet. Its beacons are numbered ahead of those of any herald that
    /// was there before it in this boot: there were fewer than milliseconds.
    ///
    /// # Errors
    ///
    /// Those of making the table's directory in sysfs.
    pub(crate) fn new(state: Arc<State>) -> Result<Self> {
        Ok(Self {
            report: Report::new(state.clone())?,
            state,
            seq: Seq::new(beacon::millis(sys::uptime()) as u32),
        })
    }

    /// The thread's function.
    pub(crate) fn run(mut self, stop: &StopToken) {
        let mut beacon_at = sys::now();
        while !stop.is_stopping() {
            let now = sys::now();
            if now >= beacon_at {
                self.tell();
                beacon_at = now + BEACON_INTERVAL;
            }
            if let Err(e) = self.report.update() {
                // The next beat tries again.
                pr_warn_once!("the system state table can't be shown: {e:?}\n");
            }
            self.state.wait(beacon_at, stop);
        }
    }

    /// Sends this node's beacon, and enters it in its own table.
    fn tell(&mut self) {
        let beacon = beacon::gather(self.seq);
        self.seq = self.seq.next();
        self.state.update(self.state.own(), &beacon);
        // Without a rail that works there is nobody who could miss it.
        let _ = podos_cm::broadcast(Class::Rm, Op::Beacon as u8, beacon.as_bytes());
    }
}

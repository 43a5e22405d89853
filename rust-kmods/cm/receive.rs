// SPDX-License-Identifier: GPL-2.0-only

//! Frames that come in from the rails' devices.
//!
//! Everything here runs in softirq.

use podos_proto::endpoint;

use crate::node::Node;
use crate::sys::{FrameReceiver, NetDevice, SkBuff};
use crate::visit::Visit;

impl FrameReceiver for Node {
    fn receive(&self, dev: &NetDevice, frame: SkBuff) {
        let Some(rail) = self.rails().number(dev) else {
            return;
        };
        self.counters.received(rail, frame.len());
        endpoint::receive(&mut Visit::of(self), rail, frame);
    }
}

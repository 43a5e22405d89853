// SPDX-License-Identifier: GPL-2.0-only

//! One visit of a frame, a caller or a timer to this node: it is short, and all of it happens at one
//! moment.

use core::cell::Cell;
use core::ops::Deref;
use podos_proto::time::Instant;

use crate::node::Node;

/// The node, and the time, which is looked up when it is first asked for.
pub(crate) struct Visit<'a> {
    node: &'a Node,
    now: Cell<Option<Instant>>,
}

impl<'a> Visit<'a> {
    /// One that begins.
    pub(crate) const fn of(node: &'a Node) -> Self {
        Self {
            node,
            now: Cell::new(None),
        }
    }

    pub(crate) fn node(&self) -> &'a Node {
        self.node
    }

    /// The moment.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.now.get().unwrap_or_else(|| {
            let now = self.node.now();
            self.now.set(Some(now));
            now
        })
    }
}

impl Deref for Visit<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        self.node
    }
}

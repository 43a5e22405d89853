// SPDX-License-Identifier: GPL-2.0-only

//! Memory for the segments of one direction.

use core::ops::{Deref, DerefMut};

use super::{Payload, WINDOW};

/// [`WINDOW`] places, which are there only as long as they are needed: many circuits are idle, and
/// many carry data in one direction.
pub(super) struct Ring<B: Payload, T>(Option<B::Ring<T>>);

impl<B: Payload, T> Ring<B, T> {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Has the places be there; those that were not are as `empty` makes them. Whether there was
    /// memory for them.
    pub(super) fn provide(&mut self, empty: fn() -> T) -> bool {
        if self.0.is_none() {
            self.0 = B::ring(WINDOW, empty).filter(|ring| ring.len() == WINDOW);
        }
        self.0.is_some()
    }

    /// Drops the places with all that is in them.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }
}

impl<B: Payload, T> Deref for Ring<B, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<B: Payload, T> DerefMut for Ring<B, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}

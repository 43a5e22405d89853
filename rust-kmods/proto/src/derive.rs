// SPDX-License-Identifier: GPL-2.0-only

//! One name for zerocopy's traits and their derives.
//!
//! The kernel builds `zerocopy` without its `derive` feature and ships the macros as a crate of
//! their own; on the host the feature re-exports them beside the traits.

pub(crate) use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};
#[cfg(MODULE)]
pub(crate) use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Captures of PODOS frames, and tshark with the project's dissector to read them.
//!
//! [`Capture`] writes frames to a file, [`Dissector`] asks tshark what it sees in one: a line for
//! each frame that a display filter lets through, with the fields that are asked for. The dissector
//! itself is `podos.lua` beside this crate.

mod capture;
mod dissector;

pub use capture::Capture;
pub use dissector::{Dissector, DissectorError};

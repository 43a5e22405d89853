// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs of the checkout that tests and benches need on their nodes.

mod cargo;
mod counter;
mod firmware;
mod guest_tool;

pub use counter::build_counter;
pub use firmware::build_firmware;
pub use guest_tool::build_guest_tool;

// SPDX-License-Identifier: MIT OR Apache-2.0

//! podos-testtool

fn main() {}

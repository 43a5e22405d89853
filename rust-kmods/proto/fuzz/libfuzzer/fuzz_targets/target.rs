// SPDX-License-Identifier: GPL-2.0-only

//! One target under libFuzzer: the one that this program is named after.

#![no_main]

use libfuzzer_sys::fuzz_target;
use podos_proto_fuzz::targets;

fuzz_target!(|data: &[u8]| {
    let target =
        targets::find(env!("CARGO_BIN_NAME")).expect("the program is named after a target");
    (target.run)(data);
});

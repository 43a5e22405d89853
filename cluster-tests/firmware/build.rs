// SPDX-License-Identifier: MIT OR Apache-2.0

//! Links the program for a bare machine: no libc, no start files, at a fixed place in memory.

fn main() {
    println!("cargo::rerun-if-changed=firmware.ld");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/firmware.ld");
    for argument in [
        "-nostartfiles",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,-z,max-page-size=4096",
        &format!("-Wl,-T,{script}"),
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

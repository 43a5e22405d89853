// SPDX-License-Identifier: MIT OR Apache-2.0

//! The steps of the pipeline, one file each, in the order of `pipeline.rs`.

pub mod build_root;
pub mod compiles;
pub mod config;
pub mod image;
pub mod kernel;
pub mod kernel_tree;
pub mod modules;
pub mod patched;
pub mod rootfs;
pub mod rust_project;
pub mod source;
pub mod userspace;

use crate::engine::sandbox::SOURCE_DATE_EPOCH;

/// Where the kernel tree is inside the build root.
pub const LINUX: &str = "/build/linux";

/// The command line of a kernel build in the build root: everything that could differ between two
/// machines or two days is fixed here.
pub fn kernel_make(arguments: &[&str]) -> Vec<String> {
    let fixed = [
        "make".to_owned(),
        "-C".to_owned(),
        LINUX.to_owned(),
        "ARCH=x86_64".to_owned(),
        "LLVM=-19".to_owned(),
        format!("KBUILD_BUILD_TIMESTAMP=@{SOURCE_DATE_EPOCH}"),
        "KBUILD_BUILD_USER=podos".to_owned(),
        "KBUILD_BUILD_HOST=podos".to_owned(),
        "KBUILD_BUILD_VERSION=1".to_owned(),
    ];
    fixed
        .into_iter()
        .chain(arguments.iter().map(|argument| (*argument).to_owned()))
        .collect()
}

/// `-jN` for as many jobs as there are processors; no part of any key.
pub fn jobs() -> String {
    format!(
        "-j{}",
        std::thread::available_parallelism().map_or(1, usize::from)
    )
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! `rootfs/build-root.toml`: the Debian that everything is built in, and where the kernel is from.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Deserialize;

use crate::context::Context;

/// The file's name in the checkout.
pub const FILE: &str = "rootfs/build-root.toml";

/// The build root and the kernel's source package.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BuildRootDefinition {
    /// Debian suite.
    pub suite: String,
    /// Packages beside the minimal base.
    pub packages: BTreeSet<String>,
    /// The kernel's source.
    pub kernel_source: KernelPackage,
}

/// The package that has the kernel's source.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KernelPackage {
    /// Name of the package; it ends with the kernel series.
    pub package: String,
    /// Debian suite that has it.
    pub suite: String,
}

impl BuildRootDefinition {
    /// Reads the definition of the checkout.
    pub fn load(ctx: &Context) -> Result<Self> {
        super::read(ctx.root(), FILE)
    }
}

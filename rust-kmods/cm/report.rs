// SPDX-License-Identifier: GPL-2.0-only

//! `/sys/kernel/podos`, and cm's counters in it.

use kernel::prelude::*;

use crate::sys::{Global, GlobalGuard, Kobject};
use kernel::sync::Arc;

/// The modules' common directory, while cm is loaded.
static ROOT: Global<Kobject> = Global::new();

/// Shows cm in sysfs while this value lives.
pub(crate) struct Report {
    _root: GlobalGuard<Kobject>,
}

impl Report {
    pub(crate) fn new() -> Result<Self> {
        let root = Arc::new(Kobject::in_kernel(c"podos")?, GFP_KERNEL)?;
        Ok(Self {
            _root: ROOT.set(root)?,
        })
    }
}

/// `/sys/kernel/podos`, for the directories of the other modules.
///
/// # Errors
///
/// `ENXIO` while cm is not up.
pub fn sysfs_root() -> Result<&'static Kobject> {
    ROOT.get()
}

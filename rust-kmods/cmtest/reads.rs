// SPDX-License-Identifier: GPL-2.0-only

//! `/sys/kernel/podos/test/reads`: a file that changes when it is read, as some files of devices
//! do.

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering};
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_sys::{Attribute, AttributeFile};

/// How often the file was read, this time included.
#[derive(Default)]
pub(crate) struct Reads(AtomicU64);

impl Reads {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is one, `ENOMEM`.
    pub(crate) fn file() -> Result<AttributeFile<Self>> {
        let directory = podos_cm::sysfs_root()?.child(c"test")?;
        AttributeFile::new(Arc::new(directory, GFP_KERNEL)?, c"reads", Self::default())
    }
}

impl Attribute for Reads {
    fn show(&self, text: &mut dyn Write) -> Result {
        let reads = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        writeln!(text, "{reads}").map_err(|_| ENOSPC)
    }
}

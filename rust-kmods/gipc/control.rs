// SPDX-License-Identifier: GPL-2.0-only

//! GIPC's files in sysfs: `/sys/kernel/podos/gipc`.

use core::fmt::Write;
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_sys::{Attribute, AttributeFile};

use crate::programs::Programs;

/// `NAME LIMIT`, one a line; written, one of these lines.
struct Limits(Arc<Programs>);

impl Attribute for Limits {
    const WRITABLE: bool = true;

    fn show(&self, text: &mut dyn Write) -> Result {
        Ok(self.0.show_limits(text)?)
    }

    fn store(&self, text: &[u8]) -> Result {
        let text = core::str::from_utf8(text).map_err(|_| EINVAL)?;
        self.0.set_limit(text)
    }
}

/// Who runs how many programs here.
struct Running(Arc<Programs>);

impl Attribute for Running {
    fn show(&self, text: &mut dyn Write) -> Result {
        Ok(self.0.show(text)?)
    }
}

/// The files, which go with this value.
pub(crate) struct Control {
    _limits: AttributeFile<Limits>,
    _programs: AttributeFile<Running>,
}

impl Control {
    /// Makes the files.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(programs: Arc<Programs>) -> Result<Self> {
        let directory = podos_cm::sysfs_root()?.child(c"gipc")?;
        let directory = Arc::new(directory, GFP_KERNEL)?;
        let limits = Limits(programs.clone());
        Ok(Self {
            _limits: AttributeFile::new(directory.clone(), c"limits", limits)?,
            _programs: AttributeFile::new(directory, c"programs", Running(programs))?,
        })
    }
}

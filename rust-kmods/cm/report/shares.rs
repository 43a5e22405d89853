// SPDX-License-Identifier: GPL-2.0-only

//! How many circuits users may have.

use core::fmt::Write;
use core::str;
use kernel::prelude::*;
use podos_sys::Attribute;

use crate::node::NODE;

/// `limits`: takes `opened|served user|all NUMBER`.
pub(super) struct LimitsFile;

impl Attribute for LimitsFile {
    const WRITABLE: bool = true;

    fn show(&self, text: &mut dyn Write) -> Result {
        Ok(NODE.get()?.shares().show_limits(text)?)
    }

    fn store(&self, text: &[u8]) -> Result {
        let line = str::from_utf8(text).map_err(|_| EINVAL)?;
        NODE.get()?.shares().set_limit(line)
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! `/sys/kernel/podos`, and cm's numbers in `/sys/kernel/podos/cm`.

use core::fmt::{self, Write};
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_proto::wire::DropReason;

use crate::counters::Unwanted;
use crate::node::{Node, NODE};
use crate::sys::{Attribute, AttributeFile, Global, GlobalGuard, Kobject};

/// The modules' common directory, while cm is loaded.
static ROOT: Global<Kobject> = Global::new();

/// `/sys/kernel/podos`, for the directories of the other modules.
///
/// # Errors
///
/// `ENXIO` while cm is not up.
pub fn sysfs_root() -> Result<&'static Kobject> {
    ROOT.get()
}

/// Shows cm in sysfs while this value lives.
pub(crate) struct Report {
    _files: KVec<AttributeFile<Numbers>>,
    _root: GlobalGuard<Kobject>,
}

impl Report {
    /// Makes the directories and files.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let root = Arc::new(Kobject::in_kernel(c"podos")?, GFP_KERNEL)?;
        let directory = Arc::new(root.child(c"cm")?, GFP_KERNEL)?;
        let mut files = KVec::with_capacity(FILES.len(), GFP_KERNEL)?;
        for (name, show) in FILES {
            let file = AttributeFile::new(directory.clone(), name, Numbers(show))?;
            files.push(file, GFP_KERNEL)?;
        }
        Ok(Self {
            _files: files,
            _root: ROOT.set(root)?,
        })
    }
}

type Show = fn(&Node, &mut dyn Write) -> fmt::Result;

/// One file.
struct Numbers(Show);

impl Attribute for Numbers {
    fn show(&self, text: &mut dyn Write) -> Result {
        Ok((self.0)(NODE.get()?, text)?)
    }
}

/// The files, each with what it shows: a name and a number a line, or a line of numbers.
const FILES: [(&CStr, Show); 4] = [
    (c"cdt", |node, f| {
        writeln!(f, "used {}", node.table().len())?;
        writeln!(f, "size {}", node.table().size())
    }),
    (c"circuits", |node, f| {
        writeln!(f, "opened {}", node.counters.opened.get())?;
        writeln!(f, "accepted {}", node.counters.accepted.get())
    }),
    (c"drops", |node, f| {
        for (reason, count) in DropReason::ALL.iter().zip(&node.counters.dropped) {
            writeln!(f, "{} {}", reason.name(), count.get())?;
        }
        for (name, count) in Unwanted::NAMES.iter().zip(&node.counters.unwanted) {
            writeln!(f, "{name} {}", count.get())?;
        }
        Ok(())
    }),
    (c"rails", |node, f| {
        writeln!(
            f,
            "rail sent_frames sent_bytes received_frames received_bytes"
        )?;
        for rail in node.rails().present().iter() {
            let traffic = &node.counters.rails[rail];
            writeln!(
                f,
                "{rail} {} {} {} {}",
                traffic.sent_frames.get(),
                traffic.sent_bytes.get(),
                traffic.received_frames.get(),
                traffic.received_bytes.get()
            )?;
        }
        Ok(())
    }),
];

// SPDX-License-Identifier: GPL-2.0-only

//! The counters and the state of rails and peers, in sysfs.

use core::fmt::{self, Write};
use kernel::prelude::*;
use kernel::sync::Arc;
use podos_proto::endpoint::Unwanted;
use podos_proto::keys::AuthError;
use podos_proto::wire::DropReason;
use podos_sys::{Attribute, AttributeFile, Kobject};

use super::rails;
use crate::node::{Node, NODE};
use crate::sys;

type Show = fn(&Node, &mut dyn Write) -> fmt::Result;

/// A file that shows numbers of the node.
pub(super) struct Numbers(Show);

impl Attribute for Numbers {
    fn show(&self, text: &mut dyn Write) -> Result {
        Ok((self.0)(NODE.get()?, text)?)
    }
}

/// Makes the files.
pub(super) fn files(directory: &Arc<Kobject>) -> Result<KVec<AttributeFile<Numbers>>> {
    let mut files = KVec::with_capacity(FILES.len(), GFP_KERNEL)?;
    for (name, show) in FILES {
        let file = AttributeFile::new(directory.clone(), name, Numbers(show))?;
        files.push(file, GFP_KERNEL)?;
    }
    Ok(files)
}

/// The files, each with what it shows: a name and a number a line, or a table with a head.
const FILES: [(&CStr, Show); 8] = [
    (c"cdt", |node, f| {
        writeln!(f, "used {}", node.table().len())?;
        writeln!(f, "size {}", node.table().size())?;
        writeln!(f, "opened {}", node.counters.opened.get())?;
        writeln!(f, "accepted {}", node.counters.accepted.get())
    }),
    (c"drops", |node, f| {
        for (reason, count) in DropReason::ALL.iter().zip(&node.counters.dropped) {
            writeln!(f, "{} {}", reason.name(), count.get())?;
        }
        for (why, count) in Unwanted::ALL.iter().zip(&node.counters.unwanted) {
            writeln!(f, "{} {}", why.name(), count.get())?;
        }
        for (error, count) in AuthError::ALL.iter().zip(&node.counters.unauthentic) {
            writeln!(f, "{} {}", error.name(), count.get())?;
        }
        Ok(())
    }),
    (c"kept", |node, f| {
        writeln!(f, "bytes {}", sys::kept_bytes())?;
        writeln!(f, "limit {}", node.kept_limit().bytes())
    }),
    (c"groups", |node, f| node.groups().show(f)),
    (c"shares", |node, f| node.shares().show(f)),
    (c"rails", rails::show_rails),
    (c"peers", rails::show_peers),
    (c"namesake", rails::show_namesake),
];

// SPDX-License-Identifier: GPL-2.0-only

//! One remote node's tree: what belongs to a superblock.

use kernel::prelude::*;
use kernel::str::CString;
use podos_proto::HostId;

use super::numbers::Numbers;
use super::session::Sessions;

/// What `mount` was told: `mount -t pdfs -o links=/mnt linus2 /mnt`.
#[derive(Default)]
pub(crate) struct Options {
    /// The directory that the target of an absolute symbolic link is prefixed with: where the tree
    /// is mounted. `/linus2` for node 2 if not given.
    pub(crate) links: Option<CString>,
}

/// A remote node's tree.
#[pin_data]
pub(crate) struct Volume {
    host: HostId,
    links: CString,
    #[pin]
    numbers: Numbers,
    #[pin]
    sessions: Sessions,
}

/// The host id of a node's name: `linus2`, or just `2`.
///
/// # Errors
///
/// `EINVAL` for other names.
pub(crate) fn host_of_name(name: &CStr) -> Result<HostId> {
    let name = name.to_str()?;
    let digits = name.strip_prefix("linus").unwrap_or(name);
    match digits.parse() {
        Ok(host) if host != HostId::NONE => Ok(host),
        _ => Err(EINVAL),
    }
}

/// The name of a node: `linus2`.
pub(crate) fn name_of_host(host: HostId) -> Result<CString> {
    CString::try_from_fmt(fmt!("linus{}", host.raw()))
}

impl Volume {
    /// The tree of `host`.
    ///
    /// # Errors
    ///
    /// `EHOSTDOWN` if it is not alive; `ENOMEM`.
    pub(crate) fn new(host: HostId, options: Options) -> Result<Pin<KBox<Self>>> {
        if !podos_rm::is_alive(host) {
            return Err(EHOSTDOWN);
        }
        let links = match options.links {
            Some(links) => links,
            None => CString::try_from_fmt(fmt!("/linus{}", host.raw()))?,
        };
        KBox::pin_init(
            pin_init!(Self {
                host,
                links,
                numbers <- Numbers::new(),
                sessions <- Sessions::new(*host),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether `other` shows the same files in the same way.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.host == other.host && self.links.to_bytes() == other.links.to_bytes()
    }

    /// The node whose tree it is.
    pub(crate) fn host(&self) -> HostId {
        self.host
    }

    /// Where absolute symbolic links are to lead.
    pub(crate) fn links(&self) -> &CStr {
        &self.links
    }

    /// The circuits for requests that name files by path.
    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// How device and inode numbers are shown.
    pub(crate) fn numbers(&self) -> &Numbers {
        &self.numbers
    }
}

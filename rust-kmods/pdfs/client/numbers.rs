// SPDX-License-Identifier: GPL-2.0-only

//! Device and inode numbers, as programs here see them.
//!
//! A node shows several file systems in one tree, each with inode numbers of its own; two files are
//! one file exactly if both numbers are the same. So each of the node's file systems has a device
//! number here as well, and inode numbers are the same as on their node.

use core::sync::atomic::{AtomicU64, Ordering};
use kernel::new_mutex;
use kernel::prelude::*;
use kernel::sync::Mutex;

use crate::sys::AnonDevice;

/// Device numbers that a tree takes here at most. The other node says how many it has.
const MAX_DEVICES: usize = 256;

/// How the numbers of one of a node's file systems are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It is the file system of the root directory: the device is the superblock's.
    Root,
    /// It has a device number of its own.
    Device(u32),
    /// It shares a device number with others, and has its own, at its node, mixed into its inode
    /// numbers.
    Shared {
        /// The number here.
        device: u32,
        /// The one at its node.
        of: u64,
    },
}

impl Shown {
    /// The device number, where it is not the superblock's.
    pub(crate) fn device(self) -> Option<u32> {
        match self {
            Shown::Root => None,
            Shown::Device(device) | Shown::Shared { device, .. } => Some(device),
        }
    }

    /// What is shown for the inode number `ino`: never the same for two inodes of one file system.
    pub(crate) fn ino(self, ino: u64) -> u64 {
        match self {
            Shown::Root | Shown::Device(_) => ino,
            Shown::Shared { of, .. } => mix(ino ^ mix(of)),
        }
    }
}

/// Sends each number to another one, near ones far apart (the finaliser of SplitMix64).
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// The file systems of a node that were met.
#[pin_data]
pub(crate) struct Numbers {
    /// The device number, at the node, of the file system that the root directory is in.
    root: AtomicU64,
    #[pin]
    devices: Mutex<KVec<(u64, AnonDevice)>>,
}

impl Numbers {
    /// None yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            root: AtomicU64::new(0),
            devices <- new_mutex!(KVec::new(), "pdfs_devices"),
        })
    }

    /// Notes in which file system the root directory is.
    pub(crate) fn set_root(&self, device: u64) {
        self.root.store(device, Ordering::Relaxed);
    }

    /// How those of the file system are shown whose device number is `device` at the node.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EMFILE` when this node has no more device numbers.
    pub(crate) fn shown(&self, device: u64) -> Result<Shown> {
        if device == self.root.load(Ordering::Relaxed) {
            return Ok(Shown::Root);
        }
        let mut devices = self.devices.lock();
        if let Some((_, here)) = devices.iter().find(|(there, _)| *there == device) {
            return Ok(Shown::Device(here.number()));
        }
        if let Some((_, last)) = devices.get(MAX_DEVICES - 1) {
            return Ok(Shown::Shared {
                device: last.number(),
                of: device,
            });
        }
        let here = AnonDevice::new()?;
        let number = here.number();
        devices.push((device, here), GFP_KERNEL)?;
        Ok(Shown::Device(number))
    }
}

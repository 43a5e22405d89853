// SPDX-License-Identifier: GPL-2.0-only

//! What cm shows: `/sys/kernel/podos`, its own files in `/sys/kernel/podos/cm`, and what is long
//! or secret in `/sys/kernel/debug/podos`.

mod debug;
mod keys;
mod numbers;
mod rails;
mod shares;

use kernel::prelude::*;
use kernel::sync::Arc;

use podos_sys::{AttributeFile, Global, GlobalGuard, Kobject};

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

/// Shows cm while this value lives.
pub(crate) struct Report {
    _numbers: KVec<AttributeFile<numbers::Numbers>>,
    _group: AttributeFile<rails::DefaultGroup>,
    _rail_devices: AttributeFile<rails::RailDevices>,
    _limits: AttributeFile<shares::LimitsFile>,
    _mode: AttributeFile<keys::ModeFile>,
    _keys: AttributeFile<keys::KeysFile>,
    _keyring: AttributeFile<keys::KeyringFile>,
    _debug: debug::Files,
    _root: GlobalGuard<Kobject>,
}

impl Report {
    /// Makes the directories and files. `reveal_keys`: the session keys too.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(reveal_keys: bool) -> Result<Self> {
        let root = Arc::new(Kobject::in_kernel(c"podos")?, GFP_KERNEL)?;
        let directory = Arc::new(root.child(c"cm")?, GFP_KERNEL)?;
        Ok(Self {
            _numbers: numbers::files(&directory)?,
            _group: AttributeFile::new(directory.clone(), c"group", rails::DefaultGroup)?,
            _rail_devices: AttributeFile::new(
                directory.clone(),
                c"rail_devices",
                rails::RailDevices,
            )?,
            _limits: AttributeFile::new(directory.clone(), c"limits", shares::LimitsFile)?,
            _mode: AttributeFile::new(directory.clone(), c"mode", keys::ModeFile)?,
            _keys: AttributeFile::new(directory.clone(), c"keys", keys::KeysFile)?,
            _keyring: AttributeFile::new(directory, c"keyring", keys::KeyringFile)?,
            _debug: debug::Files::new(reveal_keys)?,
            _root: ROOT.set(root)?,
        })
    }
}

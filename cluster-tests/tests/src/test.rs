// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a test is.

use anyhow::Result;

use crate::support::Lab;

/// A test as a value.
#[derive(Clone, Copy)]
pub struct Test {
    /// `subject.what_holds`; no name is a part of another one, so that a name is a filter.
    pub name: &'static str,
    /// Where it runs.
    pub setting: Setting,
    /// It passes if this is `Ok` and no kernel complains.
    pub run: fn(&Lab<'_>) -> Result<()>,
}

/// A cluster that tests share one after the other. It is booted for the first of them, and again
/// after one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    pub nodes: u32,
}

/// For tests that leave their nodes as they found them.
pub const SHARED: Setting = Setting {
    name: "shared",
    nodes: 3,
};

/// For tests that unload modules.
pub const MODULES: Setting = Setting {
    name: "modules",
    nodes: 2,
};

/// For tests that let nodes die; each of them finds all nodes alive.
pub const DYING: Setting = Setting {
    name: "dying",
    nodes: 3,
};

/// All of them, in the order in which they run.
pub const SETTINGS: [Setting; 3] = [SHARED, MODULES, DYING];

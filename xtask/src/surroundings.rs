// SPDX-License-Identifier: MIT OR Apache-2.0

//! Inherited umask, locale and time zone, set to fixed values.

use std::env;

use rustix::fs::Mode;
use rustix::process::umask;

/// To be called first in `main`, before there are threads: what is started later has it from us.
///
/// Files in a store and in an image get the same modes whoever builds them, and what programs print
/// for us to read is in the same words, at the same hour.
pub fn settle() {
    umask(Mode::WGRP | Mode::WOTH);
    // It goes before LC_ALL unless that is plain C.
    env::remove_var("LANGUAGE");
    env::set_var("LC_ALL", "C.UTF-8");
    env::set_var("TZ", "UTC");
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Git as the patch verbs use it: no one's own settings take part.

use std::path::Path;

use anyhow::Result;
use xshell::Shell;

use crate::series::{PROJECT_EMAIL, PROJECT_NAME};

/// Name of the commit below the patches.
pub const BASE: &str = "podos-base";

/// A shell in `dir` whose git reads no configuration but the repository's.
pub fn shell(dir: &Path) -> Result<Shell> {
    let sh = Shell::new()?;
    sh.change_dir(dir);
    sh.set_var("GIT_CONFIG_GLOBAL", "/dev/null");
    sh.set_var("GIT_CONFIG_NOSYSTEM", "1");
    sh.set_var("GIT_COMMITTER_NAME", PROJECT_NAME);
    sh.set_var("GIT_COMMITTER_EMAIL", PROJECT_EMAIL);
    sh.set_var("LC_ALL", "C");
    Ok(sh)
}

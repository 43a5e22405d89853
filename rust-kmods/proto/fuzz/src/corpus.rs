// SPDX-License-Identifier: GPL-2.0-only

//! Inputs as files: `corpus/TARGET/NAME`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Target;

/// How the names of inputs that broke something begin.
pub const FOUND: &str = "found-";

/// Where the corpus of this crate is.
pub fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The inputs of a target, each with its path, in the order of their names.
///
/// # Errors
///
/// Those of reading the folder; one that is not there has no inputs.
pub fn load(home: &Path, target: &Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = home.join(target.name);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| fs::read(&path).map(|bytes| (path, bytes)))
        .collect()
}

/// Writes what the target's encoders make; what was found stays.
///
/// # Errors
///
/// Those of writing.
pub fn write_seeds(home: &Path, target: &Target) -> io::Result<()> {
    let folder = home.join(target.name);
    fs::create_dir_all(&folder)?;
    for (path, _) in load(home, target)? {
        let found = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(FOUND));
        if !found {
            fs::remove_file(path)?;
        }
    }
    for (name, bytes) in (target.seeds)() {
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

/// Keeps an input that broke something, under a name made of its content.
///
/// # Errors
///
/// Those of writing.
pub fn keep(home: &Path, target: &Target, input: &[u8]) -> io::Result<PathBuf> {
    let name = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folder = home.join(target.name);
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{FOUND}{name:016x}"));
    fs::write(&path, input)?;
    Ok(path)
}

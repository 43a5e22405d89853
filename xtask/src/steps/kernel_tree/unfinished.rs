// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a killed build leaves: files that look finished and are not.
//!
//! Kbuild writes a target's command file (`.NAME.cmd`) after the target, and makes anew what has
//! none. So a target that is newer than its command file, or whose command file was cut short, was
//! not finished; without both files make starts it over, and keeps all the rest.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::fs;

/// Endings of targets that always have a command file (an archive of the tools has none).
const COMPILED: &[&str] = &["o", "so", "ko", "s", "elf", "bin"];

/// Removes unfinished targets below `dir`; tells which.
pub fn remove(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    remove_below(dir, &mut removed)?;
    Ok(removed)
}

fn remove_below(dir: &Path, removed: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            remove_below(&path, removed)?;
            continue;
        }
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|_| kind.is_file()) else {
            continue;
        };
        let command = match name
            .strip_prefix('.')
            .and_then(|name| name.strip_suffix(".cmd"))
        {
            // The target may be gone while its command file is cut short.
            Some(_) if !is_whole(&path)? => path.clone(),
            Some(_) => continue,
            None => dir.join(format!(".{name}.cmd")),
        };
        let finished = match fs::metadata(&command) {
            Ok(meta) if command != path => {
                is_whole(&command)?
                    && fs::symlink_metadata(&path)?.modified()? <= meta.modified()?
            }
            Ok(_) => false,
            Err(_) => !is_compiled(&path),
        };
        if !finished {
            for doomed in [&path, &command] {
                match fs::remove_file(doomed) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error.into())
                    }
                    _ => {}
                }
            }
            removed.push(path);
        }
    }
    Ok(())
}

fn is_compiled(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|kind| COMPILED.contains(&kind))
}

/// Whether a command file was written to its end: one with dependencies has, after them, the
/// rule that they may be gone.
fn is_whole(command: &Path) -> Result<bool> {
    let text = match fs::read(command) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    let text = String::from_utf8_lossy(&text);
    let has = |start: &str| text.lines().any(|line| line.starts_with(start));
    let ends_well = !has("deps_") || has("$(deps_");
    Ok(text.ends_with('\n') && ends_well)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    const WHOLE: &str = "savedcmd_a.o := clang\n\nsource_a.o := a.c\n\ndeps_a.o := \\\n  a.h \\\n\na.o: $(deps_a.o)\n\n$(deps_a.o):\n";

    /// Makes target and command file, `lag` seconds between them.
    fn target(dir: &Path, name: &str, command: &str, lag: u64) -> Result<()> {
        let start = SystemTime::now() - Duration::from_secs(3600);
        fs::write(dir.join(name), "made")?;
        fs::open(dir.join(name))?.set_modified(start + Duration::from_secs(60))?;
        let file = dir.join(format!(".{name}.cmd"));
        fs::write(&file, command)?;
        fs::open(file)?.set_modified(start + Duration::from_secs(lag))?;
        Ok(())
    }

    #[test]
    fn only_what_was_finished_stays() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let sub = dir.path().join("fs");
        fs::create_dir(&sub)?;
        fs::write(sub.join("namei.c"), "a source has no command file")?;
        fs::write(sub.join("never.o"), "its command file was not written yet")?;
        target(&sub, "done.o", WHOLE, 61)?;
        target(&sub, "simple.a", "savedcmd_simple.a := ar\n", 61)?;
        let checked = format!("{WHOLE}\na.o: $(wildcard ./tools/objtool/objtool)\n");
        target(&sub, "checked.o", &checked, 61)?;
        target(&sub, "again.o", WHOLE, 59)?;
        target(&sub, "cut.o", &WHOLE[..WHOLE.len() - 20], 61)?;
        target(&sub, "empty.o", "", 61)?;
        fs::write(sub.join(".lost.o.cmd"), "savedcmd_lost.o := cla")?;
        remove(dir.path())?;
        let mut left: Vec<_> = fs::read_dir(&sub)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        left.sort();
        let kept = [
            ".checked.o.cmd",
            ".done.o.cmd",
            ".simple.a.cmd",
            "checked.o",
            "done.o",
            "namei.c",
            "simple.a",
        ];
        assert_eq!(left, kept);
        Ok(())
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks that every file names its licence.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{bail, Result};

use crate::engine::key::list_files;
use crate::fs;

const PERMISSIVE: &str = "SPDX-License-Identifier: MIT OR Apache-2.0";
const KERNEL: &str = "SPDX-License-Identifier: GPL-2.0-only";

/// Checks that the first lines of every file name the licence of its place.
pub fn check(root: &Path) -> Result<()> {
    let mut faults = Vec::new();
    for name in list_files(root, ".")? {
        let Some(wanted) = wanted(&name) else {
            continue;
        };
        let text = fs::read(root.join(&name))?;
        let head = String::from_utf8_lossy(&text[..text.len().min(400)]).into_owned();
        // A script's first line is that of its interpreter.
        if !head.lines().take(2).any(|line| line.contains(wanted)) {
            faults.push(format!(
                "{}: no `{wanted}` in its first line",
                name.display()
            ));
        }
    }
    if !faults.is_empty() {
        bail!(
            "{} file(s) without licence:\n  {}",
            faults.len(),
            faults.join("\n  ")
        );
    }
    Ok(())
}

/// The licence line of a file, or `None` for one that cannot have a comment or has a form of its
/// own (a patch, the licences themselves, data).
fn wanted(name: &Path) -> Option<&'static str> {
    if name.starts_with("LICENSES") || name == Path::new("Cargo.lock") {
        return None;
    }
    let known = name
        .file_name()
        .and_then(OsStr::to_str)
        .is_some_and(|file| {
            matches!(
                file,
                "Kbuild" | "Makefile" | "series" | "run" | "podos.lock"
            )
        });
    let kind = name.extension().and_then(OsStr::to_str);
    let commented = matches!(
        kind,
        Some("rs" | "c" | "h" | "S" | "toml" | "md" | "config" | "sh" | "ld" | "lua" | "py")
    );
    let kernel = name.starts_with("linux-patches") || name.starts_with("rust-kmods");
    (known || commented).then_some(if kernel { KERNEL } else { PERMISSIVE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_the_licence_of_its_place_is_named() -> Result<()> {
        let root = tempfile::tempdir()?;
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(root.path()))?;
            fs::write(path, text)
        };
        write("xtask/a.rs", &format!("// {PERMISSIVE}\n"))?;
        write("rust-kmods/b.rs", &format!("// {KERNEL}\n"))?;
        write("run", &format!("#!/bin/bash\n# {PERMISSIVE}\n"))?;
        write("etc/passwd", "root:x:0:0::/root:/bin/sh\n")?;
        check(root.path())?;
        write("rust-kmods/c.rs", &format!("// {PERMISSIVE}\n"))?;
        write("xtask/d.rs", "fn main() {}\n")?;
        let error = check(root.path()).expect_err("two are wrong").to_string();
        assert!(
            error.contains("rust-kmods/c.rs") && error.contains("xtask/d.rs"),
            "{error}"
        );
        assert!(error.starts_with("2 file(s)"), "{error}");
        Ok(())
    }
}

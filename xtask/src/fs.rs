// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files, by the names of `std::fs`: an error says what could not be done with which file, and why.

use std::env;
use std::fmt::Arguments;
use std::fs::DirEntry;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub use std::fs::{File, Metadata, Permissions};

use tempfile::TempDir;

fn named<T>(result: io::Result<T>, what: Arguments<'_>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("cannot {what}: {error}")))
}

/// `std::fs::read`.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    named(std::fs::read(path), format_args!("read {}", path.display()))
}

/// `std::fs::read_to_string`.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path);
    named(text, format_args!("read {}", path.display()))
}

/// `std::fs::read_dir`.
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<impl Iterator<Item = io::Result<DirEntry>>> {
    let path = path.as_ref().to_owned();
    let entries = std::fs::read_dir(&path);
    let entries = named(entries, format_args!("list {}", path.display()))?;
    Ok(entries.map(move |entry| named(entry, format_args!("list {}", path.display()))))
}

/// `std::fs::read_link`.
pub fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    let target = std::fs::read_link(path);
    named(target, format_args!("read the link {}", path.display()))
}

/// `std::fs::metadata`.
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    let metadata = std::fs::metadata(path);
    named(metadata, format_args!("read {}", path.display()))
}

/// `std::fs::symlink_metadata`.
pub fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    let metadata = std::fs::symlink_metadata(path);
    named(metadata, format_args!("read {}", path.display()))
}

/// `File::open`.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    named(File::open(path), format_args!("open {}", path.display()))
}

/// `File::create`.
pub fn create(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    let file = File::create(path);
    named(file, format_args!("create {}", path.display()))
}

/// `std::fs::write`.
pub fn write(path: impl AsRef<Path>, data: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref();
    let written = std::fs::write(path, data);
    named(written, format_args!("write {}", path.display()))
}

/// `std::fs::create_dir`.
pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    let created = std::fs::create_dir(path);
    named(created, format_args!("create {}", path.display()))
}

/// `std::fs::create_dir_all`.
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    let created = std::fs::create_dir_all(path);
    named(created, format_args!("create {}", path.display()))
}

/// `std::os::unix::fs::symlink`.
pub fn symlink(target: impl AsRef<Path>, path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    let created = std::os::unix::fs::symlink(target, path);
    named(created, format_args!("create the link {}", path.display()))
}

/// `std::fs::copy`.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let copied = std::fs::copy(from, to).map(drop);
    named(
        copied,
        format_args!("copy {} to {}", from.display(), to.display()),
    )
}

/// `std::fs::rename`.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let renamed = std::fs::rename(from, to);
    named(
        renamed,
        format_args!("rename {} to {}", from.display(), to.display()),
    )
}

/// `std::fs::remove_file`.
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    let removed = std::fs::remove_file(path);
    named(removed, format_args!("remove {}", path.display()))
}

/// `std::fs::remove_dir_all`.
pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    let removed = std::fs::remove_dir_all(path);
    named(removed, format_args!("remove {}", path.display()))
}

/// `std::fs::set_permissions`.
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref();
    let set = std::fs::set_permissions(path, permissions);
    named(
        set,
        format_args!("set the permissions of {}", path.display()),
    )
}

/// `tempfile::tempdir`.
pub fn tempdir() -> io::Result<TempDir> {
    let parent = env::temp_dir();
    named(
        tempfile::tempdir(),
        format_args!("make a folder in {}", parent.display()),
    )
}

/// What the names of temporary folders begin with beside the places that their contents are for.
pub const TEMP_PREFIX: &str = ".tmp-";

/// `tempfile::Builder::tempdir_in`: a folder that anybody may enter, for what is renamed once it is
/// whole.
pub fn tempdir_in(parent: impl AsRef<Path>) -> io::Result<TempDir> {
    let parent = parent.as_ref();
    let dir = tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(parent);
    named(dir, format_args!("make a folder in {}", parent.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file_and_is_of_its_kind() {
        let error = read("/nonexistent/file").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let why = "No such file or directory (os error 2)";
        assert_eq!(
            error.to_string(),
            format!("cannot read /nonexistent/file: {why}")
        );
        let error = rename("/nonexistent/file", "/tmp/x").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot rename /nonexistent/file to /tmp/x: {why}")
        );
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! A plugin of QEMU that counts the instructions which a node's processor executes.
//!
//! `-plugin file=libpodos_counter.so,counts=FILE` has QEMU keep a counter for each translated block
//! of instructions, where the block begins. The counters lie in FILE, mapped: whoever wants to know
//! what a piece of work took reads the file before it and after it. [`Counts`] has the layout.
//!
//! A block that an interrupt cuts short counts as a whole.

mod counts;
// A test has no QEMU around it, whose functions it could call.
#[cfg(not(test))]
mod qemu;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

use counts::Counts;

/// What the plugin was loaded for, once it is.
static COUNTS: OnceLock<Counts> = OnceLock::new();

/// Makes ready, with the plugin's arguments.
fn start<'a>(mut arguments: impl Iterator<Item = &'a OsStr>) -> Result<(), String> {
    let path = match (arguments.next(), arguments.next()) {
        (Some(argument), None) => argument.as_encoded_bytes().strip_prefix(b"counts="),
        _ => None,
    };
    let path = path.ok_or("it takes one argument: counts=FILE")?;
    // SAFETY: The bytes are the end of an OsStr, behind ASCII.
    let path = Path::new(unsafe { OsStr::from_encoded_bytes_unchecked(path) });
    let counts =
        Counts::create(path).map_err(|error| format!("cannot map {}: {error}", path.display()))?;
    COUNTS
        .set(counts)
        .map_err(|_| "it is loaded twice".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_cannot_do_it_says() {
        let start = |arguments: &[&str]| start(arguments.iter().map(|it| OsStr::new(*it)));
        for wrong in [&[][..], &["count=x"], &["counts=x", "counts=y"]] {
            let error = start(wrong).unwrap_err();
            assert!(error.contains("counts=FILE"), "{error}");
        }
        let error = start(&["counts=/nowhere/x"]).unwrap_err();
        assert!(error.contains("/nowhere/x"), "{error}");
        assert!(COUNTS.get().is_none());

        let file = tempfile::NamedTempFile::new().unwrap();
        let argument = format!("counts={}", file.path().display());
        start(&[&argument]).unwrap();
        assert!(COUNTS.get().is_some());
        assert!(start(&[&argument]).unwrap_err().contains("twice"));
    }
}

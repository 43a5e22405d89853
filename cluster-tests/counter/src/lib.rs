// SPDX-License-Identifier: MIT OR Apache-2.0

//! A plugin of QEMU that counts the instructions which a node's processor executes.
//!
//! `-plugin file=libpodos_counter.so,counts=FILE` has QEMU keep a counter for each translated block
//! of instructions, where the block begins. The counters lie in FILE, mapped: whoever wants to know
//! what a piece of work took reads the file before it and after it. [`Counts`] has the layout.
//!
//! A block that an interrupt cuts short counts as a whole, and one processor is all that a node may
//! have: what QEMU adds is not atomic.

mod counts;
// A test has no QEMU around it, whose functions it could call.
#[cfg(not(test))]
mod qemu;

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use counts::{Counter, Counts};

/// What the plugin was loaded for, once it is.
static COUNTS: OnceLock<Mutex<Counts>> = OnceLock::new();

/// Makes ready for a machine with so many processors, with the plugin's arguments.
fn start<'a>(
    processors: i32,
    mut arguments: impl Iterator<Item = &'a OsStr>,
) -> Result<(), String> {
    if processors != 1 {
        return Err(format!(
            "it counts for one processor, and there are {processors}: give -smp 1"
        ));
    }
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
        .set(Mutex::new(counts))
        .map_err(|_| "it is loaded twice".to_owned())
}

/// The counter of a block that begins at this address; `None` before [`start`].
fn counter(address: u64) -> Option<Counter> {
    let counts = COUNTS.get()?;
    // A panic inside leaves a table that is whole.
    let mut counts = counts
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    Some(counts.counter(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_cannot_do_it_says() {
        let start = |processors, arguments: &[&str]| {
            let arguments = arguments.iter().map(|argument| OsStr::new(*argument));
            start(processors, arguments)
        };
        let error = start(2, &["counts=x"]).unwrap_err();
        assert!(error.contains("there are 2"), "{error}");
        for wrong in [&[][..], &["count=x"], &["counts=x", "counts=y"]] {
            let error = start(1, wrong).unwrap_err();
            assert!(error.contains("counts=FILE"), "{error}");
        }
        let error = start(1, &["counts=/nowhere/x"]).unwrap_err();
        assert!(error.contains("/nowhere/x"), "{error}");
        assert!(counter(7).is_none());

        let file = tempfile::NamedTempFile::new().unwrap();
        let argument = format!("counts={}", file.path().display());
        start(1, &[&argument]).unwrap();
        assert!(counter(7).is_some());
        assert!(start(1, &[&argument]).unwrap_err().contains("twice"));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel modules of PODOS.

use std::ffi::CString;
use std::fs::File;

use rustix::io::Errno;
use rustix::system::finit_module;

/// The Communication Manager, which the others need.
pub const CM: &str = "podos_cm";

/// Loads one. If that fails, the others are still worth a try: what they can do without is for
/// the kernel to say.
pub fn load(directory: &str, name: &str, parameters: &str) -> Result<(), String> {
    let path = format!("{directory}/{name}.ko");
    let file = File::open(&path).map_err(|error| format!("cannot open {path}: {error}"))?;
    let given = CString::new(parameters)
        .map_err(|_| format!("cannot give the parameters of {name} to the kernel"))?;
    match finit_module(&file, &given, 0) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(format!(
            "cannot load {path}: {error}; the kernel's log says why"
        )),
    }
}

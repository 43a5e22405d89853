// SPDX-License-Identifier: MIT OR Apache-2.0

//! The remote program's view (paper, section 5.4.3).

use std::env;
use std::ffi::OsStr;

use crate::Gpid;

/// Who started this program from another node, and over which circuit.
///
/// The paper's programs find the circuit's index in their environment and read and write its
/// buffers through a library. Here the standard streams are that circuit already, so any program
/// does; what is left for the library is to say who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The calling process.
    pub gpid: Gpid,
    /// The circuit's index in this node's table: what the passive end calls it.
    pub circuit: u32,
}

impl Caller {
    /// The caller of this process; `None` if it was started by this node.
    pub fn of_this_process() -> Option<Self> {
        Self::from_variables(
            env::var_os("GIPC_GPID").as_deref(),
            env::var_os("GIPC_CDT").as_deref(),
        )
    }

    fn from_variables(gpid: Option<&OsStr>, circuit: Option<&OsStr>) -> Option<Self> {
        Some(Self {
            gpid: gpid?.to_str()?.parse().ok()?,
            circuit: circuit?.to_str()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(gpid: &str, circuit: &str) -> Option<Caller> {
        Caller::from_variables(Some(OsStr::new(gpid)), Some(OsStr::new(circuit)))
    }

    #[test]
    fn variables() {
        let expected = Caller {
            gpid: Gpid::new(1, 2, 3),
            circuit: 65537,
        };
        assert_eq!(caller("0000000100020003", "65537"), Some(expected));
        assert_eq!(caller("0000000100020003", "x"), None);
        assert_eq!(caller("1", "65537"), None);
        assert_eq!(Caller::from_variables(None, None), None);
    }
}

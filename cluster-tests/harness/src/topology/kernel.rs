// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel that nodes run: base or debug.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A variant of the kernel; each has its images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// The one that is for use.
    #[default]
    Base,
    /// The one that checks itself: locking, sleeping, memory. It needs more of both.
    Debug,
}

impl Kernel {
    /// Name of an image's folder with this kernel.
    pub fn image(self, profile: &str) -> String {
        match self {
            Self::Base => profile.into(),
            Self::Debug => format!("{profile}-debug"),
        }
    }

    /// Least memory of a node, in MiB: KASAN has an eighth of all memory and holds freed memory
    /// back, and kmemleak keeps a record of every allocation.
    pub fn least_memory(self) -> u32 {
        match self {
            Self::Base => 0,
            Self::Debug => 1400,
        }
    }

    /// A limit for something that takes at most `limit` with [`Kernel::Base`].
    pub fn scale(self, limit: Duration) -> Duration {
        match self {
            Self::Base => limit,
            Self::Debug => limit * 4,
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Base => "base",
            Self::Debug => "debug",
        })
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "base" => Ok(Self::Base),
            "debug" => Ok(Self::Debug),
            _ => Err(format!(
                "there is no kernel `{name}`; there are base, debug"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for kernel in [Kernel::Base, Kernel::Debug] {
            assert_eq!(kernel.to_string().parse(), Ok(kernel));
        }
        assert!("fast"
            .parse::<Kernel>()
            .unwrap_err()
            .contains("base, debug"));
    }

    #[test]
    fn a_debug_kernel_has_its_own_image_and_takes_more_time() {
        assert_eq!(Kernel::Base.image("lab"), "lab");
        assert_eq!(Kernel::Debug.image("lab"), "lab-debug");
        let second = Duration::from_secs(1);
        assert!(Kernel::Debug.scale(second) > Kernel::Base.scale(second));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults of nodes.

use anyhow::Result;
use podos_harness::{Cluster, Node};

/// A node.
#[derive(clap::Args)]
pub(super) struct One {
    /// The node: linus2, or 2
    node: String,
}

impl One {
    pub(super) fn of<'a>(&self, cluster: &'a Cluster) -> Result<Node<'a>> {
        Ok(cluster.node_named(&self.node)?)
    }
}

/// Take all room of a file system of a node, or give it back
///
/// A file `.podos-full` takes it. File systems in memory, as /tmp, are filled like others; one that
/// knows no limit is refused.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask cluster fault disk linus2 full\n  \
    cargo xtask cluster fault disk linus2 free\n  \
    cargo xtask cluster fault disk linus2 full --folder /dev/shm"
)]
pub(super) struct Disk {
    #[command(flatten)]
    one: One,
    state: Room,
    /// A folder on that file system
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    folder: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Room {
    /// Take all room
    Full,
    /// Give it back
    Free,
}

impl Disk {
    pub(super) fn set(&self, cluster: &Cluster) -> Result<()> {
        let node = self.one.of(cluster)?;
        match self.state {
            Room::Full => node.fill_disk(&self.folder)?,
            Room::Free => node.free_disk(&self.folder)?,
        }
        Ok(())
    }
}

/// Let a node's time of day jump, or set it right
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask cluster fault clock linus2 +1h\n  \
    cargo xtask cluster fault clock linus2 -90s\n  \
    cargo xtask cluster fault clock linus2 right"
)]
pub(super) struct Clock {
    #[command(flatten)]
    one: One,
    /// Forward or back, as +1h, -90s, +5m or -2d; right: to this machine's time
    #[arg(value_name = "JUMP", allow_hyphen_values = true)]
    jump: Jump,
}

/// Seconds, or back to what is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jump {
    By(i64),
    Right,
}

impl std::str::FromStr for Jump {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "right" {
            return Ok(Self::Right);
        }
        let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];
        let by = units.iter().find_map(|(name, unit)| {
            let number = text.strip_suffix(name)?;
            let signed = number.starts_with(['+', '-']);
            let number = number.parse::<i64>().ok().filter(|_| signed)?;
            number.checked_mul(*unit)
        });
        by.map(Self::By)
            .ok_or_else(|| format!("`{text}` is no jump: +1h, -90s, +5m, -2d or right"))
    }
}

impl Clock {
    pub(super) fn set(&self, cluster: &Cluster) -> Result<()> {
        let node = self.one.of(cluster)?;
        match self.jump {
            Jump::By(seconds) => node.jump_clock(seconds)?,
            Jump::Right => node.set_clock()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_have_a_sign_and_a_unit() {
        assert_eq!("+1h".parse(), Ok(Jump::By(3600)));
        assert_eq!("-90s".parse(), Ok(Jump::By(-90)));
        assert_eq!("right".parse(), Ok(Jump::Right));
        for bad in ["1h", "+1", "h", "+h", "", "+9223372036854775807d"] {
            let error = bad.parse::<Jump>().unwrap_err();
            assert!(error.contains("no jump"), "{error}");
        }
    }
}

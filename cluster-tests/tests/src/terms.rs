// SPDX-License-Identifier: MIT OR Apache-2.0

//! Terms of a run: seed, kernel, image and limits of all its tests.

use std::path::PathBuf;
use std::time::Duration;

use podos_harness::{Kernel, LAB};

use crate::limits::Limits;

/// The same for all tests of a run.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The seed of all random numbers.
    pub seed: u64,
    /// The nodes' kernel.
    pub kernel: Kernel,
    /// Profile of the image.
    pub profile: String,
    /// Folder of the image.
    pub image: PathBuf,
    /// Folder of the report.
    pub folder: PathBuf,
    /// Folder with the guest's tool.
    pub share: PathBuf,
    /// Memory of each node, in MiB; the topology's own if unset.
    pub memory_mib: Option<u32>,
    /// How long a soak goes on, if that was said.
    pub minutes: Option<u32>,
    /// The time that all things may take.
    pub limits: Limits,
}

/// How long the others may wait for the news that a node is dead, with an ordinary kernel.
const NEWS: Duration = Duration::from_secs(2);

impl Terms {
    /// How long a call may take that can't be answered any more.
    pub fn in_time(&self) -> Duration {
        self.kernel.scale(NEWS)
    }

    /// How much a node does at least in the time in which it does so much with an ordinary kernel.
    pub fn at_least(&self, count: u64) -> u64 {
        match self.kernel {
            Kernel::Base => count,
            Kernel::Debug => (count / 10).max(1),
        }
    }

    /// The command that runs these tests again as they ran: those of one word, which no shell
    /// takes for anything else. The image is up to who types it.
    pub fn replay(&self, filter: &str) -> String {
        let seed = self.seed;
        let mut line = format!("cargo xtask cluster-test {filter} --seed {seed}");
        if self.kernel != Kernel::Base {
            line += &format!(" --kernel {}", self.kernel);
        }
        if self.profile != LAB {
            line += &format!(" --profile {}", self.profile);
        }
        if let Some(memory) = self.memory_mib {
            line += &format!(" --memory-mib {memory}");
        }
        if let Some(minutes) = self.minutes {
            line += &format!(" --minutes {minutes}");
        }
        line
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Some terms, for tests of other things.
    pub fn some() -> Terms {
        Terms {
            seed: 7,
            kernel: Kernel::Base,
            profile: LAB.into(),
            image: "/no/image".into(),
            folder: "/no/report".into(),
            share: "/no/share".into(),
            memory_mib: None,
            minutes: None,
            limits: crate::limits::tests::quick(),
        }
    }

    #[test]
    fn a_replay_has_what_the_run_had() {
        let mut terms = some();
        assert_eq!(terms.replay("a.b"), "cargo xtask cluster-test a.b --seed 7");
        (terms.kernel, terms.memory_mib, terms.minutes) = (Kernel::Debug, Some(1500), Some(2));
        terms.profile = "mine".into();
        assert_eq!(
            terms.replay("setting:a"),
            "cargo xtask cluster-test setting:a --seed 7 --kernel debug --profile mine \
             --memory-mib 1500 --minutes 2"
        );
    }
}

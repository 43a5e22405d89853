// SPDX-License-Identifier: MIT OR Apache-2.0

//! Time limits of tests, and of a whole run.

use std::fmt;
use std::time::{Duration, Instant};

use podos_harness::{Accelerator, Kernel};

use crate::test::Test;

/// How long a whole run may take under KVM with an ordinary kernel: what all tests take on a
/// quiet machine, several times over.
const RUN: Duration = Duration::from_secs(15 * 60);

/// What makes everything take longer here than the tests' values say.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    accelerator: Accelerator,
    kernel: Kernel,
    /// How long soaks go on, on top of their limits.
    soak: Duration,
}

impl Limits {
    /// Those of this machine, with this kernel.
    pub fn here(kernel: Kernel, minutes: Option<u32>) -> Self {
        Self {
            accelerator: Accelerator::detect(),
            kernel,
            soak: Duration::from_secs(60) * minutes.unwrap_or(0),
        }
    }

    /// A limit for something that takes at most `limit` under KVM with an ordinary kernel.
    pub fn scale(&self, limit: Duration) -> Duration {
        self.kernel.scale(self.accelerator.scale(limit))
    }

    /// How long a test may take.
    pub fn of(&self, test: &Test) -> Duration {
        let soak = match test.name.starts_with("soak.") {
            true => self.soak,
            false => Duration::ZERO,
        };
        self.scale(test.limit()) + soak
    }

    /// How long a run may take that is not told otherwise.
    pub fn run(&self) -> Duration {
        self.scale(RUN) + self.soak
    }

    /// How QEMU runs the guests.
    pub fn accelerator(&self) -> &'static str {
        self.accelerator.name()
    }
}

/// Says what limits are scaled by.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factor = self.scale(Duration::from_secs(1)).as_secs();
        let Self {
            accelerator,
            kernel,
            ..
        } = self;
        write!(
            f,
            "{} and kernel {kernel}: limits x {factor}",
            accelerator.name()
        )
    }
}

/// What is left of a run's time.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    begin: Instant,
    whole: Duration,
}

impl Budget {
    /// It begins now.
    pub fn new(whole: Duration) -> Self {
        let begin = Instant::now();
        Self { begin, whole }
    }

    pub fn whole(&self) -> Duration {
        self.whole
    }

    /// Zero when it is used up.
    pub fn left(&self) -> Duration {
        self.whole.saturating_sub(self.begin.elapsed())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::suite;

    /// The shortest.
    pub fn quick() -> Limits {
        Limits {
            accelerator: Accelerator::Kvm,
            kernel: Kernel::Base,
            soak: Duration::from_secs(600),
        }
    }

    #[test]
    fn soaks_get_their_minutes_and_slow_kernels_their_factor() {
        let mut test = suite::all()[0];
        let quick = quick();
        let slow = Limits {
            accelerator: Accelerator::Tcg,
            kernel: Kernel::Debug,
            ..quick
        };
        let limit = quick.of(&test);
        assert_eq!(limit, test.limit());
        assert_eq!(slow.of(&test), 16 * limit);
        test.name = "soak.any";
        assert_eq!(quick.of(&test), limit + Duration::from_secs(600));
        assert_eq!(slow.of(&test), 16 * limit + Duration::from_secs(600));
        assert_eq!(slow.to_string(), "tcg and kernel debug: limits x 16");
    }

    #[test]
    fn a_budget_runs_out() {
        assert!(Budget::new(Duration::from_secs(3600)).left() > Duration::from_secs(3500));
        assert_eq!(Budget::new(Duration::ZERO).left(), Duration::ZERO);
    }
}

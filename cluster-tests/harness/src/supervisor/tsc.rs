// SPDX-License-Identifier: MIT OR Apache-2.0

//! The frequency of this machine's time stamp counter.
//!
//! TCG's guests read the host's. A kernel that boots while the host is busy measures it wrongly by
//! an emulated timer, sixty times too slow at worst, and its clock then runs ahead; so it is told.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long it is looked at: a hundred times what two looks differ by on a busy machine.
const SPAN: Duration = Duration::from_millis(20);
/// Looks of which the quickest counts: nothing came between its clock and its counter.
const LOOKS: usize = 16;

/// In kHz; `None` on machines that have none. Takes a moment the first time.
pub(crate) fn khz() -> Option<u32> {
    static KHZ: OnceLock<Option<u32>> = OnceLock::new();
    *KHZ.get_or_init(|| {
        let (start, from) = look()?;
        loop {
            let (now, to) = look()?;
            let passed = now.duration_since(start);
            if passed >= SPAN {
                let cycles = to.checked_sub(from)?;
                return u32::try_from(u128::from(cycles) * 1_000_000 / passed.as_nanos()).ok();
            }
        }
    })
}

/// A moment, and the counter then.
fn look() -> Option<(Instant, u64)> {
    let looks = (0..LOOKS).map(|_| {
        let before = Instant::now();
        let counter = counter()?;
        Some((before.elapsed(), before, counter))
    });
    let quickest = looks.min_by_key(|look| look.map(|(took, ..)| took))??;
    Some((quickest.1, quickest.2))
}

#[cfg(target_arch = "x86_64")]
fn counter() -> Option<u64> {
    // SAFETY: Every x86-64 processor has the instruction, and Linux lets programs use it.
    Some(unsafe { core::arch::x86_64::_rdtsc() })
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> Option<u64> {
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_processor_s() {
        let khz = khz().unwrap();
        assert!((100_000..10_000_000).contains(&khz), "{khz} kHz");
        // Measured again, it is the same to a hundredth.
        let (start, from) = look().unwrap();
        while start.elapsed() < SPAN {}
        let (now, to) = look().unwrap();
        let again = (to - from) as f64 / now.duration_since(start).as_secs_f64() / 1e3;
        assert!((again / f64::from(khz) - 1.0).abs() < 0.01, "{again}");
    }
}

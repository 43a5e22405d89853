// SPDX-License-Identifier: GPL-2.0-only

//! Tries inputs on a target until its time is over or something breaks.

use std::any::Any;
use std::collections::HashSet;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use podos_random::SplitMix64;

use crate::mutator::mutate;
use crate::Target;

/// Longest time that one input may take: nothing here waits for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// Inputs between two looks at the clock.
const BATCH: u32 = 64;

/// Tells what code an input reached.
pub trait Coverage {
    /// Forgets what was reached.
    fn clear(&mut self);
    /// Whether something was reached that no input reached before.
    fn is_new(&mut self) -> bool;
}

/// For a program that was not built to tell.
#[derive(Clone, Copy, Debug)]
pub struct Blind;

impl Coverage for Blind {
    fn clear(&mut self) {}

    fn is_new(&mut self) -> bool {
        false
    }
}

/// What was done in a target's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Inputs tried.
    pub tried: u64,
    /// Inputs kept because something new came of them.
    pub kept: usize,
}

/// An input that broke something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The input, as small as could be found quickly.
    pub input: Vec<u8>,
    /// What it did.
    pub why: String,
}

/// Tries one input.
///
/// # Errors
///
/// What it broke.
pub fn try_one(target: &Target, input: &[u8]) -> Result<u64, Broken> {
    let started = Instant::now();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = started.elapsed();
    let why = match outcome {
        Ok(_) if took > PATIENCE => format!("took {} ms", took.as_millis()),
        Ok(outcome) => return Ok(outcome.value()),
        Err(panic) => message(&*panic),
    };
    Err(Broken {
        input: input.to_vec(),
        why,
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked").to_owned()
}

/// Tries inputs made of `corpus` until `time` is over.
///
/// # Errors
///
/// The first one that breaks something, made smaller.
pub fn run(
    target: &Target,
    corpus: Vec<Vec<u8>>,
    seed: u64,
    time: Duration,
    coverage: &mut dyn Coverage,
) -> Result<Summary, Broken> {
    let mut pool = corpus;
    let mut outcomes = HashSet::new();
    for input in &pool {
        coverage.clear();
        outcomes.insert(try_one(target, input)?);
        coverage.is_new();
    }
    pool.push(Vec::new());
    let known = pool.len();
    let mut random = SplitMix64::new(seed);
    let mut tried = 0;
    let until = Instant::now() + time;
    while Instant::now() < until {
        for _ in 0..BATCH {
            let mut input = pool[choose(&mut random, pool.len())].clone();
            let other = random.index(pool.len());
            mutate(&mut random, &mut input, &pool[other]);
            coverage.clear();
            let outcome = try_one(target, &input).map_err(|broken| shrink(target, broken))?;
            tried += 1;
            // Both, without a shortcut: what was reached is to be remembered in any case.
            let reached = coverage.is_new();
            if outcomes.insert(outcome) || reached {
                pool.push(input);
            }
        }
    }
    Ok(Summary {
        tried,
        kept: pool.len() - known,
    })
}

/// One of the pool, the latest with preference: what is new has been tried least.
fn choose(random: &mut SplitMix64, len: usize) -> usize {
    match random.below(2) {
        0 => random.index(len),
        _ => len - 1 - random.index(len.min(32)),
    }
}

/// Leaves out of an input what is not needed to break the same thing.
fn shrink(target: &Target, broken: Broken) -> Broken {
    let quiet = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let mut least = broken;
    let mut step = least.input.len() / 2;
    while step > 0 {
        let mut at = 0;
        while at < least.input.len() {
            let mut input = least.input.clone();
            input.drain(at..(at + step).min(input.len()));
            match try_one(target, &input) {
                Err(smaller) if smaller.why == least.why => least = smaller,
                _ => at += step,
            }
        }
        step /= 2;
    }
    panic::set_hook(quiet);
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Outcome;

    #[test]
    fn what_is_broken_is_found_and_made_small() {
        // Two steps from the seed: only who keeps the first one finds the second.
        let target = Target {
            name: "planted",
            run: |input| {
                let first = input.first() == Some(&0xa5);
                let second = first && input.get(1) == Some(&0x5a);
                assert!(!(second && input.get(2) == Some(&0xff)), "planted");
                Outcome::PLAIN.and((first, second))
            },
            seeds: || vec![("seed", vec![0; 40])],
        };
        let seeds = (target.seeds)()
            .into_iter()
            .map(|(_, input)| input)
            .collect();
        let quiet = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let found = run(&target, seeds, 1, Duration::from_secs(60), &mut Blind);
        panic::set_hook(quiet);
        let broken = found.expect_err("it is there to be found");
        assert_eq!(broken.why, "planted");
        assert_eq!(broken.input, [0xa5, 0x5a, 0xff]);
    }

    #[test]
    fn time_is_kept() {
        let target = Target {
            name: "harmless",
            run: |_| Outcome::PLAIN,
            seeds: Vec::new,
        };
        let started = Instant::now();
        let summary = run(
            &target,
            Vec::new(),
            1,
            Duration::from_millis(50),
            &mut Blind,
        );
        assert!(summary.is_ok_and(|summary| summary.tried > 0 && summary.kept <= 1));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! Which of the last numbers of a sequence were seen: what replay windows are made of.

/// One bit for each of the last `64 * WORDS` numbers, counted back from the highest one.
#[derive(Clone, Debug)]
pub(crate) struct Seen<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Seen<WORDS> {
    /// How many numbers are remembered.
    pub(crate) const WIDTH: u64 = WORDS as u64 * 64;

    /// None was seen.
    pub(crate) const fn none() -> Self {
        Self([0; WORDS])
    }

    /// Each was seen.
    pub(crate) const fn all() -> Self {
        Self([u64::MAX; WORDS])
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_none_or(|word| word & bit != 0)
    }

    /// Takes note of `number`; whether it was not seen yet.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        let Some(word) = self.0.get_mut(word) else {
            return false;
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Makes room for the `count` numbers that follow `highest`.
    pub(crate) fn advance(&mut self, highest: u64, count: u64) {
        if count >= Self::WIDTH {
            *self = Self::none();
            return;
        }
        for ahead in 1..=count {
            let (word, bit) = Self::place(highest.wrapping_add(ahead));
            if let Some(word) = self.0.get_mut(word) {
                *word &= !bit;
            }
        }
    }

    fn place(number: u64) -> (usize, u64) {
        let at = number % Self::WIDTH;
        ((at / 64) as usize, 1 << (at % 64))
    }
}

/// What a [`CounterWindow`] remembers.
type Counters = Seen<16>;

/// How many counters it remembers.
const WIDTH: u64 = Counters::WIDTH;

/// The counters of one key that came: each is let through once. They start at 1.
#[derive(Clone, Debug)]
pub struct CounterWindow {
    seen: Counters,
    highest: u64,
}

impl CounterWindow {
    /// A window for a key that nothing came under yet.
    pub const fn new() -> Self {
        Self::above(0)
    }

    /// A window that lets only counters above `floor` through.
    pub const fn above(floor: u64) -> Self {
        Self {
            seen: Counters::all(),
            highest: floor,
        }
    }

    /// Whether `counter` would be let through; to be asked before the effort of checking a tag.
    pub fn admits(&self, counter: u64) -> bool {
        if counter > self.highest {
            return true;
        }
        self.highest - counter < WIDTH && !self.seen.contains(counter)
    }

    /// Takes note of `counter`, the tag of whose frame was right; whether it came the first time.
    #[must_use]
    pub fn accept(&mut self, counter: u64) -> bool {
        if !self.admits(counter) {
            return false;
        }
        if counter > self.highest {
            self.seen.advance(self.highest, counter - self.highest);
            self.highest = counter;
        }
        self.seen.insert(counter)
    }
}

impl Default for CounterWindow {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn each_counter_passes_once() {
        let mut window = CounterWindow::new();
        assert!(!window.admits(0));
        for counter in [1, 3, 2, 900, u64::MAX - 5, u64::MAX] {
            assert!(window.accept(counter), "{counter}");
            assert!(!window.admits(counter) && !window.accept(counter));
        }
        assert!(!window.accept(901));
        assert!(window.accept(u64::MAX - WIDTH + 1));
        assert!(!window.accept(u64::MAX - WIDTH));
    }

    #[test]
    fn nothing_passes_at_or_below_the_floor() {
        let mut window = CounterWindow::above(5000);
        assert!((0..=5000).all(|counter| !window.accept(counter)));
        assert!(window.accept(5002) && window.accept(5001));
        assert!(!window.accept(5000) && !window.accept(4999));
        assert!(window.accept(5002 + WIDTH) && window.accept(5003) && !window.accept(5002));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_a_set(
            floor in 0u64..5000,
            steps in prop::collection::vec(-1500i64..1600, 1..500),
        ) {
            let mut window = CounterWindow::above(floor);
            let mut seen = HashSet::new();
            let mut highest = floor;
            let mut counter = floor;
            for step in steps {
                counter = counter.saturating_add_signed(step);
                let expected = counter > floor
                    && highest.saturating_sub(counter) < WIDTH
                    && !seen.contains(&counter);
                prop_assert_eq!(window.admits(counter), expected);
                prop_assert_eq!(window.accept(counter), expected);
                seen.insert(counter);
                highest = highest.max(counter);
            }
        }
    }
}

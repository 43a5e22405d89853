// SPDX-License-Identifier: GPL-2.0-only

//! Decisions made of bytes.

/// Takes bytes for numbers and choices; zeros when they are used up.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Decisions from these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all were used up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `len`, or as many as there are.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// A number of 8 bits.
    pub fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    /// A number of 16 bits.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// A number of 32 bits.
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// A number of 64 bits.
    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// A number below `bound`, which is not 0 and at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.u8()) % bound
    }
}

/// A short name for what became of an input, from what can be told of it: two inputs with the same
/// name are taken for equally interesting where the code that they reached is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(u64);

impl Outcome {
    /// Nothing to tell.
    pub const PLAIN: Outcome = Outcome(0);

    /// The name as a number.
    pub fn value(self) -> u64 {
        self.0
    }

    /// What became of it, and something more.
    #[must_use]
    pub fn and(self, more: impl std::hash::Hash) -> Outcome {
        use std::hash::Hasher;
        // Its keys are constant, unlike those of a HashMap: the same input, the same name.
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write_u64(self.0);
        more.hash(&mut hasher);
        Outcome(hasher.finish())
    }

    /// What became of it, and something more that is only told in words.
    #[must_use]
    pub fn and_debug(self, more: impl std::fmt::Debug) -> Outcome {
        self.and(format!("{more:?}"))
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! Arbitrary bytes for everything in `podos-proto` that takes bytes from others.
//!
//! A [`Target`] is a function of bytes that panics if the protocol's code does something wrong with
//! them, be it a panic of its own or a promise that it breaks. Each has a corpus: what real
//! encoders make ([`Target::seeds`]) and what was found, in `corpus/`.
//!
//! The same targets run in three ways: for a bounded time in the crate's own tests, with any
//! compiler; for any length of time by the program `podos-proto-fuzz`, guided by the code that an
//! input reached if it was built for that (see `README.md`); and under libFuzzer, see `libfuzzer/`.

pub mod bytes;
pub mod corpus;
pub mod desk;
pub mod engine;
pub mod mutator;
pub mod targets;

pub use targets::{Target, TARGETS};

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Benches: numbers of ours beside a peer's, from one run on one cluster.
//!
//! A [`bench::Bench`] says what it compares and measures it round by round; [`run::run`] boots its
//! cluster, and leaves a [`report::Report`] as JSON, Markdown and pictures.

#[macro_use]
extern crate podos_terminal;

mod answers;
pub mod bench;
pub mod benches;
pub mod document;
pub mod figure;
pub mod lab;
pub mod machine;
pub mod markdown;
pub mod measure;
pub mod paper_table;
pub mod plot;
pub mod profile;
pub mod report;
pub mod row;
pub mod run;
pub mod stats;

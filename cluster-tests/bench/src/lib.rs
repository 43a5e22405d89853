// SPDX-License-Identifier: MIT OR Apache-2.0

//! Benches: numbers of ours beside a peer's, from one run on one cluster.

pub mod document;
pub mod figure;
pub mod machine;
pub mod markdown;
pub mod measure;
pub mod plot;
pub mod report;
pub mod row;
pub mod stats;

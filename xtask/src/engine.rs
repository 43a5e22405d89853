// SPDX-License-Identifier: MIT OR Apache-2.0

//! The machinery of the pipeline: keys, the store of finished steps, jobs and progress.

pub mod job;
pub mod key;
pub mod progress;
pub mod run;
pub mod sandbox;
pub mod store;

pub use job::Job;
pub use key::{Inputs, Key};
pub use run::Run;
pub use sandbox::Sandbox;
pub use store::Output;

/// One step of the pipeline: a value that declares what it is made from and makes it.
///
/// A step value holds the [`Output`]s of the steps before it, so a step cannot even be named
/// before what it needs is there.
pub trait Step {
    /// Name in the store, the logs and on the terminal.
    const NAME: &'static str;
    /// Whether building needs the network (a cached output never does).
    const NETWORK: bool = false;
    /// How many finished outputs are kept for switching back and forth.
    const KEEP: usize = 8;

    /// Everything that the output depends on.
    fn inputs(&self) -> anyhow::Result<Inputs>;

    /// Makes the output in `job.out()`.
    fn build(&self, job: &mut Job<'_>) -> anyhow::Result<()>;

    /// What later steps see of a finished output; the key unless different inputs can lead to the
    /// same output and it is cheap to tell.
    fn identity(&self, key: &Key, _out: &std::path::Path) -> anyhow::Result<String> {
        Ok(key.to_string())
    }

    /// Why a finished output must be made again although its inputs are the same.
    fn outdated(&self, _out: &Output) -> anyhow::Result<Option<String>> {
        Ok(None)
    }

    /// What the user can do when the step fails.
    fn advice(&self) -> String;
}

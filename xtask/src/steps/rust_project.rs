// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's own crates, as `make rust-analyzer` lists them.

use anyhow::Result;

use super::{kernel_make, LINUX};
use crate::engine::{Inputs, Job, Output, Sandbox, Step};
use crate::fs;

/// The file that the kernel's own `make rust-analyzer` writes.
pub const FILE: &str = "rust-project.json";

/// Where a module tree would be; ours is added by the verb.
const PLACE: &str = "/build/none";

/// Makes `rust-project.json`, with places as they are inside the build root.
#[derive(Debug)]
pub struct RustProject<'a> {
    /// The toolchain, which has the standard library's sources.
    pub root: &'a Output,
    /// The kernel.
    pub kernel: &'a Output,
}

impl Step for RustProject<'_> {
    const NAME: &'static str = "rust-project";

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs
            .value("recipe", 1)
            .output(self.root)
            .output(self.kernel);
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let none = job.scratch().join("none");
        fs::create_dir(&none)?;
        fs::write(none.join("Kbuild"), "")?;
        let sandbox = Sandbox::new(self.root)
            .read_only(&self.kernel.path("devel"), LINUX)
            .writable(&none, PLACE);
        let module_tree = format!("M={PLACE}");
        let command = sandbox.command(kernel_make(&[&module_tree, "rust-analyzer"]));
        job.run("make rust-analyzer", &command)?;
        Ok(fs::copy(none.join(FILE), job.out().join(FILE))?)
    }

    fn advice(&self) -> String {
        "the kernel's scripts/generate_rust_analyzer.py writes it; its error is above".into()
    }
}

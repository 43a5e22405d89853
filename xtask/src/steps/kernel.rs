// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel: its boot image, and the tree that modules are built against.

use anyhow::Result;

use super::kernel_tree::KernelTree;
use super::{jobs, kernel_make};
use crate::engine::{Inputs, Job, Output, Step};
use crate::fs;

/// Makes `bzImage`, `System.map` and `devel/`.
#[derive(Debug)]
pub struct Kernel<'a> {
    /// The toolchain.
    pub root: &'a Output,
    /// The pristine source.
    pub source: &'a Output,
    /// The patched files.
    pub patched: &'a Output,
    /// The configuration.
    pub config: &'a Output,
    /// The kernel tree to use.
    pub tree: String,
}

/// What a module build reads of a built tree.
const DEVEL: &[&str] = &[
    ".clippy.toml",
    ".config",
    ".rustfmt.toml",
    "Kbuild",
    "Kconfig",
    "Makefile",
    "Module.symvers",
    "System.map",
    "arch/x86",
    "include",
    "rust",
    "scripts",
    "tools/objtool/objtool",
];

impl Step for Kernel<'_> {
    const NAME: &'static str = "kernel";

    fn inputs(&self) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs
            .value("recipe", 1)
            .output(self.root)
            .output(self.source)
            .output(self.patched);
        inputs.output(self.config);
        inputs.value("command", kernel_make(&["bzImage", "modules"]).join(" "));
        Ok(inputs)
    }

    fn build(&self, job: &mut Job<'_>) -> Result<()> {
        let tree = KernelTree::take(job, &self.tree, self.root, self.source, &self.patched.dir)?;
        let built = make(job, &tree, self.root, self.config, &["bzImage", "modules"]);
        if built.is_ok() {
            fs::copy(
                tree.path("arch/x86/boot/bzImage"),
                job.out().join("bzImage"),
            )?;
            fs::copy(tree.path("System.map"), job.out().join("System.map"))?;
            let devel = job.out().join("devel");
            fs::create_dir(&devel)?;
            let mut pack: Vec<std::ffi::OsString> = vec!["-c".into(), "-C".into()];
            pack.push(tree.path("").into());
            let kept_out = ["*.o", "*.a", "*.ko", ".*.cmd", "vmlinux*", "bzImage"];
            pack.extend(
                kept_out
                    .iter()
                    .map(|pattern| format!("--exclude={pattern}").into()),
            );
            pack.extend(DEVEL.iter().map(std::ffi::OsString::from));
            let copy = duct::cmd("tar", pack).pipe(duct::cmd!(
                "tar",
                "-x",
                "--no-same-owner",
                "-C",
                &devel
            ));
            job.run("cp of what modules are built against", &copy)?;
        }
        tree.give_back()?;
        built
    }

    fn advice(&self) -> String {
        "mend the patch or the option that the compiler names (`cargo xtask patches checkout`); what \
         was compiled already is kept for the next run"
            .into()
    }
}

/// Runs make for `targets` in a kernel tree with the configuration `config`.
pub fn make(
    job: &mut Job<'_>,
    tree: &KernelTree,
    root: &Output,
    config: &Output,
    targets: &[&str],
) -> Result<()> {
    tree.install(&config.path("config"), ".config")?;
    let sandbox = tree.sandbox(root);
    job.run(
        "make olddefconfig",
        &sandbox.command(kernel_make(&["olddefconfig"])),
    )?;
    let jobs = jobs();
    let arguments: Vec<_> = std::iter::once(jobs.as_str())
        .chain(targets.iter().copied())
        .collect();
    job.run(
        &format!("make {}", arguments.join(" ")),
        &sandbox.command(kernel_make(&arguments)),
    )
}

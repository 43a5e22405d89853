// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks the workspace with the oldest Rust that it says it needs: that of the build root.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{ensure, Context as _, Result};

use crate::children;
use crate::context::Context;
use crate::definitions::NODE;
use crate::engine::Run;
use crate::fs;
use crate::lock::{Lock, Locked};
use crate::pipeline;

/// See the module.
///
/// # Errors
///
/// What that compiler says, or that it is another one than `rust-version` names.
pub fn check(ctx: &Context) -> Result<()> {
    let base = pipeline::base(&mut Run::build(ctx, NODE), Lock::load(ctx.root())?)?;
    let root = base.root.as_ref().map(Locked::output);
    let root = root.context("a building pass left the build root out")?;
    let dir = fs::tempdir()?;
    let rustc = dir.path().join("rustc");
    fs::write(&rustc, wrapper(&root.path("root")))?;
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755))?;
    let ask = duct::cmd!(&rustc, "--version").stdout_capture();
    let version = children::succeed("the build root's rustc", &ask)?;
    let version = String::from_utf8_lossy(&version);
    let version = version.trim_end();
    let wanted = rust_version(&fs::read_to_string(ctx.path("Cargo.toml"))?)?;
    ensure!(
        version.starts_with(&format!("rustc {wanted}.")),
        "the build root has {version}, and Cargo.toml says rust-version = \"{wanted}\""
    );
    let mut arguments = vec!["check", "--quiet", "--locked", "--workspace"];
    arguments.extend(ctx.flags.offline.then_some("--offline"));
    let cargo = duct::cmd("cargo", &arguments)
        .dir(ctx.root())
        .env("RUSTC", &rustc)
        .env("CARGO_TARGET_DIR", ctx.path("target/oldest"))
        .env_remove("RUSTUP_TOOLCHAIN");
    children::succeed("cargo check", &cargo)
        .map(drop)
        .with_context(|| format!("cannot build the workspace with {version}"))
}

/// The build root's compiler as a program of this machine: with its own loader and libraries, so
/// that nothing of it needs to fit this machine's, and with the linker and libraries here.
fn wrapper(root: &Path) -> String {
    let root = root.display();
    format!(
        "#!/bin/sh\nexec '{root}/lib64/ld-linux-x86-64.so.2' \
         --library-path '{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib' \
         '{root}/usr/bin/rustc' --sysroot '{root}/usr' \"$@\"\n"
    )
}

/// The `rust-version` of a workspace's manifest.
fn rust_version(manifest: &str) -> Result<String> {
    let manifest: toml::Table = toml::from_str(manifest).context("cannot read Cargo.toml")?;
    let package = manifest
        .get("workspace")
        .and_then(|table| table.get("package"));
    let version = package.and_then(|table| table.get("rust-version"));
    let version = version.and_then(toml::Value::as_str);
    Ok(version
        .context("Cargo.toml has no rust-version")?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_tells_the_oldest_rust() -> Result<()> {
        let text = "[workspace.package]\nrust-version = \"1.85\"\n";
        assert_eq!(rust_version(text)?, "1.85");
        assert!(rust_version("[workspace]\n").is_err());
        Ok(())
    }

    #[test]
    fn a_place_may_have_blanks() {
        let text = wrapper(Path::new("/a b/root"));
        assert!(
            text.contains("'/a b/root/usr/bin/rustc' --sysroot '/a b/root/usr' \"$@\""),
            "{text}"
        );
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! `cargo xtask rust-analyzer`: the modules' sources, as editors understand them.
//!
//! The modules are no cargo packages, so rust-analyzer needs to be told of their crates: the
//! kernel's, which its own build lists, and ours, which Kbuild does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{bail, ensure, Context as _, Result};
use serde_json::{json, Value};

use crate::context::Context;
use crate::definitions::{Profile, NODE};
use crate::engine::Run;
use crate::steps::rust_project::FILE;
use crate::steps::LINUX;
use crate::{fs, host, pipeline, Xtask};

const KMODS: &str = "rust-kmods";

/// Crates of the kernel that every module sees.
const PRELUDE: [&str; 5] = ["core", "kernel", "macros", "pin_init", "zerocopy"];

/// Write rust-kmods/rust-project.json, by which editors understand the modules.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask rust-analyzer\n\n\
    Editors then want both projects: rust-analyzer.linkedProjects = \
    [\"Cargo.toml\", \"rust-kmods/rust-project.json\"]. The kernel's procedural macros are built by the build \
    root's compiler, which another rust-analyzer may refuse to run: what they make is unknown then.")]
pub struct RustAnalyzer {}

impl Xtask for RustAnalyzer {
    fn run(self, ctx: &Context) -> Result<ExitCode> {
        host::ensure(ctx)?;
        let profile = Profile::load(ctx, NODE)?;
        let parts = pipeline::rust_project(&mut Run::build(ctx, NODE), &profile)?;
        let (root, kernel, project) = parts.context("a building pass left a step out")?;
        let made = project.path(FILE);
        let text = fs::read_to_string(&made)?;
        let (devel, root) = (kernel.path("devel"), root.path("root"));
        let mut project: Value = serde_json::from_str(&text)
            .with_context(|| format!("cannot parse {}", made.display()))?;
        relocate(&mut project, &devel, &root);
        let kbuild = fs::read_to_string(ctx.path(KMODS).join("Kbuild"))?;
        add(&mut project, &crates(&kbuild)?, &ctx.path(KMODS))
            .with_context(|| format!("cannot add the modules to {}", made.display()))?;
        let place = ctx.path(KMODS).join(FILE);
        fs::write(&place, serde_json::to_string_pretty(&project)?)?;
        println!(
            "{KMODS}/{FILE} is written; rust-analyzer.linkedProjects = \
             [\"Cargo.toml\", \"{KMODS}/{FILE}\"]"
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// Has all places of the build root be those that they have on this machine.
fn relocate(value: &mut Value, devel: &Path, root: &Path) {
    match value {
        Value::String(text) => {
            if let Some(rest) = text.strip_prefix(LINUX) {
                *text = format!("{}{rest}", devel.display());
            } else if text == "/usr" || text.starts_with("/usr/") {
                *text = format!("{}{text}", root.display());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|one| relocate(one, devel, root)),
        Value::Object(values) => values
            .values_mut()
            .for_each(|one| relocate(one, devel, root)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Our crates by name, each with those of ours that it is compiled against; a crate comes behind
/// those.
fn crates(kbuild: &str) -> Result<Vec<(String, Vec<String>)>> {
    let mut libraries = BTreeMap::<&str, Vec<&str>>::new();
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in kbuild.lines() {
        let Some(words) = line.strip_prefix("$(eval $(call podos-module,") else {
            continue;
        };
        let words = words
            .strip_suffix("))")
            .with_context(|| format!("rust-kmods/Kbuild: `{line}` has no end"))?;
        let parts: Vec<_> = words.split(',').collect();
        let [name, own, uses] = parts[..] else {
            bail!("rust-kmods/Kbuild: `{line}` has not three parts");
        };
        let own: Vec<_> = own.split_whitespace().collect();
        for library in &own {
            found.push(((*library).to_owned(), Vec::new()));
        }
        let mut against: Vec<_> = own.iter().map(|name| (*name).to_owned()).collect();
        for used in uses.split_whitespace() {
            let of_used = libraries.get(used).with_context(|| {
                format!("rust-kmods/Kbuild: {name} uses {used}, which comes behind it")
            })?;
            against.extend(of_used.iter().map(|name| (*name).to_owned()));
            against.push(used.to_owned());
        }
        libraries.insert(name, own);
        found.push((name.to_owned(), against));
    }
    ensure!(!found.is_empty(), "rust-kmods/Kbuild names no module");
    Ok(found)
}

/// Adds our crates, in `folder`, to the kernel's.
fn add(project: &mut Value, crates: &[(String, Vec<String>)], folder: &Path) -> Result<()> {
    let known = project["crates"]
        .as_array_mut()
        .context("it has no crates")?;
    let mut index = BTreeMap::<String, usize>::new();
    for (number, one) in known.iter().enumerate() {
        let name = one["display_name"]
            .as_str()
            .context("a crate has no name")?;
        index.insert(name.to_owned(), number);
    }
    let kernel = index.get("kernel").context("it has no crate kernel")?;
    let mut cfg = known[*kernel]["cfg"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    cfg.push("MODULE".into());
    for (name, against) in crates {
        let crate_name = format!("podos_{name}");
        let root = match name.as_str() {
            "proto" => "proto/src/podos_proto.rs".to_owned(),
            _ => format!("{name}/{crate_name}.rs"),
        };
        let wanted = PRELUDE.iter().map(|name| (*name).to_owned());
        let wanted = wanted.chain(against.iter().map(|name| format!("podos_{name}")));
        let deps = wanted.map(|name| {
            let crate_number = index
                .get(&name)
                .with_context(|| format!("it has no crate {name}"))?;
            Ok(json!({ "crate": crate_number, "name": name }))
        });
        let entry = json!({
            "display_name": crate_name,
            "root_module": folder.join(root),
            "is_workspace_member": true,
            "edition": "2021",
            "cfg": cfg,
            "deps": deps.collect::<Result<Vec<_>>>()?,
            "env": { "RUST_MODFILE": "This is only for rust-analyzer" },
        });
        index.insert(crate_name, known.len());
        known.push(entry);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KBUILD: &str = "# x\n$(eval $(call podos-module,cm,proto sys,))\n\
        $(eval $(call podos-module,rm,,cm))\n$(eval $(call podos-module,pdfs,,cm rm))\n";

    #[test]
    fn crates_come_with_what_they_are_compiled_against() -> Result<()> {
        let crates = crates(KBUILD)?;
        let names: Vec<_> = crates.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["proto", "sys", "cm", "rm", "pdfs"]);
        assert_eq!(crates[2].1, ["proto", "sys"]);
        assert_eq!(crates[4].1, ["proto", "sys", "cm", "rm"]);
        assert!(super::crates("$(eval $(call podos-module,rm,,cm))").is_err());
        Ok(())
    }

    #[test]
    fn the_modules_of_the_tree_are_there() -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(KMODS);
        let crates = crates(&fs::read_to_string(folder.join("Kbuild"))?)?;
        let kernel = PRELUDE.map(|name| json!({ "display_name": name, "cfg": ["CONFIG_X"] }));
        let mut project = json!({ "crates": kernel });
        add(&mut project, &crates, &folder)?;
        let all = project["crates"].as_array().context("crates")?;
        for one in &all[PRELUDE.len()..] {
            let root = one["root_module"].as_str().context("a root")?;
            assert!(Path::new(root).is_file(), "{root}");
            for dep in one["deps"].as_array().context("deps")? {
                let number = dep["crate"].as_u64().context("a number")? as usize;
                assert_eq!(all[number]["display_name"], dep["name"]);
            }
        }
        Ok(())
    }

    #[test]
    fn places_are_those_of_this_machine() {
        let mut project = json!({
            "sysroot": "/usr", "crates": [{ "root_module": "/build/linux/rust/ffi.rs", "n": 1 },
                { "root_module": "/usr/src/rust/core/src/lib.rs" }],
        });
        relocate(&mut project, Path::new("/s/devel"), Path::new("/s/root"));
        assert_eq!(project["sysroot"], "/s/root/usr");
        assert_eq!(project["crates"][0]["root_module"], "/s/devel/rust/ffi.rs");
        assert_eq!(
            project["crates"][1]["root_module"],
            "/s/root/usr/src/rust/core/src/lib.rs"
        );
    }
}

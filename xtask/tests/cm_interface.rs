// SPDX-License-Identifier: MIT OR Apache-2.0

//! docs/cm-interface.md, the example that it explains and the interface that it documents agree.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn page() -> String {
    read("docs/cm-interface.md")
}

/// The page's pieces of a language, without the fences.
fn pieces<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn every_piece_is_in_the_example() {
    let example = read("rust-kmods/example/podos_example.rs");
    let page = page();
    let pieces = pieces(&page, "rust");
    assert!(pieces.len() >= 10, "only {} pieces", pieces.len());
    for piece in pieces {
        assert!(
            example.contains(piece),
            "docs/cm-interface.md quotes what rust-kmods/example/podos_example.rs no more has:\n{piece}"
        );
    }
}

#[test]
fn the_commands_are_those_of_the_example() {
    let example = read("rust-kmods/example/podos_example.rs");
    let page = page();
    for line in pieces(&page, "sh").iter().flat_map(|piece| piece.lines()) {
        let documented = format!("//! {line}\n");
        assert!(example.contains(&documented), "not in the example: {line}");
    }
}

/// What `pub use` and `pub fn` in the crate's root give to the layers.
fn public_names(root: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for statement in root.split(';') {
        if let Some((_, list)) = statement.split_once("pub use ") {
            let list = list.rsplit("::").next().unwrap();
            let list = list.trim_matches(|c: char| "{}\n ".contains(c));
            names.extend(
                list.split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty()),
            );
        }
    }
    for line in root.lines() {
        if let Some(function) = line.strip_prefix("pub fn ") {
            names.extend(function.split('(').next());
        }
    }
    names
}

#[test]
fn every_public_name_is_documented() {
    let root = read("rust-kmods/cm/podos_cm.rs");
    let names = public_names(&root);
    assert!(names.contains(&"Circuit") && names.contains(&"local_gpid"));
    let page = page();
    let missing: Vec<_> = names
        .into_iter()
        .filter(|name| !page.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/cm-interface.md says nothing of {missing:?}"
    );
}

/// Functions that a circuit has for the layers, wherever they are written.
#[test]
fn every_function_of_a_circuit_is_documented() {
    let page = page();
    for file in ["circuit.rs", "opening.rs", "nonblocking.rs"] {
        let source = read(&format!("rust-kmods/cm/{file}"));
        let (_, methods) = source.split_once("impl Circuit {").unwrap();
        let (methods, _) = methods.split_once("\n}\n").unwrap();
        for line in methods.lines() {
            let Some(function) = line.trim_start().strip_prefix("pub fn ") else {
                continue;
            };
            let name = function.split(['(', '<']).next().unwrap();
            assert!(page.contains(name), "{file}: `{name}` is not documented");
        }
    }
}

#[test]
fn names_are_found() {
    let root = "pub use a::{B, c};\npub use d::E;\nuse f::G;\npub fn h(i: u32) {}\npub use j::{\n    K, l,\n};";
    assert_eq!(public_names(root), ["B", "c", "E", "K", "l", "h"]);
}

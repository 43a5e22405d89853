// SPDX-License-Identifier: MIT OR Apache-2.0

//! Follows the recipes of CONTRIBUTING.md to the letter, in a copy of this tree: what is added by
//! their words alone has to build and to run.
//!
//! A code block says by the words behind its language what is done with it: `new=FILE` is a new
//! file, `in=FILE after="LINE"` goes behind that line, `run` are commands that have to succeed.
//! All files are put in place first, then the commands run.

use std::path::Path;

use anyhow::{bail, ensure, Context as _, Result};

use super::copy;
use crate::context::Context;
use crate::fs;

const PAGE: &str = "CONTRIBUTING.md";

/// What a code block wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    New {
        file: &'a str,
        text: &'a str,
    },
    Insert {
        file: &'a str,
        after: &'a str,
        text: &'a str,
    },
    Run(&'a str),
}

/// See the module.
///
/// # Errors
///
/// The step that could not be followed, and why.
pub fn check(ctx: &Context) -> Result<()> {
    let page = fs::read_to_string(ctx.path(PAGE))?;
    let steps = steps(&page)?;
    let copy = copy::of_tree(ctx)?;
    for step in &steps {
        follow(copy.path(), *step)?;
    }
    let commands = steps.iter().flat_map(|step| match step {
        Step::Run(commands) => commands.lines(),
        Step::New { .. } | Step::Insert { .. } => "".lines(),
    });
    let commands: Vec<_> = commands.collect();
    let done = commands
        .iter()
        .try_for_each(|command| copy.succeed(command));
    if done.is_err() {
        // What was started on the way is ended as the recipe has it; that it failed is told.
        for command in commands
            .iter()
            .filter(|command| command.contains(" cluster down "))
        {
            let _ = copy.succeed(command);
        }
    }
    done
}

/// The blocks of a page that want something done, in order.
fn steps(page: &str) -> Result<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = page;
    while let Some((_, block)) = rest.split_once("\n```") {
        let (head, body) = block
            .split_once('\n')
            .context("a code block without an end")?;
        let end = body.find("```").context("a code block without an end")?;
        let text = &body[..end];
        if let Some((_, words)) = head.split_once(' ') {
            steps.push(step(words, text).with_context(|| format!("{PAGE}: `{head}`"))?);
        }
        rest = &body[end + 3..];
    }
    ensure!(!steps.is_empty(), "{PAGE} has no recipe");
    Ok(steps)
}

fn step<'a>(words: &'a str, text: &'a str) -> Result<Step<'a>> {
    if words == "run" {
        return Ok(Step::Run(text));
    }
    if let Some(file) = words.strip_prefix("new=") {
        return Ok(Step::New { file, text });
    }
    let insert = words.strip_prefix("in=").and_then(|rest| {
        let (file, after) = rest.split_once(" after=\"")?;
        let after = after.strip_suffix('"')?;
        Some(Step::Insert { file, after, text })
    });
    insert.context("it says neither new=FILE, nor in=FILE after=\"LINE\", nor run")
}

fn follow(root: &Path, step: Step<'_>) -> Result<()> {
    match step {
        Step::Run(_) => Ok(()),
        Step::New { file, text } => {
            let path = root.join(file);
            ensure!(!path.exists(), "{PAGE}: {file} is there already");
            let folder = path.parent().context("a file is in a folder")?;
            fs::create_dir_all(folder)?;
            Ok(fs::write(&path, text)?)
        }
        Step::Insert { file, after, text } => {
            let path = root.join(file);
            let old = fs::read_to_string(&path)?;
            let new = inserted(&old, after, text).with_context(|| format!("{PAGE}: {file}"))?;
            Ok(fs::write(&path, new)?)
        }
    }
}

/// The text with more behind the one line that reads `after`.
fn inserted(old: &str, after: &str, more: &str) -> Result<String> {
    let is_it = |line: &str| line.trim() == after;
    match old.lines().filter(|line| is_it(line)).count() {
        1 => {}
        count => bail!("the line `{after}` is there {count} times, not once"),
    }
    let mut new = String::new();
    for line in old.lines() {
        new += line;
        new += "\n";
        if is_it(line) {
            new += more;
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page\n\n```\nno step\n```\n\n```rust new=a/b.rs\nfn b() {}\n```\ntext\n\
        ```make in=Kbuild after=\"one\"\ntwo\n```\n```sh run\ntrue\n```\n";

    #[test]
    fn blocks_are_steps_by_the_words_behind_their_language() -> Result<()> {
        let steps = steps(PAGE)?;
        let (file, text) = ("a/b.rs", "fn b() {}\n");
        let insert = Step::Insert {
            file: "Kbuild",
            after: "one",
            text: "two\n",
        };
        assert_eq!(
            steps,
            [Step::New { file, text }, insert, Step::Run("true\n")]
        );
        let error = super::steps(&PAGE.replace("sh run", "sh walk")).unwrap_err();
        assert!(format!("{error:#}").contains("`sh walk`"), "{error:#}");
        Ok(())
    }

    #[test]
    fn files_are_made_and_lines_put_behind_others() -> Result<()> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("Kbuild"), "zero\n  one\nthree\n")?;
        for step in steps(PAGE)? {
            follow(dir.path(), step)?;
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name));
        assert_eq!(read("a/b.rs")?, "fn b() {}\n");
        assert_eq!(read("Kbuild")?, "zero\n  one\ntwo\nthree\n");
        for step in steps(PAGE)?.into_iter().take(1) {
            assert!(follow(dir.path(), step).is_err(), "it is there already");
        }
        assert!(inserted("x\nx\n", "x", "y").is_err() && inserted("", "x", "y").is_err());
        Ok(())
    }

    #[test]
    fn the_page_has_the_recipes_and_they_fit_the_tree() -> Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let page = fs::read_to_string(root.join(super::PAGE))?;
        for step in steps(&page)? {
            match step {
                Step::Insert { file, after, text } => {
                    inserted(&fs::read_to_string(root.join(file))?, after, text)?;
                }
                Step::New { file, .. } => assert!(!root.join(file).exists(), "{file}"),
                Step::Run(_) => {}
            }
        }
        Ok(())
    }
}

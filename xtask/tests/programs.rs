// SPDX-License-Identifier: MIT OR Apache-2.0

//! Verbs whose work is another program's: what that program has of who called the verb, and of who
//! ends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use rustix::process::{kill_process, test_kill_process_group, Pid, Signal};

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with programs in the place of cargo's and of those that cargo builds: all they do is to
/// say who they are.
struct Stage {
    dir: tempfile::TempDir,
}

impl Stage {
    /// With `builds`, cargo comes to an end.
    fn new(builds: bool) -> Result<Self> {
        let stage = Stage {
            dir: tempfile::tempdir()?,
        };
        let wait = |who: &str| {
            let file = stage.file(who);
            let file = file.display();
            // A shell has what it starts with `&` ignore the keyboard.
            format!(
                "echo \"$@\" > {file}.words\npwd > {file}.place\n\
                 {{ umask; locale; date +%Z; }} > {file}.surroundings\n\
                 env --default-signal sh -c \
                 \"echo $$ > {file}.new; mv {file}.new {file}; exec sleep 600\" &\nwait\n"
            )
        };
        let artifact = |name: &str| {
            let program = stage.file("stand-in");
            let program = program.display();
            format!("echo '{{\"target\":{{\"name\":\"{name}\"}},\"executable\":\"{program}\"}}'\n")
        };
        let cargo = match builds {
            true => ["cluster-tests", "podos-bench"].map(artifact).concat(),
            false => wait("cargo.pid"),
        };
        stage.script("cargo", &cargo)?;
        stage.script("stand-in", &wait("program.pid"))?;
        Ok(stage)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn script(&self, name: &str, text: &str) -> Result<()> {
        let path = self.file(name);
        fs::write(&path, format!("#!/bin/sh\n{text}"))?;
        Ok(fs::set_permissions(
            &path,
            fs::Permissions::from_mode(0o755),
        )?)
    }

    /// Whoever calls it makes no file for others, and lives elsewhere.
    fn xtask(&self, words: &[&str], from: &Path) -> Result<Child> {
        Ok(Command::new("env")
            .args([
                "--default-signal",
                "sh",
                "-c",
                "umask 077; exec \"$@\"",
                "sh",
            ])
            .arg(env!("CARGO_BIN_EXE_xtask"))
            .args(words)
            .env("CARGO", self.file("cargo"))
            .env("LANG", "tr_TR.UTF-8")
            .env("LANGUAGE", "tr")
            .env("LC_NUMERIC", "tr_TR.UTF-8")
            .env("TZ", "Asia/Kathmandu")
            .current_dir(from)
            .stdout(Stdio::null())
            .spawn()?)
    }

    /// The process group of `who`, once it is there.
    fn group(&self, who: &str) -> Result<Pid> {
        let file = self.file(who);
        until(|| file.exists()).with_context(|| format!("{who} was not started"))?;
        let pid = fs::read_to_string(file)?.trim().parse()?;
        Pid::from_raw(pid).context("no pid")
    }
}

fn until(done: impl Fn() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !done() {
        ensure!(begin.elapsed() < PATIENCE, "it takes too long");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn ends(stage: &Stage, mut xtask: Child, who: &str, signal: Signal) -> Result<()> {
    let group = stage.group(who)?;
    kill_process(Pid::from_child(&xtask), signal)?;
    assert_eq!(xtask.wait()?.signal(), Some(signal.as_raw()));
    until(|| test_kill_process_group(group).is_err())
        .with_context(|| format!("{who} is there still"))
}

#[test]
fn a_verb_that_is_ended_ends_its_program() -> Result<()> {
    for words in [
        &["cluster-test", "--image-dir", "image"][..],
        &["bench", "--list"],
    ] {
        for signal in [Signal::TERM, Signal::INT] {
            let stage = Stage::new(true)?;
            let xtask = stage.xtask(words, stage.dir.path())?;
            ends(&stage, xtask, "program.pid", signal)?;
        }
    }
    Ok(())
}

#[test]
fn a_verb_that_is_ended_ends_the_build_of_its_program() -> Result<()> {
    let stage = Stage::new(false)?;
    let xtask = stage.xtask(&["cluster-test", "--list"], stage.dir.path())?;
    ends(&stage, xtask, "cargo.pid", Signal::TERM)
}

/// What is on the command line is meant from where the caller stands.
#[test]
fn a_program_is_given_our_words_and_runs_where_we_do() -> Result<()> {
    let stage = Stage::new(true)?;
    let here = stage.file("here");
    fs::create_dir(&here)?;
    let words = [
        "cluster-test",
        "--image-dir",
        "image",
        "--report-dir=../r",
        "a b",
        "--keep",
    ];
    let xtask = stage.xtask(&words, &here)?;
    stage.group("program.pid")?;
    let read = |what: &str| fs::read_to_string(stage.file(&format!("program.pid.{what}")));
    assert_eq!(
        read("place")?.trim(),
        here.canonicalize()?.to_string_lossy()
    );
    assert_eq!(
        read("words")?.trim(),
        "--keep --report-dir=../r --image-dir=image -- a b"
    );
    ends(&stage, xtask, "program.pid", Signal::TERM)
}

#[test]
fn a_program_has_the_same_surroundings_whoever_calls() -> Result<()> {
    let stage = Stage::new(true)?;
    let xtask = stage.xtask(&["bench", "--list"], stage.dir.path())?;
    stage.group("program.pid")?;
    let said = fs::read_to_string(stage.file("program.pid.surroundings"))?;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        (lines[0], lines[lines.len() - 1]),
        ("0022", "UTC"),
        "{said}"
    );
    for line in [
        "LANGUAGE=",
        "LC_NUMERIC=\"C.UTF-8\"",
        "LC_MESSAGES=\"C.UTF-8\"",
    ] {
        assert!(lines.contains(&line), "{said}");
    }
    ends(&stage, xtask, "program.pid", Signal::TERM)
}

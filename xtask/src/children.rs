// SPDX-License-Identifier: MIT OR Apache-2.0

//! The programs that verbs run: all are started here.
//!
//! Each leads a process group, so that a signal for it (see [`crate::signals`]) reaches what it
//! started itself as well: cargo's compilers and tests. None reads our standard input. Questions that
//! are answered at once, as for a version, are asked by xshell.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Output};

use anyhow::{ensure, Context as _, Result};
use duct::{Expression, Handle};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::process::{
    getpid, getppid, set_parent_process_death_signal, waitid, Pid, Signal, WaitId, WaitIdOptions,
};

use crate::signals;

/// Runs it to its end, whatever its status. What it prints goes where ours goes, unless the
/// expression says otherwise.
///
/// # Errors
///
/// It can't be started.
pub fn output(program: &Expression) -> io::Result<Output> {
    Running::start(program)?.end()
}

/// Runs it to its end, which must be a good one; what it printed, if the expression captures that.
///
/// # Errors
///
/// It can't be started, or fails; `what` names it.
pub fn succeed(what: &str, program: &Expression) -> Result<Vec<u8>> {
    let output = output(program).with_context(|| format!("cannot start {what}"))?;
    ensure!(
        output.status.success(),
        "cannot run {what}: {}",
        output.status
    );
    Ok(output.stdout)
}

/// Runs it to its end, whatever its status, and shows each line that it prints to `see`: those of
/// standard error among the others.
///
/// # Errors
///
/// It can't be started, or its output can't be read; `what` names it.
pub fn lines(what: &str, program: &Expression, see: impl FnMut(&str)) -> Result<ExitStatus> {
    let start = || -> io::Result<_> {
        let (printed, print) = pipe_with(PipeFlags::CLOEXEC)?;
        let program = program.stderr_to_stdout().stdout_file(print);
        Ok((Running::start(&program)?, File::from(printed)))
    };
    let (running, printed) = start().with_context(|| format!("cannot start {what}"))?;
    let read = read_lines(printed, see);
    let output = running.end();
    read.with_context(|| format!("cannot read the output of {what}"))?;
    Ok(output
        .with_context(|| format!("cannot wait for {what}"))?
        .status)
}

fn read_lines(from: File, mut see: impl FnMut(&str)) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        see(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

/// Has a program told to end when we are killed without a chance to pass a signal on. That goes by
/// the thread that starts it, which waits for it.
fn end_with_us(command: &mut Command) {
    let us = getpid();
    let prepare = move || -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // We may have died before the line above.
        match getppid() == Some(us) {
            true => Ok(()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    };
    // SAFETY: `prepare` makes system calls only: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

/// The programs of an expression, under way.
struct Running {
    handle: Handle,
    leaders: Vec<Pid>,
}

impl Running {
    fn start(program: &Expression) -> io::Result<Self> {
        let program = program.stdin_null().unchecked().before_spawn(|command| {
            command.process_group(0);
            end_with_us(command);
            Ok(())
        });
        signals::for_groups(|| {
            let handle = program.start()?;
            let pids = handle.pids().into_iter();
            let leaders: Vec<_> = pids.filter_map(|pid| Pid::from_raw(pid as i32)).collect();
            let running = Running {
                handle,
                leaders: leaders.clone(),
            };
            Ok((running, leaders))
        })
    }

    /// Waits for the end of all.
    fn end(self) -> io::Result<Output> {
        for leader in &self.leaders {
            // Their numbers are to be theirs until nobody would send them a signal any more.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(*leader), options) {}
        }
        signals::ended(&self.leaders);
        self.handle.into_output()
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::os::unix::process::ExitStatusExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    use duct::cmd;
    use rustix::process::{kill_process, kill_process_group, test_kill_process_group};

    use super::*;

    /// Has the test below be the program that is signalled, in this folder.
    const VERB: &str = "PODOS_TEST_OF_CHILDREN_IN";
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Two programs that start one more each, say so, and take their time to end.
    fn verb(dir: &Path) -> Result<()> {
        let script = |name: &str| {
            let name = dir.join(name).to_string_lossy().into_owned();
            // A shell has what it starts with `&` ignore the keyboard.
            format!(
                "trap 'sleep 0.2; echo > {name}.ended; exit 3' HUP INT QUIT TERM\n\
                 env --default-signal sh -c \
                 \"echo $$ > {name}.new; mv {name}.new {name}; exec sleep 600\" &\nwait; wait"
            )
        };
        let one = cmd!("sh", "-c", script("one"));
        let other = cmd!("sh", "-c", script("other"));
        lines("both", &one.pipe(other), |_| {})?;
        fs::write(dir.join("went-on"), "")?;
        Ok(())
    }

    struct Verb {
        dir: tempfile::TempDir,
        child: Child,
    }

    impl Verb {
        fn start(prefix: &[&str]) -> Result<Self> {
            let dir = tempfile::tempdir()?;
            let words = [&["env", "--default-signal"], prefix].concat();
            let name = "children::tests::a_signal_for_us_is_one_for_what_we_run";
            let child = Command::new(words[0])
                .args(&words[1..])
                .arg(env::current_exe()?)
                .args(["--exact", name])
                .env(VERB, dir.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            Ok(Verb { dir, child })
        }

        fn file(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        /// The groups, once they are there.
        fn groups(&self) -> Result<Vec<Pid>> {
            let mut groups = Vec::new();
            for name in ["one", "other"] {
                until(|| self.file(name).exists())?;
                let pid = fs::read_to_string(self.file(name))?;
                groups.extend(pid.trim().parse().ok().and_then(Pid::from_raw));
            }
            ensure!(groups.len() == 2, "{groups:?}");
            Ok(groups)
        }

        fn send(&self, signal: Signal) -> Result<()> {
            Ok(kill_process(Pid::from_child(&self.child), signal)?)
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

    /// R, S, T, Z and so on; `None` when it is gone.
    fn state(pid: Pid) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    #[test]
    fn a_signal_for_us_is_one_for_what_we_run() -> Result<()> {
        if let Some(dir) = env::var_os(VERB) {
            return verb(Path::new(&dir));
        }
        for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
            let mut verb = Verb::start(&[])?;
            let groups = verb.groups()?;
            verb.send(signal)?;
            let status = verb.child.wait()?;
            assert_eq!(status.signal(), Some(signal.as_raw()));
            // It waited for them, and did nothing more.
            assert!(verb.file("one.ended").exists() && verb.file("other.ended").exists());
            assert!(!verb.file("went-on").exists());
            for group in groups {
                until(|| test_kill_process_group(group).is_err())?;
            }
        }
        Ok(())
    }

    #[test]
    fn what_we_run_ends_when_we_are_killed() -> Result<()> {
        let mut verb = Verb::start(&[])?;
        let groups = verb.groups()?;
        verb.send(Signal::KILL)?;
        verb.child.wait()?;
        for name in ["one.ended", "other.ended"] {
            until(|| verb.file(name).exists())?;
        }
        for group in groups {
            // What they started themselves has nobody to tell it.
            let _ = kill_process_group(group, Signal::KILL);
        }
        Ok(())
    }

    #[test]
    fn what_is_stopped_goes_on_with_what_we_run() -> Result<()> {
        let mut verb = Verb::start(&[])?;
        let groups = verb.groups()?;
        let all_are = |stopped: bool| {
            let pids = groups.iter().copied().chain([Pid::from_child(&verb.child)]);
            pids.map(state).all(|state| (state == Some('T')) == stopped)
        };
        verb.send(Signal::TSTP)?;
        until(|| all_are(true))?;
        verb.send(Signal::CONT)?;
        until(|| all_are(false))?;
        verb.send(Signal::TERM)?;
        assert_eq!(verb.child.wait()?.signal(), Some(libc::SIGTERM));
        Ok(())
    }

    #[test]
    fn what_nohup_has_us_ignore_ends_nobody() -> Result<()> {
        let mut verb = Verb::start(&["--ignore-signal=HUP"])?;
        verb.groups()?;
        verb.send(Signal::HUP)?;
        verb.send(Signal::TERM)?;
        // The first that is taken is the one.
        assert_eq!(verb.child.wait()?.signal(), Some(libc::SIGTERM));
        Ok(())
    }

    #[test]
    fn a_program_has_no_input_and_its_lines_are_seen() -> Result<()> {
        let mut seen = Vec::new();
        let program = cmd!(
            "sh",
            "-c",
            "cat; echo out; echo err >&2; printf last; exit 7"
        );
        let status = lines("it", &program, |line| seen.push(line.to_owned()))?;
        assert_eq!(status.code(), Some(7));
        assert_eq!(seen, ["out", "err", "last"]);
        let error = succeed("it", &program.stdout_null().stderr_null()).unwrap_err();
        assert_eq!(error.to_string(), "cannot run it: exit status: 7");
        let error = succeed("it", &cmd!("/nonexistent/program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start it");
        Ok(())
    }
}

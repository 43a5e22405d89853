// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs that run for as long as the node does.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use podos_init::config::{self, Start};
use podos_process::child::{self, Spawned};
use podos_process::{Exit, ENVIRONMENT};
use rustix::process::{ioctl_tiocsctty, setsid, Pid};

/// A program that ran this long did its work, and is started again at once.
const SETTLED: Duration = Duration::from_secs(1);
/// The pause before the second start in a row of one that did not; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Where programs without a terminal write to.
const CONSOLE: &str = "/dev/console";

/// One program and how it fares.
#[derive(Debug)]
pub struct Service {
    name: String,
    config: config::Service,
    state: State,
    pause: Duration,
    /// Said last; a service that fails the same way again and again says so once.
    said: String,
}

#[derive(Debug)]
enum State {
    Off,
    Due(Instant),
    Running(Pid, Instant),
}

impl Service {
    /// A service that does not run yet.
    pub fn new(name: String, config: config::Service) -> Self {
        Self {
            name,
            config,
            state: State::Off,
            pause: Duration::ZERO,
            said: String::new(),
        }
    }

    /// When it is to be turned on.
    pub fn start(&self) -> Start {
        self.config.start
    }

    /// From now on the program is kept running.
    pub fn turn_on(&mut self, now: Instant) {
        self.state = State::Due(now);
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Due(at) => Some(at),
            State::Off | State::Running(..) => None,
        }
    }

    /// Starts the program when it is time; gives what is worth saying.
    pub fn tick(&mut self, now: Instant) -> Option<String> {
        if self.deadline().is_none_or(|at| at > now) {
            return None;
        }
        let started = spawn(&self.config).and_then(|mut spawned| match spawned.failure() {
            None => Ok(spawned.pid),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        });
        match started {
            Ok(pid) => {
                self.state = State::Running(pid, now);
                None
            }
            Err(error) => {
                self.state = State::Due(now + self.next_pause());
                self.say(format!("cannot start service {}: {error}", self.name))
            }
        }
    }

    /// A process has ended; gives what is worth saying if it was this service's.
    pub fn ended(&mut self, pid: Pid, exit: Exit, now: Instant) -> Option<String> {
        let State::Running(own, since) = self.state else {
            return None;
        };
        if own != pid {
            return None;
        }
        if now.saturating_duration_since(since) >= SETTLED {
            self.pause = Duration::ZERO;
            self.said.clear();
            self.state = State::Due(now);
        } else {
            self.state = State::Due(now + self.next_pause());
        }
        if exit.success() {
            return None;
        }
        self.say(format!(
            "service {} ended ({exit}) and is started again",
            self.name
        ))
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
        pause
    }

    fn say(&mut self, what: String) -> Option<String> {
        if what == self.said {
            return None;
        }
        self.said.clone_from(&what);
        Some(what)
    }
}

fn spawn(service: &config::Service) -> io::Result<Spawned> {
    let [program, arguments @ ..] = &service.command[..] else {
        return Err(io::Error::other("its command is empty"));
    };
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NOCTTY);
    let terminal = match &service.terminal {
        Some(terminal) => Some(options.read(true).open(terminal)?),
        None => None,
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(ENVIRONMENT);
    match &terminal {
        Some(terminal) => command
            .stdin(terminal.try_clone()?)
            .stdout(terminal.try_clone()?)
            .stderr(terminal.try_clone()?)
            .current_dir("/root")
            .env("TERM", "vt102"),
        None => {
            let console = options.open(CONSOLE)?;
            command
                .stdin(Stdio::null())
                .stdout(console.try_clone()?)
                .stderr(console)
                .current_dir("/")
                .process_group(0)
        }
    };
    let adjustment = service.oom_score_adj;
    child::spawn(command, move || {
        if let Some(adjustment) = adjustment {
            std::fs::write("/proc/self/oom_score_adj", adjustment.to_string())?;
        }
        if let Some(terminal) = &terminal {
            // Ctrl-C and job control need a terminal of the program's own.
            setsid()?;
            ioctl_tiocsctty(terminal)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use podos_process::reaper::wait_for;

    /// A service that has what init has not given to it in a test: a terminal is none of a test's.
    fn service(command: &[&str]) -> Service {
        let config = config::Service {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            start: Start::Booted,
            terminal: None,
            oom_score_adj: Some(300),
        };
        Service::new("it".into(), config)
    }

    #[test]
    fn a_missing_program_is_said_once_and_tried_ever_more_seldom() {
        let mut service = service(&["/no/such/program"]);
        let mut now = Instant::now();
        assert_eq!(service.deadline(), None);
        service.turn_on(now);
        let said = service.tick(now).unwrap();
        assert!(
            said.contains("cannot start service it: No such file"),
            "{said}"
        );
        let mut pauses = vec![];
        for _ in 0..10 {
            let next = service.deadline().unwrap();
            pauses.push(next - now);
            now = next;
            assert_eq!(service.tick(now), None);
        }
        assert_eq!(pauses[..3], [0, 50, 100].map(Duration::from_millis));
        assert_eq!(pauses[9], LAST_PAUSE);
    }

    #[test]
    fn a_program_that_ran_is_started_again_at_once() {
        let mut service = service(&["sleep", "1000"]);
        let start = Instant::now();
        service.turn_on(start);
        assert_eq!(service.tick(start), None);
        let State::Running(pid, _) = service.state else {
            panic!("{service:?}");
        };
        let adjustment = format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero());
        assert_eq!(std::fs::read_to_string(adjustment).unwrap(), "300\n");
        assert_eq!(service.tick(start), None, "it runs already");
        let other = Pid::INIT;
        assert_eq!(service.ended(other, Exit::Code(1), start), None);
        assert_eq!(service.deadline(), None);

        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let exit = wait_for(pid, 0).unwrap().unwrap();
        let later = start + SETTLED;
        let said = service.ended(pid, exit, later).unwrap();
        assert!(said.contains("killed by signal 9"), "{said}");
        assert_eq!(service.deadline(), Some(later));
    }
}

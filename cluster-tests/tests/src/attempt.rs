// SPDX-License-Identifier: MIT OR Apache-2.0

//! One test on its cluster, in a thread of its own, so that it can be ended.
//!
//! A kernel's alarm ends it at once: all its calls into the harness fail. One that takes
//! too long is asked what it does, then ended step by step, each a little harder than the last.

use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, Context, Error, Result};
use podos_harness::{Alarm, Cluster};
use rustix::process::Signal;

use crate::helpers::Helpers;
use crate::limits::Limits;
use crate::support::Lab;
use crate::terms::Terms;
use crate::test::Test;

/// How long a test may take to end after a step that should end it, under KVM.
const GRACE: Duration = Duration::from_secs(1);

/// What a test's thread and its cluster tell.
enum Event {
    Ended(Result<()>),
    Alarm,
}

/// How a test ended.
struct End {
    /// What it returned; nothing if it did not.
    outcome: Option<Result<()>>,
    /// The limit that it passed.
    passed: Option<Duration>,
}

/// The test itself, what the consoles say to it, and the time it takes.
pub fn attempt(
    cluster: Option<&Arc<Cluster>>,
    test: Test,
    terms: &Arc<Terms>,
    limit: Duration,
) -> Result<()> {
    let mark = |text: String| cluster.map_or(Ok(()), |cluster| cluster.mark(text));
    let seconds = limit.as_secs();
    mark(format!("test {} begins; limit {seconds} s", test.name))?;
    let helpers = Helpers::before();
    let (sender, events) = channel();
    let told = sender.clone();
    let watch = cluster.map(|cluster| {
        // Nobody hears it when the test has ended in the meantime.
        cluster.watch(move |_| drop(told.send(Event::Alarm)))
    });
    let watch = watch.transpose()?;
    let (owned, terms_of_it) = (cluster.cloned(), Arc::clone(terms));
    thread::Builder::new()
        .name(test.name.into())
        .spawn(move || {
            let outcome = run(owned.as_deref(), test, terms_of_it);
            let _ = sender.send(Event::Ended(outcome));
        })
        .context("cannot start a thread for the test")?;
    let end = Ending {
        cluster: cluster.map(Arc::as_ref),
        events,
        helpers,
        limits: terms.limits,
    };
    let end = end.wait(limit)?;
    drop(watch);
    let alarms = cluster.map_or(Ok(Vec::new()), |cluster| cluster.take_alarms())?;
    verdict(end, alarms.first())
}

fn run(cluster: Option<&Cluster>, test: Test, terms: Arc<Terms>) -> Result<()> {
    let lab = Lab::new(cluster, test.name, terms);
    catch_unwind(AssertUnwindSafe(|| (test.run)(&lab)))
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", message(&*panic))))
        .and_then(|()| lab.clean_up())
}

/// What is there to end a test with.
struct Ending<'a> {
    cluster: Option<&'a Cluster>,
    events: Receiver<Event>,
    helpers: Helpers,
    limits: Limits,
}

impl Ending<'_> {
    /// Waits for the end, or brings it about.
    fn wait(&self, limit: Duration) -> Result<End> {
        match self.events.recv_timeout(limit) {
            Ok(Event::Ended(outcome)) => Ok(End {
                outcome: Some(outcome),
                passed: None,
            }),
            Ok(Event::Alarm) => Ok(End {
                outcome: self.outcome().or_else(|| self.kill()),
                passed: None,
            }),
            Err(RecvTimeoutError::Timeout) => Ok(End {
                outcome: self.escalate(limit)?,
                passed: Some(limit),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the test's thread is lost")),
        }
    }

    /// The limit has passed.
    fn escalate(&self, limit: Duration) -> Result<Option<Result<()>>> {
        if let Some(cluster) = self.cluster {
            let seconds = limit.as_secs();
            cluster.mark(format!(
                "TIME LIMIT of {seconds} s passed: task stacks follow"
            ))?;
            cluster.print_stacks()?;
            cluster.terminate_commands()?;
        }
        self.helpers.signal(Signal::TERM);
        let ended = self.outcome();
        if ended.is_some() {
            return Ok(ended);
        }
        if let Some(cluster) = self.cluster {
            cluster.mark("SIGTERM did not end the test: its calls are ended")?;
            cluster.give_up("the test's time limit has passed");
        }
        Ok(self.outcome().or_else(|| self.kill()))
    }

    /// Ends all that a test can wait for; what it returned then.
    fn kill(&self) -> Option<Result<()>> {
        self.helpers.signal(Signal::KILL);
        if let Some(cluster) = self.cluster {
            // It tells what it can: this is about the test.
            cluster.kill_nodes().ok();
        }
        self.outcome()
    }

    /// What the test returned, if it does so soon.
    fn outcome(&self) -> Option<Result<()>> {
        let limit = self.limits.scale(GRACE);
        loop {
            match self.events.recv_timeout(limit) {
                Ok(Event::Ended(outcome)) => return Some(outcome),
                Ok(Event::Alarm) => {}
                Err(_) => return None,
            }
        }
    }
}

/// Puts together why a test failed, the most important reason first.
fn verdict(end: End, alarm: Option<&Alarm>) -> Result<()> {
    let mut reasons = Vec::new();
    if let Some(alarm) = alarm {
        reasons.push(alarm.to_string());
    }
    if let Some(limit) = end.passed {
        let seconds = limit.as_secs_f64();
        reasons.push(format!(
            "time limit: it did not end within {seconds} s; what its nodes were doing is in the \
             timeline"
        ));
    }
    match end.outcome {
        None => reasons.push("its thread did not end either, and is left behind".into()),
        Some(Err(error)) if !is_echo(&error) => reasons.push(format!("{error:#}")),
        Some(Err(error)) if reasons.is_empty() => reasons.push(format!("{error:#}")),
        Some(_) => {}
    }
    match reasons.is_empty() {
        true => Ok(()),
        false => Err(Error::msg(reasons.join("\nand the test: "))),
    }
}

/// Whether a test only says that its calls were ended, as they were.
fn is_echo(error: &Error) -> bool {
    use podos_harness::Error::{Alarm, GivenUp};
    let mut causes = error.chain();
    causes.any(|cause| matches!(cause.downcast_ref(), Some(GivenUp(_) | Alarm(_))))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_its_message() {
        let text = |panic: Box<dyn Any + Send>| message(&*panic).to_owned();
        assert_eq!(text(catch_unwind(|| panic!("plain")).unwrap_err()), "plain");
        let number = 7;
        assert_eq!(
            text(catch_unwind(|| panic!("no {number}")).unwrap_err()),
            "no 7"
        );
    }

    #[test]
    fn the_reasons_come_in_order_and_once() {
        let alarm = Alarm {
            node: "linus2".into(),
            line: "BUG: x".into(),
            console: "/c".into(),
            tail: vec!["BUG: x".into()],
        };
        let end = |outcome, passed| End { outcome, passed };
        let text = |end, alarm| verdict(end, alarm).unwrap_err().to_string();
        assert!(verdict(end(Some(Ok(())), None), None).is_ok());
        let plain = text(end(Some(Err(anyhow!("wrong"))), None), None);
        assert_eq!(plain, "wrong");
        let echo = podos_harness::Error::Alarm(Box::new(alarm.clone()));
        let alarmed = text(end(Some(Err(echo.into())), None), Some(&alarm));
        assert_eq!(alarmed.matches("BUG: x").count(), 2, "{alarmed}");
        let late = text(end(None, Some(Duration::from_secs(3))), Some(&alarm));
        let order = ["BUG: x", "within 3 s", "left behind"].map(|part| late.find(part));
        assert!(
            order.iter().all(Option::is_some) && order.is_sorted(),
            "{late}"
        );
    }
}

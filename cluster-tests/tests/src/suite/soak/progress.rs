// SPDX-License-Identifier: MIT OR Apache-2.0

//! Progress of a soak: a line that changes in a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use podos_harness::nemesis::Points;

use super::run::Until;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(250);

/// Between two plain lines.
const LINE: Duration = Duration::from_secs(30);

/// How far a soak is.
pub struct Progress {
    until: Until,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(until: Until) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} soak: {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { until, bar }
    }

    /// Tells of it until it is over.
    pub fn follow(self, points: &Points) {
        let (began, mut told) = (Instant::now(), Instant::now());
        while !points.is_over() {
            let line = self.line(began.elapsed(), points.passed());
            match &self.bar {
                Some(bar) => {
                    bar.set_message(line);
                    bar.tick();
                }
                None if told.elapsed() >= LINE => {
                    println!("soak: {line}");
                    told = Instant::now();
                }
                None => {}
            }
            std::thread::sleep(LOOK);
        }
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, time: Duration, passed: u64) -> String {
        let seconds = time.as_secs();
        match self.until {
            Until::Time(all) => format!("{seconds} of {} s, {passed} operations", all.as_secs()),
            Until::Operations(all) => format!("{seconds} s, {passed} of {all} operations"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let line = |until| Progress { until, bar: None }.line(Duration::from_secs(61), 7);
        let time = Until::Time(Duration::from_secs(600));
        assert_eq!(line(time), "61 of 600 s, 7 operations");
        assert_eq!(line(Until::Operations(9)), "61 s, 7 of 9 operations");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Progress: a spinner with the last lines of the active step in a terminal, plain lines elsewhere.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How many of the active step's last lines a terminal shows.
const WINDOW: usize = 4;

/// The step that runs now.
#[derive(Debug)]
pub struct Task {
    name: String,
    started: Instant,
    bar: Option<ProgressBar>,
    window: VecDeque<String>,
}

impl Task {
    /// Shows that `name` is being made, and why.
    pub fn start(name: &str, why: &str) -> Self {
        eprintln!("{name}: building: {why}");
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_prefix(name.to_owned());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed}{msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Task {
            name: name.to_owned(),
            started: Instant::now(),
            bar,
            window: VecDeque::new(),
        }
    }

    /// Takes the next line of the step's log.
    pub fn line(&mut self, line: &str) {
        let Some(bar) = &self.bar else { return };
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        let printable = line.chars().filter(|c| !c.is_control()).take(100);
        self.window.push_back(printable.collect());
        bar.set_message(
            self.window
                .iter()
                .map(|l| format!("\n    {l}"))
                .collect::<String>(),
        );
    }

    /// Shows that the step is done.
    pub fn done(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!(
            "{}: done in {}",
            self.name,
            duration(self.started.elapsed())
        );
    }

    /// Takes the step from the screen; the error that ends the run tells the rest.
    pub fn failed(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A duration as people say it: `4.2 s`, `14 min 02 s`.
pub fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0..=59 => format!("{:.1} s", elapsed.as_secs_f64()),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(4210)), "4.2 s");
        assert_eq!(duration(Duration::from_secs(842)), "14 min 02 s");
    }
}

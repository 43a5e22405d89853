// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counts of tests and names of those that failed, read from what test runners print.

use std::fmt;

/// How many tests passed and failed, and which failed, as far as it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    passed: u64,
    failed: u64,
    /// Their names, some with the reason.
    failures: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Tally {
    /// A count.
    pub fn new(passed: u64, failed: u64) -> Self {
        Tally {
            passed,
            failed,
            failures: Vec::new(),
        }
    }

    /// The failed ones.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Their names, some with the reason.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Adds another count.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend(other.failures);
    }

    /// Takes a line of output: a total as we print it ourselves, which stands for all before it, or
    /// what failed.
    pub fn read_total(&mut self, line: &str) {
        if let Some(failure) = line.strip_prefix("FAILED ") {
            self.failures.push(failure.to_owned());
        }
        let words: Vec<_> = line.split_whitespace().collect();
        if let [passed, "passed,", failed, "failed"] = words[..] {
            if let (Ok(passed), Ok(failed)) = (passed.parse(), failed.parse()) {
                (self.passed, self.failed) = (passed, failed);
            }
        }
    }

    /// Takes a line of output: the result line of cargo test and libtest, or the summary of
    /// nextest, and what they say of a test that failed. Others count nothing.
    pub fn read_line(&mut self, line: &str) {
        let failed = failed_test(line).map(str::to_owned);
        // nextest says it again at its end.
        self.failures
            .extend(failed.filter(|name| !self.failures.contains(name)));
        // nextest shows what failed tests have printed, indented: their own counts among it.
        let counts = match line.strip_prefix("test result: ") {
            Some(rest) => rest,
            None if line.trim().starts_with("Summary [") => line,
            None => return,
        };
        let words: Vec<_> = counts
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '.' | ':'))
            .filter(|w| !w.is_empty())
            .collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u64>() else {
                continue;
            };
            match pair[1] {
                "passed" => self.passed += number,
                // nextest tells tests that ran out of time and that could not be run apart.
                "failed" | "timed" | "exec" => self.failed += number,
                _ => {}
            }
        }
    }
}

/// The test that failed by this line of libtest or nextest.
fn failed_test(line: &str) -> Option<&str> {
    if let Some(name) = line.strip_prefix("test ") {
        return name.strip_suffix(" ... FAILED");
    }
    // It could not be run to its end, if it is not `FAIL`.
    let (status, rest) = line.trim().split_once(" [")?;
    let (_, name) = rest.split_once("s] ")?;
    let failed = ["FAIL", "TIMEOUT", "ABORT", "XFAIL"].contains(&status);
    let name = match name.split_once(") ") {
        Some((number, name)) if number.starts_with('(') => name,
        _ => name,
    };
    (failed || status.starts_with("SIG")).then(|| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &str) -> Tally {
        let mut tally = Tally::default();
        lines.lines().for_each(|line| tally.read_line(line));
        tally
    }

    #[test]
    fn results_of_cargo_test_are_summed() {
        let text = "running 2 tests\ntest a ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
                    test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(tally(text), Tally::new(3, 3));
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        assert_eq!(
            tally("     Summary [   0.016s] 4 tests run: 4 passed, 0 skipped"),
            Tally::new(4, 0)
        );
        let mixed = "Summary [ 2.0s] 9/12 tests run: 5 passed (1 slow), 2 failed, 1 timed out, 1 exec failed, 0 skipped";
        assert_eq!(tally(mixed), Tally::new(5, 4));
        // What a test that failed has printed is shown, and no count of this run.
        let shown = "    test result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        assert_eq!(tally(&format!("{shown}{mixed}")), Tally::new(5, 4));
    }

    #[test]
    fn a_total_stands_for_all_before_it() {
        let mut tally = Tally::default();
        for line in [
            "1 passed, 1 failed",
            "3 passed",
            "12 passed, 2 failed",
            "x passed, 2 failed",
        ] {
            tally.read_total(line);
        }
        assert_eq!(tally, Tally::new(12, 2));
    }

    #[test]
    fn what_failed_is_named_once() {
        let libtest = "test keys::fresh ... ok\ntest keys::old ... FAILED\n";
        assert_eq!(tally(libtest).failures(), ["keys::old"]);
        let nextest = "        FAIL [   0.004s] ( 1/10) podos-proto keys::old\n\
                       \u{20}   SIGABRT [   0.010s] podos-sim::replay same\n\
                       \u{20}       PASS [   0.004s] ( 2/10) podos-proto keys::fresh\n\
                       Summary [   0.1s] 10 tests run: 8 passed, 2 failed, 0 skipped\n\
                       \u{20}       FAIL [   0.004s] ( 1/10) podos-proto keys::old\n";
        let nextest = tally(nextest);
        let names = ["podos-proto keys::old", "podos-sim::replay same"];
        assert_eq!(
            (nextest.failed(), nextest.failures()),
            (2, &names.map(String::from)[..])
        );
        let mut ours = Tally::default();
        let lines = ["FAILED cm.one: no answer", "3 passed, 1 failed"];
        lines.iter().for_each(|line| ours.read_total(line));
        assert_eq!(
            (ours.failed(), ours.failures()),
            (1, &["cm.one: no answer".to_owned()][..])
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(tally("note: 7 passed\n3 failed"), Tally::default());
    }
}

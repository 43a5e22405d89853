// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the firmware says of a run (docs/firmware.md).

/// The status of a QEMU whose firmware passed.
const PASSED: i32 = 0x21;
/// Lines that are shown of a run that went wrong.
const SHOWN: usize = 20;

/// What it printed, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareReport {
    lines: Vec<String>,
    code: Option<i32>,
}

impl FirmwareReport {
    /// Takes the firmware's lines out of a console's, which have a stamp and a name in front.
    pub(crate) fn parse(console: &str, code: Option<i32>) -> Self {
        let line = |line: &str| {
            let (_, said) = line.split_once(" | ")?;
            Some(said.strip_prefix("fw: ")?.to_owned())
        };
        Self {
            lines: console.lines().filter_map(line).collect(),
            code,
        }
    }

    /// Its lines, without `fw: `.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether all commands succeeded, and no frame of others broke a rule.
    pub fn passed(&self) -> bool {
        let end = "end failed=0 violations=0";
        self.code == Some(PASSED) && self.lines.last().is_some_and(|last| last == end)
    }

    /// The last lines that tell what went wrong, under each other, for an error's end.
    pub fn tail(&self) -> String {
        let bad = |line: &&String| {
            let word = line.split(' ').next().unwrap_or_default();
            ["fail", "violation", "broken", "panic", "end"].contains(&word)
        };
        let shown: Vec<_> = self.lines.iter().filter(bad).take(SHOWN).collect();
        let code = match self.code {
            Some(code) => format!("\n  status {code}"),
            None => String::new(),
        };
        shown
            .iter()
            .map(|line| format!("\n  {line}"))
            .collect::<String>()
            + &code
    }

    /// What was counted under this name; 0 if nothing was.
    pub fn count(&self, name: &str) -> u64 {
        let start = format!("count {name}=");
        let value = self.lines.iter().find_map(|line| line.strip_prefix(&start));
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// The bad frames that were sent, as the values of these names in the lines that have them
    /// all: `["reason", "count"]`.
    pub fn sent<const N: usize>(&self, names: [&str; N]) -> Vec<[String; N]> {
        let value = |line: &str, name: &str| {
            let words = line.split(' ');
            let mut pairs = words.filter_map(|word| word.split_once('='));
            pairs
                .find(|(given, _)| *given == name)
                .map(|(_, value)| value.to_owned())
        };
        let row = |line: &String| {
            let row: Option<Vec<_>> = names.iter().map(|name| value(line, name)).collect();
            row?.try_into().ok()
        };
        let sent = self.lines.iter().filter(|line| line.starts_with("sent "));
        sent.filter_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "\
     0.100000 firmware9 | SeaBIOS (version 1)
     1.000000 firmware9 | fw: begin node=0000000900010000 rails=3
     2.000000 firmware9 | fw: sent to=all reason=short count=40
     2.000000 firmware9 | fw: sent to=all from=1 reason=replayed count=7
     3.000000 firmware9 | fw: count hellos=12
     3.000000 firmware9 | fw: end failed=0 violations=0
";

    #[test]
    fn a_report_is_what_the_firmware_said() {
        let report = FirmwareReport::parse(CONSOLE, Some(PASSED));
        assert!(report.passed());
        assert_eq!(report.lines().len(), 5);
        assert_eq!((report.count("hellos"), report.count("beacons")), (12, 0));
        let sent = report.sent(["reason", "count"]);
        assert_eq!(sent, [["short", "40"], ["replayed", "7"]]);
        assert_eq!(report.sent(["from", "count"]), [["1", "7"]]);
    }

    #[test]
    fn only_a_run_that_went_well_to_its_end_passed() {
        assert!(!FirmwareReport::parse(CONSOLE, None).passed());
        assert!(!FirmwareReport::parse(CONSOLE, Some(0)).passed());
        let cut = CONSOLE.replace("fw: end failed=0", "fw: end failed=1");
        let report = FirmwareReport::parse(&cut, Some(PASSED));
        assert!(!report.passed());
        assert!(report
            .tail()
            .contains("end failed=1 violations=0\n  status 33"));
    }
}

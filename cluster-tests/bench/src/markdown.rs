// SPDX-License-Identifier: MIT OR Apache-2.0

//! A report as Markdown.

use std::fmt::Write;

use crate::figure::{Figure, Point};
use crate::paper_table::Table;
use crate::report::Report;
use crate::row::Row;
use crate::stats::{digits, Spread};

/// The whole report; pictures are looked for in `pictures`, a folder relative to the reader.
pub fn page(report: &Report, pictures: &str) -> String {
    let mut text = String::new();
    preamble(report, &mut text);
    text += "\n";
    text += &table(&report.rows);
    if !report.rows.is_empty() {
        let (bench, file) = (&report.bench, picture(&report.bench, "ratios"));
        let _ = writeln!(text, "\n![Ratios of bench {bench}]({pictures}{file})");
    }
    for figure in &report.figures {
        let file = picture(&report.bench, &figure.name);
        let _ = writeln!(
            text,
            "\n### {}\n\n![{}]({pictures}{file})\n",
            figure.title, figure.title
        );
        text += &points(figure);
        if !figure.paper.is_empty() {
            text += "\n";
            text += &paper(figure);
        }
    }
    for table in &report.tables {
        let file = picture(&report.bench, &table.name);
        let (title, unit) = (&table.title, &table.unit);
        let _ = writeln!(
            text,
            "\n### {title}, {unit}\n\n![{title}]({pictures}{file})\n"
        );
        text += &paper_table(table);
    }
    text
}

/// The name of a picture's file.
pub fn picture(bench: &str, name: &str) -> String {
    format!("{bench}-{name}.svg")
}

fn preamble(report: &Report, text: &mut String) {
    let machine = &report.machine;
    let rounds = match report.rounds {
        1 => "1 round".into(),
        rounds => format!("{rounds} rounds"),
    };
    let form = match report.quick {
        true => ", in the short form: these numbers prove that it runs, and not much more",
        false => "",
    };
    let _ = writeln!(
        text,
        "Bench `{}`, {rounds}{form}. {}, {} cores, {} MiB; Linux {}; nodes run on {}; load before \
         the run {}.",
        report.bench,
        machine.processor,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.accelerator,
        machine.load,
    );
    let versions: Vec<_> = report
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let _ = writeln!(text, "Versions: {}.", versions.join(", "));
    for note in &report.notes {
        let _ = writeln!(text, "{note}");
    }
}

/// The table of the rows.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| case | unit | ours | | peer | | ours / peer | wanted | |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let wanted = row.wanted.map(|wanted| wanted.to_string());
        let holds = match row.holds {
            None => "",
            Some(true) => "holds",
            Some(false) => "**missed**",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {holds} |",
            row.case,
            row.unit,
            row.ours,
            spread(row.ours_spread),
            row.peer,
            spread(row.peer_spread),
            spread(row.ratio_spread),
            wanted.unwrap_or_default(),
        );
    }
    text
}

/// A middle with what is around it.
fn spread(spread: Option<Spread>) -> String {
    match spread {
        None => "**none**".into(),
        Some(s) if s.min == s.max => digits(s.median),
        Some(s) => format!(
            "{} ({} to {})",
            digits(s.median),
            digits(s.min),
            digits(s.max)
        ),
    }
}

/// A figure's points: a line per x, a column per curve.
fn points(figure: &Figure) -> String {
    let mut xs: Vec<f64> = figure
        .series
        .iter()
        .flat_map(|series| series.points.iter().map(|point| point.x))
        .collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let labels: Vec<_> = figure.series.iter().map(|s| s.label.as_str()).collect();
    let mut text = format!("| {} | {} |\n", figure.x_label, labels.join(" | "));
    text += &format!("|---{}|\n", "|---".repeat(labels.len()));
    for x in xs {
        let at = |points: &[Point]| points.iter().find(|p| p.x == x).map(|p| p.y);
        let cells = figure.series.iter().map(|s| spread(at(&s.points)));
        let _ = writeln!(text, "| {x} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    text
}

/// What the paper says beside what is here.
fn paper(figure: &Figure) -> String {
    let mut text = String::from("| the paper says | number | paper | here |\n|---|---|---|---|\n");
    for beside in &figure.paper {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            beside.says, beside.what, beside.paper, beside.here
        );
    }
    text
}

/// The paper's numbers to the left, ours to the right.
fn paper_table(table: &Table) -> String {
    let ((paper_ours, ours), (paper_peer, peer)) = (&table.ours, &table.peer);
    let mut text = format!(
        "| | paper: {paper_ours} | paper: {paper_peer} | paper: ratio | here: {ours} | here: {peer} \
         | here: ratio |\n|---|---|---|---|---|---|---|\n"
    );
    for line in &table.lines {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            line.what,
            line.paper_ours,
            line.paper_peer,
            digits(line.paper_ratio),
            spread(line.ours),
            spread(line.peer),
            spread(line.ratio),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn a_table_says_what_is_missed() {
        let table = table(&example().rows);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(
            lines[2],
            "| round trip | µs | CM | 100 | TCP | 200 | 0.500 | ≤ 0.5 | holds |"
        );
        assert!(lines[3].ends_with("| ≤ 0.4 | **missed** |"), "{}", lines[3]);
    }

    #[test]
    fn a_page_has_the_machine_and_the_paper() {
        let page = page(&example(), "performance/");
        for part in [
            "Example 3000, 2 cores, 1024 MiB; Linux 6.1.0; nodes run on tcg; load before the run 0.10.",
            "Versions: kernel of the nodes 7.3.4.",
            "(performance/cm-ratios.svg)",
            "(performance/cm-figure-5.svg)",
            "| load, % | single | same load |",
            "| 30 | 300 | 150 |",
            "| 2524 µs against 1239 µs | single / same load at 30 | 2.04 | 2.00 |",
            "### Table 4: system calls, ms\n\n![Table 4: system calls](performance/cm-table-4.svg)",
            "| open | 1.5 | 2.5 | 0.600 | 2.00 | 4.00 | 0.500 |",
        ] {
            assert!(page.contains(part), "{part} is not in:\n{page}");
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Running benches, and what is left of a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};
use podos_harness::{build_counter, build_guest_tool, Topology};

use crate::bench::{Bench, Effort, Session};
use crate::lab::Lab;
use crate::machine::{versions, Machine};
use crate::measure::Measurements;
use crate::report::{About, Report, Shown};
use crate::{benches, document, markdown, plot, profile};

/// Where results go, in the checkout.
const FOLDER: &str = "target/bench";
/// Which document has them, and the folder with its pictures.
const DOCUMENT: &str = "docs/performance.md";
const PICTURES: &str = "performance/";
/// Functions in a profile.
const PROFILE_LINES: usize = 60;
/// Rounds in which instructions are counted, at most: they differ little.
const COUNTED_ROUNDS: usize = 3;

/// How benches are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The checkout.
    pub root: PathBuf,
    /// Its version.
    pub podos: String,
    /// Folder of the image that the nodes boot.
    pub image: PathBuf,
    /// As many rounds; the bench's own number if unset.
    pub rounds: Option<usize>,
    /// How much is measured.
    pub effort: Effort,
}

/// The benches of these names, or all.
pub fn select(names: &[String], all: bool) -> Result<Vec<&'static dyn Bench>> {
    let benches = benches::all();
    let known: Vec<_> = benches.iter().map(|bench| bench.name()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!(
            "there is no bench `{unknown}`; there are: {}",
            known.join(", ")
        );
    }
    ensure!(
        all || !names.is_empty(),
        "name a bench ({}), or give --all",
        known.join(", ")
    );
    let chosen = |bench: &&dyn Bench| all || names.iter().any(|name| name == bench.name());
    Ok(benches.into_iter().filter(chosen).collect())
}

/// Runs a bench on a cluster of its own, and leaves the report.
pub fn run(bench: &dyn Bench, options: &Options) -> Result<Report> {
    let folder = options.root.join(FOLDER);
    // An earlier run must not be taken for this one if this one comes to nothing.
    let before = folder.join(format!("{}.json", bench.name()));
    if before.exists() {
        fs::remove_file(&before).with_context(|| format!("cannot remove {}", before.display()))?;
    }
    let report = measure(bench, options)?;
    leave(&report, &folder)?;
    println!("{}", markdown::page(&report, ""));
    println!("left in {}: {}.json", folder.display(), bench.name());
    Ok(report)
}

fn measure(bench: &dyn Bench, options: &Options) -> Result<Report> {
    let (folder, effort) = (options.root.join(FOLDER), options.effort);
    let share = folder.join("share");
    build_guest_tool(&options.root, &share)?;
    let peers = bench.prepare(&share)?;
    let rounds = options.rounds.unwrap_or(effort.pick(bench.rounds(), 1));
    let machine = Machine::here("");
    let logs = folder.join(format!("{}-consoles", bench.name()));
    let up = |topology| Lab::up(bench.name(), &options.image, topology, &share, &logs);
    let mut versions = versions(&options.podos);
    versions.extend(peers);
    let mut all = Measurements::default();

    let lab = up(bench.topology())?;
    let release = lab.node(1)?.shell("uname -r")?;
    versions.insert("kernel of the nodes".into(), release.trim().to_owned());
    let accelerator = lab.accelerator()?;
    let session = bench.start(&lab, effort);
    go(bench.name(), &lab, session, rounds, &logs, &mut all)?;
    drop(lab);
    if bench.counts() {
        let lab = up(counting(bench, &options.root)?)?;
        let name = format!("{}, instructions", bench.name());
        let session = bench.start_counting(&lab, effort);
        go(
            &name,
            &lab,
            session,
            rounds.min(COUNTED_ROUNDS),
            &logs,
            &mut all,
        )?;
    }

    let about = About {
        bench: bench.name().into(),
        quick: effort == Effort::Quick,
        rounds,
        machine: Machine {
            accelerator,
            ..machine
        },
        versions,
        notes: bench.notes(effort),
    };
    let shown = Shown {
        rows: bench.rows(effort),
        figures: bench.figures(effort),
        tables: bench.tables(effort),
    };
    Ok(Report::of(about, &shown, &all))
}

/// Measures for so many rounds. What fails is told with what was measured until then.
fn go(
    name: &str,
    lab: &Lab,
    session: Result<Box<dyn Session + '_>>,
    rounds: usize,
    logs: &Path,
    all: &mut Measurements,
) -> Result<()> {
    let done = || {
        let mut session = session.context("before the first round")?;
        for round in 0..rounds {
            let start = Instant::now();
            session
                .round(round, all)
                .with_context(|| format!("round {}", round + 1))?;
            lab.check_consoles()?;
            let seconds = start.elapsed().as_secs();
            eprintln!("{name}: round {} of {rounds}: {seconds} s", round + 1);
        }
        anyhow::Ok(())
    };
    if let Err(error) = done() {
        // What was measured until then may tell why.
        lab.keep_logs(logs)?;
        all.fail(rounds - 1, "the run", format!("{error:#}"));
    }
    Ok(())
}

/// The bench's cluster, with processors that are counted.
fn counting(bench: &dyn Bench, root: &Path) -> Result<Topology> {
    Ok(Topology {
        counter: Some(build_counter(root)?),
        ..bench.topology()
    })
}

/// Counts what the nodes execute for one unit of a case; a table for each node, which is also left
/// as a file.
pub fn profile(bench: &dyn Bench, case: &str, image: &Path, root: &Path) -> Result<String> {
    let folder = root.join(FOLDER);
    let share = folder.join("share");
    build_guest_tool(root, &share)?;
    bench.prepare(&share)?;
    let logs = folder.join(format!("{}-consoles", bench.name()));
    let topology = counting(bench, root)?;
    let hosts = topology.nodes.clone();
    let lab = Lab::up(bench.name(), image, topology, &share, &logs)?;
    let mut repeat = bench.repeat(&lab, case)?;
    let tallies = profile::per_unit(&lab, &hosts, &mut repeat)?;
    let unit = repeat.unit;
    drop(repeat);
    let mut text = format!(
        "# Bench {}, {case}: instructions per {unit}\n",
        bench.name()
    );
    for (host, tally) in hosts.iter().zip(tallies) {
        text += &format!("\n## linus{host}\n\n");
        text += &tally.table(PROFILE_LINES);
    }
    let name = format!("{}-profile-{}.md", bench.name(), case.replace('/', "-"));
    write(&folder.join(name), &text)?;
    Ok(text)
}

/// Writes JSON, Markdown and pictures.
fn leave(report: &Report, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = |extension| folder.join(format!("{}.{extension}", report.bench));
    report.write(&file("json"))?;
    write(&file("md"), &markdown::page(report, ""))?;
    pictures(report, folder)
}

fn pictures(report: &Report, folder: &Path) -> Result<()> {
    let path = |name: &str| folder.join(markdown::picture(&report.bench, name));
    if report.rows.iter().any(|row| row.ratio.is_some()) {
        plot::ratios(&report.rows, &path("ratios"))?;
    }
    for figure in &report.figures {
        if figure.series.iter().any(|series| !series.points.is_empty()) {
            plot::figure(figure, &path(&figure.name))?;
        }
    }
    for table in &report.tables {
        plot::table(table, &path(&table.name))?;
    }
    Ok(())
}

/// Writes the last run of a bench, or the one in `from`, into the document; its path.
pub fn publish(name: &str, from: Option<&Path>, root: &Path) -> Result<PathBuf> {
    let own = root.join(FOLDER).join(format!("{name}.json"));
    let report = Report::read(from.unwrap_or(&own)).with_context(|| {
        format!("cannot publish a run of bench {name} (`cargo xtask bench {name}` makes one)")
    })?;
    ensure!(
        report.bench == name,
        "that is a run of bench {}",
        report.bench
    );
    ensure!(
        report.failures.is_empty(),
        "that run failed: {}",
        report.failed().join("; ")
    );
    let path = root.join(DOCUMENT);
    let folder = root.join("docs").join(PICTURES);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    pictures(&report, &folder)?;
    let before =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let after = document::replace(&before, name, &markdown::page(&report, PICTURES))
        .with_context(|| format!("cannot put the run into {}", path.display()))?;
    write(&path, &after)?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn benches_are_chosen_by_name() {
        let names =
            |chosen: Vec<&dyn Bench>| -> Vec<_> { chosen.iter().map(|b| b.name()).collect() };
        assert_eq!(names(select(&["cm".into()], false).unwrap()), ["cm"]);
        assert_eq!(select(&[], true).unwrap().len(), benches::all().len());
        assert!(select(&[], false).is_err());
        let error = select(&["cn".into()], false).err().unwrap().to_string();
        assert!(error.contains("`cn`") && error.contains("cm"), "{error}");
    }

    #[test]
    fn a_run_is_left_and_published() {
        let dir = tempfile::tempdir().unwrap();
        let (root, report) = (dir.path(), example());
        leave(&report, &root.join(FOLDER)).unwrap();
        fs::create_dir(root.join("docs")).unwrap();
        fs::write(root.join(DOCUMENT), "# Performance\n\nBy hand.\n").unwrap();
        publish("cm", None, root).unwrap();
        let text = fs::read_to_string(root.join(DOCUMENT)).unwrap();
        assert!(
            text.contains("By hand.") && text.contains("**missed**"),
            "{text}"
        );
        assert!(root.join("docs/performance/cm-figure-5.svg").exists());
        assert!(publish("pdfs", None, root).is_err());
        let cm = root.join(FOLDER).join("cm.json");
        assert!(publish("pdfs", Some(&cm), root).is_err());
    }

    #[test]
    fn a_failed_run_is_not_published() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = example();
        report.failures.push(crate::measure::Failure {
            round: 0,
            what: "rtt of TCP".into(),
            why: "refused".into(),
        });
        leave(&report, &dir.path().join(FOLDER)).unwrap();
        let error = publish("cm", None, dir.path()).unwrap_err().to_string();
        assert!(error.contains("refused"), "{error}");
    }
}

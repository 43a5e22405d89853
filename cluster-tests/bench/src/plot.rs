// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pictures, as SVG.

use std::ops::Range;
use std::path::Path;

use anyhow::{anyhow, ensure, Result};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::figure::{Figure, Scale};
use crate::paper_table::Table;
use crate::row::{Row, Wanted};
use crate::stats::Spread;

const FONT: &str = "sans-serif";
/// Told apart in print and by people who see few colours (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A figure's curves with the spread of each point.
pub fn figure(figure: &Figure, path: &Path) -> Result<()> {
    draw(path, (800, 480), |area| curves(figure, area))
}

/// The ratio of each row with its spread, and what was wanted.
pub fn ratios(rows: &[Row], path: &Path) -> Result<()> {
    let bars: Vec<_> = rows.iter().map(Bar::of).collect();
    draw_bars(&bars, "ours / peer", path)
}

/// The ratios of a table's lines, the paper's and those here.
pub fn table(table: &Table, path: &Path) -> Result<()> {
    let bars: Vec<_> = table
        .lines
        .iter()
        .flat_map(|line| {
            let paper = Spread::of([line.paper_ratio]);
            let ((paper_ours, ours), (paper_peer, peer)) = (&table.ours, &table.peer);
            let bar = |label, ratio, colour| Bar {
                label,
                ratio,
                limit: None,
                colour,
            };
            [
                bar(
                    format!("{}, paper: {paper_ours} / {paper_peer}", line.what),
                    paper,
                    COLOURS[4],
                ),
                bar(
                    format!("{}, here: {ours} / {peer}", line.what),
                    line.ratio,
                    COLOURS[1],
                ),
            ]
        })
        .collect();
    draw_bars(&bars, &table.title, path)
}

fn draw(path: &Path, size: (u32, u32), on: impl FnOnce(&Area) -> Result<()>) -> Result<()> {
    let area = SVGBackend::new(path, size).into_drawing_area();
    let failed = |error| anyhow!("cannot draw {}: {error}", path.display());
    area.fill(&WHITE)
        .map_err(|error| failed(error.to_string()))?;
    on(&area).map_err(|error| failed(format!("{error:#}")))?;
    area.present().map_err(|error| failed(error.to_string()))
}

fn curves(figure: &Figure, area: &Area) -> Result<()> {
    let points = || figure.series.iter().flat_map(|series| &series.points);
    ensure!(points().next().is_some(), "it has no points");
    let top = points().map(|point| point.y.max).fold(0.0, f64::max);
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(&figure.title, (FONT, 18))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64);
    match figure.scale {
        Scale::Linear => {
            let x = range(points().map(|point| point.x));
            curves_in(figure, &mut builder.build_cartesian_2d(x, 0.0..top * 1.08)?)
        }
        Scale::Logarithmic => {
            let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MAX, f64::min);
            let left = least(&mut points().map(|point| point.x));
            let right = points().map(|point| point.x).fold(left, f64::max);
            let low = least(&mut points().map(|point| point.y.min));
            ensure!(
                left > 0.0 && low > 0.0,
                "it has points that no power of ten reaches"
            );
            let (x, y) = (left * 0.8..right * 1.25, low * 0.7..top * 1.6);
            let mut chart = builder.build_cartesian_2d(x.log_scale(), y.log_scale())?;
            curves_in(figure, &mut chart)
        }
    }
}

fn curves_in<'a, X, Y>(
    figure: &Figure,
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
) -> Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(&figure.x_label)
        .y_desc(&figure.y_label)
        .x_label_formatter(&|x| x.to_string())
        .y_label_formatter(&|y| y.to_string())
        .label_style((FONT, 13))
        .light_line_style(WHITE)
        .draw()?;
    for (index, series) in figure.series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let line = series.points.iter().map(|point| (point.x, point.y.median));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(&series.label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(series.points.iter().map(|point| {
            let y = point.y;
            ErrorBar::new_vertical(point.x, y.min, y.median, y.max, colour.filled(), 7)
        }))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 13))
        .draw()?;
    Ok(())
}

/// The x values with some room around them.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (min, max) = values.fold((f64::MAX, f64::MIN), |(min, max), x| {
        (min.min(x), max.max(x))
    });
    let room = ((max - min) * 0.04).max(0.5);
    min - room..max + room
}

/// A ratio as a bar.
struct Bar {
    label: String,
    ratio: Option<Spread>,
    limit: Option<f64>,
    colour: RGBColor,
}

impl Bar {
    fn of(row: &Row) -> Self {
        Self {
            label: format!("{}: {} / {}", row.case, row.ours, row.peer),
            ratio: row.ratio_spread,
            limit: row.wanted.map(|wanted| match wanted {
                Wanted::AtMost(limit) | Wanted::AtLeast(limit) => limit,
            }),
            colour: match row.holds {
                Some(false) => COLOURS[0],
                Some(true) => COLOURS[2],
                None => COLOURS[1],
            },
        }
    }
}

fn draw_bars(bars: &[Bar], caption: &str, path: &Path) -> Result<()> {
    let height = 90 + 26 * bars.len() as u32;
    draw(path, (960, height), |area| bars_in(bars, caption, area))
}

fn bars_in(bars: &[Bar], caption: &str, area: &Area) -> Result<()> {
    ensure!(!bars.is_empty(), "there are no rows");
    let highest = bars
        .iter()
        .flat_map(|bar| [bar.ratio.map(|ratio| ratio.max), bar.limit])
        .flatten()
        .fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 18))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(370)
        .build_cartesian_2d(0.0..highest * 1.05, (bars.len() as f64 - 0.5)..-0.5)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(10)
        .label_style((FONT, 12))
        .light_line_style(WHITE)
        .draw()?;
    let one = [(1.0, -0.5), (1.0, bars.len() as f64 - 0.5)];
    chart.draw_series([PathElement::new(one, BLACK.mix(0.5))])?;
    for (index, bar) in bars.iter().enumerate() {
        let (y, colour) = (index as f64, bar.colour);
        let style = (FONT, 12).into_text_style(area).pos(right());
        let at = chart.backend_coord(&(0.0, y));
        area.draw(&Text::new(bar.label.as_str(), (at.0 - 8, at.1), style))?;
        if let Some(ratio) = bar.ratio {
            let (from, to) = ((0.0, y - 0.28), (ratio.median, y + 0.28));
            chart.draw_series([Rectangle::new([from, to], colour.mix(0.55).filled())])?;
            let bar = [(ratio.min, y), (ratio.max, y)];
            chart.draw_series([PathElement::new(bar, colour.stroke_width(2))])?;
        }
        if let Some(limit) = bar.limit {
            let line = [(limit, y - 0.45), (limit, y + 0.45)];
            chart.draw_series([PathElement::new(line, BLACK.stroke_width(3))])?;
        }
    }
    Ok(())
}

/// To the left of a point, and level with it.
fn right() -> plotters::style::text_anchor::Pos {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    Pos::new(HPos::Right, VPos::Center)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::figure::Series;
    use crate::report::tests::example;

    #[test]
    fn pictures_show_what_is_in_the_report() {
        let (dir, report) = (tempfile::tempdir().unwrap(), example());
        let path = dir.path().join("figure.svg");
        figure(&report.figures[0], &path).unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        for text in ["Round trip against load", "load, %", "single", "same load"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        let path = dir.path().join("ratios.svg");
        ratios(&report.rows, &path).unwrap();
        assert!(fs::read_to_string(&path)
            .unwrap()
            .contains("round trip: CM / TCP"));
        let path = dir.path().join("table.svg");
        table(&report.tables[0], &path).unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        for text in ["open, paper: PDFS / NFS", "open, here: PDFS open / NFSv4.2"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }

    #[test]
    fn powers_of_ten() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = example();
        let shown = &mut report.figures[0];
        shown.scale = Scale::Logarithmic;
        let path = dir.path().join("figure.svg");
        assert!(figure(shown, &path).is_err(), "0 is at no power of ten");
        for series in &mut shown.series {
            series.points.iter_mut().for_each(|point| point.x += 10.0);
        }
        figure(shown, &path).unwrap();
    }

    #[test]
    fn nothing_gives_an_error_and_no_empty_picture() {
        let dir = tempfile::tempdir().unwrap();
        let mut empty = example().figures.remove(0);
        empty.series = vec![Series {
            label: "none".into(),
            points: Vec::new(),
        }];
        assert!(figure(&empty, &dir.path().join("figure.svg")).is_err());
        assert!(ratios(&[], &dir.path().join("ratios.svg")).is_err());
    }
}

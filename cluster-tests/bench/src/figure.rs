// SPDX-License-Identifier: MIT OR Apache-2.0

//! Curves, and what the paper says about its own.

use serde::{Deserialize, Serialize};

use crate::measure::{Key, Measurements};
use crate::stats::{digits, Spread};

/// A figure before anything was measured.
#[derive(Clone, Debug)]
pub struct FigureSpec {
    /// Its name in files, for example `figure-3`.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// What the x axis is.
    pub x_label: &'static str,
    /// What the y axis is.
    pub y_label: &'static str,
    /// How its axes are divided.
    pub scale: Scale,
    /// Its curves.
    pub series: Vec<SeriesSpec>,
    /// What the paper says, held against what is here.
    pub paper: Vec<Claim>,
}

/// A curve before anything was measured.
#[derive(Clone, Debug)]
pub struct SeriesSpec {
    /// Its name in the legend.
    pub label: &'static str,
    /// Where each of its points comes from.
    pub points: Vec<(f64, Key)>,
}

/// How a figure's axes are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Evenly, y from 0.
    #[default]
    Linear,
    /// Both by powers of ten.
    Logarithmic,
}

/// How a claim compares its curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The first divided by the second.
    Ratio,
    /// The first less the second, in the figure's unit.
    Difference,
}

/// Something that the paper says of two curves.
#[derive(Clone, Debug)]
pub struct Claim {
    /// In its words.
    pub says: &'static str,
    /// Its number.
    pub number: &'static str,
    /// What the number is.
    pub compare: Compare,
    /// Label of the first curve.
    pub of: &'static str,
    /// Label of the second.
    pub to: &'static str,
    /// At which x; at all of them if unset.
    pub at: Option<f64>,
}

/// A figure as it came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name in files.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// What the x axis is.
    pub x_label: String,
    /// What the y axis is.
    pub y_label: String,
    /// How its axes are divided.
    #[serde(default)]
    pub scale: Scale,
    /// Its curves.
    pub series: Vec<Series>,
    /// The paper's numbers beside those here.
    pub paper: Vec<Beside>,
}

/// A curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Its name in the legend.
    pub label: String,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// What the rounds gave there.
    #[serde(flatten)]
    pub y: Spread,
}

/// A number of the paper beside ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// What the paper says.
    pub says: String,
    /// Which curve divided by which, or less which.
    pub what: String,
    /// The paper's number.
    pub paper: String,
    /// Ours.
    pub here: String,
}

impl Figure {
    /// The figure of what was measured; points without a value are left out, and named by
    /// [`Figure::absent`].
    pub fn of(spec: &FigureSpec, all: &Measurements) -> Self {
        let point = |(x, key): &(f64, Key)| {
            Some(Point {
                x: *x,
                y: Spread::of(all.rounds(key))?,
            })
        };
        let series: Vec<_> = spec
            .series
            .iter()
            .map(|series| Series {
                label: series.label.into(),
                points: series.points.iter().filter_map(point).collect(),
            })
            .collect();
        let paper = spec.paper.iter().map(|claim| claim.beside(spec, all));
        Self {
            name: spec.name.into(),
            title: spec.title.into(),
            x_label: spec.x_label.into(),
            y_label: spec.y_label.into(),
            scale: spec.scale,
            paper: paper.collect(),
            series,
        }
    }

    /// The points of a spec that were never measured.
    pub fn absent(spec: &FigureSpec, all: &Measurements) -> Vec<String> {
        let points = spec.series.iter().flat_map(|series| &series.points);
        points
            .filter(|(_, key)| all.rounds(key).is_empty())
            .map(|(_, key)| key.to_string())
            .collect()
    }
}

impl Claim {
    fn beside(&self, spec: &FigureSpec, all: &Measurements) -> Beside {
        let of = |label| spec.series.iter().find(|series| series.label == label);
        let (of, to) = (of(self.of), of(self.to));
        let points = of.into_iter().flat_map(|series| &series.points);
        let numbers = points.filter(|(x, _)| self.at.is_none_or(|at| at == *x));
        let numbers = numbers.filter_map(|(x, key)| {
            let (_, other) = to?.points.iter().find(|(other, _)| other == x)?;
            let pairs = all.pairs(key, other).into_iter();
            let numbers = pairs.map(|(a, b)| self.compare.of(a, b));
            Some(Spread::of(numbers)?.median)
        });
        let here = match Spread::of(numbers) {
            None => "not measured".into(),
            Some(numbers) if numbers.min == numbers.max => digits(numbers.median),
            Some(numbers) => format!("{} to {}", digits(numbers.min), digits(numbers.max)),
        };
        let at = self.at.map(|at| format!(" at {at}")).unwrap_or_default();
        let sign = match self.compare {
            Compare::Ratio => "/",
            Compare::Difference => "−",
        };
        Beside {
            says: self.says.into(),
            what: format!("{} {sign} {}{at}", self.of, self.to),
            paper: self.number.into(),
            here,
        }
    }
}

impl Compare {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Ratio => a / b,
            Self::Difference => a - b,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two curves at 0 and 30 per cent.
    pub fn spec() -> FigureSpec {
        let series = |label: &'static str, who| SeriesSpec {
            label,
            points: [0.0, 30.0]
                .map(|x| (x, Key::new(format!("rtt at {x}"), who)))
                .into(),
        };
        FigureSpec {
            name: "figure-5",
            title: "Round trip against load",
            x_label: "load, %",
            y_label: "µs",
            scale: Scale::Linear,
            series: vec![
                series("single", "CM single"),
                series("same load", "CM groups"),
            ],
            paper: vec![
                Claim {
                    says: "2524 µs against 1239 µs",
                    number: "2.04",
                    compare: Compare::Ratio,
                    of: "single",
                    to: "same load",
                    at: Some(30.0),
                },
                Claim {
                    says: "always better",
                    number: "> 1",
                    compare: Compare::Ratio,
                    of: "single",
                    to: "same load",
                    at: None,
                },
                Claim {
                    says: "1285 µs less",
                    number: "1285",
                    compare: Compare::Difference,
                    of: "single",
                    to: "same load",
                    at: Some(30.0),
                },
            ],
        }
    }

    /// Two rounds of [`spec`].
    pub fn measured() -> Measurements {
        let mut all = Measurements::default();
        for round in 0..2 {
            for (case, single, groups) in [("rtt at 0", 100.0, 100.0), ("rtt at 30", 300.0, 150.0)]
            {
                all.record(round, Key::new(case, "CM single"), Ok(single));
                all.record(round, Key::new(case, "CM groups"), Ok(groups));
            }
        }
        all
    }

    #[test]
    fn curves_and_the_papers_numbers() {
        let figure = Figure::of(&spec(), &measured());
        let point = figure.series[0].points[1];
        assert_eq!((point.x, point.y.median), (30.0, 300.0));
        assert_eq!(figure.paper[0].here, "2.00");
        assert_eq!(figure.paper[0].what, "single / same load at 30");
        assert_eq!(figure.paper[1].here, "1.00 to 2.00");
        assert_eq!(figure.paper[2].here, "150");
        assert_eq!(figure.paper[2].what, "single − same load at 30");
        assert!(Figure::absent(&spec(), &measured()).is_empty());
    }

    #[test]
    fn points_that_nobody_measured_are_named() {
        let none = Measurements::default();
        assert_eq!(Figure::absent(&spec(), &none).len(), 4);
        assert_eq!(Figure::of(&spec(), &none).paper[0].here, "not measured");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Figures 8 and 9 of the paper: the time that a fetch takes against the file's size.

use crate::bench::Effort;
use crate::figure::{Claim, Compare, FigureSpec, Scale, SeriesSpec};
use crate::measure::Key;

/// The paper's sizes, in KB.
pub fn sizes(effort: Effort) -> &'static [usize] {
    effort.pick(&[10, 50, 100, 500, 1000], &[10, 100])
}

/// The load of the primary rail in figure 9, in per cent.
pub const LOAD: u32 = 10;

/// A curve of one of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// On one rail without load.
    Nfs,
    Pdfs,
    /// With load on the primary rail, and little on the others.
    NfsLoaded,
    /// Files over rails in turn: the paper's algorithm.
    PdfsRoundRobin,
    /// The transmission group that CM has by default.
    PdfsDefault,
}

impl Curve {
    /// Those of figure 8.
    pub const IDLE: [Self; 2] = [Self::Nfs, Self::Pdfs];
    /// Those of figure 9.
    pub const LOADED: [Self; 3] = [Self::NfsLoaded, Self::PdfsRoundRobin, Self::PdfsDefault];
    /// Ours and the peer's.
    pub const PAIRS: [(Self, Self); 3] = [
        (Self::Pdfs, Self::Nfs),
        (Self::PdfsRoundRobin, Self::NfsLoaded),
        (Self::PdfsDefault, Self::NfsLoaded),
    ];

    /// Its name in the legend.
    pub fn label(self) -> &'static str {
        match self {
            Self::Nfs | Self::NfsLoaded => "NFSv4.2",
            Self::Pdfs => "PDFS open",
            Self::PdfsRoundRobin => "PDFS open, round-robin",
            Self::PdfsDefault => "PDFS open, default group",
        }
    }

    /// Whether it is PDFS's, and not NFS's.
    pub fn is_ours(self) -> bool {
        !matches!(self, Self::Nfs | Self::NfsLoaded)
    }

    /// The transmission group that it is measured with; the default one if none is said.
    pub fn group(self) -> Option<&'static str> {
        match self {
            Self::Pdfs => Some("single"),
            Self::PdfsRoundRobin => Some("round-robin"),
            _ => None,
        }
    }

    /// Where the measured number goes, of files of so many KB.
    pub fn key(self, size: usize) -> Key {
        let rails = match self {
            Self::Nfs | Self::Pdfs => "one shaped rail".into(),
            _ => format!("shaped rails, load of {LOAD} %"),
        };
        Key::new(format!("fetch {size} KB, {rails}"), self.label())
    }

    fn spec(self, effort: Effort) -> SeriesSpec {
        SeriesSpec {
            label: self.label(),
            points: sizes(effort)
                .iter()
                .map(|size| (*size as f64, self.key(*size)))
                .collect(),
        }
    }
}

/// The figures.
pub fn figures(effort: Effort) -> Vec<FigureSpec> {
    let series = |curves: &[Curve]| curves.iter().map(|curve| curve.spec(effort)).collect();
    let claim = |says, number, compare, (of, to): (Curve, Curve), at: Option<usize>| Claim {
        says,
        number,
        compare,
        of: of.label(),
        to: to.label(),
        at: at
            .filter(|at| sizes(effort).contains(at))
            .map(|at| at as f64),
    };
    use Compare::{Difference, Ratio};
    let (idle, loaded) = (
        (Curve::Nfs, Curve::Pdfs),
        (Curve::NfsLoaded, Curve::PdfsRoundRobin),
    );
    let title_9 = "Figure 9: the same under a load of 10 % on the primary rail, with transmission \
                   groups";
    vec![
        FigureSpec {
            name: "figure-8",
            title: "Figure 8: fetch of a file through PDFS and NFS against its size",
            x_label: "size, KB",
            y_label: "time of a fetch, ms",
            scale: Scale::Logarithmic,
            series: series(&Curve::IDLE),
            paper: vec![
                claim(
                    "PDFS \"consistently performs better than NFS for all file sizes\"",
                    "> 1",
                    Ratio,
                    idle,
                    None,
                ),
                claim(
                    "\"a considerable performance gain of around 30–40 ms\" at 10 KB",
                    "30 to 40 ms",
                    Difference,
                    idle,
                    Some(10),
                ),
            ],
        },
        FigureSpec {
            name: "figure-9",
            title: title_9,
            x_label: "size, KB",
            y_label: "time of a fetch, ms",
            scale: Scale::Logarithmic,
            series: series(&Curve::LOADED),
            paper: vec![
                claim(
                    "\"the overall PDFS performance is improved when compared against NFS\"",
                    "> 1",
                    Ratio,
                    loaded,
                    None,
                ),
                claim(
                    "\"a 30–50 ms gain over NFS for file sizes around 10 K\"",
                    "30 to 50 ms",
                    Difference,
                    loaded,
                    Some(10),
                ),
                claim(
                    "\"a 100–200 ms gain for file sizes around 50 K\"",
                    "100 to 200 ms",
                    Difference,
                    loaded,
                    Some(50),
                ),
                claim(
                    "\"a couple of hundred microseconds gain for file sizes around 100 K\"",
                    "a few 0.1 ms",
                    Difference,
                    loaded,
                    Some(100),
                ),
            ],
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_name_curves_and_points_of_their_figure() {
        for figure in figures(Effort::Full) {
            for claim in &figure.paper {
                for label in [claim.of, claim.to] {
                    let series = figure.series.iter().find(|series| series.label == label);
                    let points = &series.unwrap().points;
                    assert!(claim.at.is_none_or(|at| points.iter().any(|p| p.0 == at)));
                }
            }
        }
    }

    #[test]
    fn each_curve_is_compared() {
        for curve in Curve::IDLE.into_iter().chain(Curve::LOADED) {
            let mut pairs = Curve::PAIRS.into_iter();
            assert!(pairs.any(|(ours, peer)| curve == ours || curve == peer));
        }
        for (ours, peer) in Curve::PAIRS {
            assert!(ours.is_ours() && !peer.is_ours());
            assert_eq!(ours.key(10).case, peer.key(10).case);
        }
    }
}

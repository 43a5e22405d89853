// SPDX-License-Identifier: MIT OR Apache-2.0

//! Figures 3 to 6 of the paper: times against the load of the rails.

use anyhow::Result;

use super::{CLIENT, SERVER};
use crate::bench::Effort;
use crate::benches::load::Load;
use crate::figure::{Claim, Compare, FigureSpec, Scale, SeriesSpec};
use crate::lab::Lab;
use crate::measure::{Key, Measurements};

const LOAD_LABEL: &str = "load on the primary rail, %";

/// A curve of one of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    Sockets,
    Single,
    /// Three circuits, dealt to the rails in turn: the paper's algorithm.
    GroupsMinimal,
    GroupsEqual,
    SetUpSockets,
    SetUpSingle,
}

const CURVES: [Curve; 6] = [
    Curve::Sockets,
    Curve::Single,
    Curve::GroupsMinimal,
    Curve::GroupsEqual,
    Curve::SetUpSockets,
    Curve::SetUpSingle,
];

impl Curve {
    fn label(self) -> &'static str {
        match self {
            Self::Sockets | Self::SetUpSockets => "sockets (TCP)",
            Self::Single | Self::SetUpSingle => "CM",
            Self::GroupsMinimal => "CM, transmission groups, minimal load elsewhere",
            Self::GroupsEqual => "CM, transmission groups, same load everywhere",
        }
    }

    /// Whether the other rails carry as much load as the first.
    fn loads_all(self) -> bool {
        self == Self::GroupsEqual
    }

    fn key(self, load: u32) -> Key {
        let what = match self {
            Self::SetUpSockets | Self::SetUpSingle => "set-up with 1500 bytes",
            _ => "64-byte round trip",
        };
        Key::new(format!("{what} at a load of {load} %"), self.label())
    }

    fn spec(self, effort: Effort) -> SeriesSpec {
        SeriesSpec {
            label: self.label(),
            points: loads(effort)
                .iter()
                .map(|load| (f64::from(*load), self.key(*load)))
                .collect(),
        }
    }

    /// The mean time in µs, as the paper takes it: without the slowest and the fastest of ten sets.
    fn measure(self, lab: &Lab, effort: Effort) -> Result<f64> {
        let (host, count) = (SERVER.to_string(), effort.pick("300", "20"));
        let what: &[&str] = match self {
            Self::Sockets => &["rtt", "tcp"],
            Self::Single => &["rtt", "cm", "--group", "single"],
            Self::GroupsMinimal | Self::GroupsEqual => {
                &["rtt", "cm", "--group", "round-robin", "--channels", "3"]
            }
            Self::SetUpSockets => &["setup", "tcp"],
            Self::SetUpSingle => &["setup", "cm", "--group", "single"],
        };
        let how: &[&str] = match self {
            Self::SetUpSockets | Self::SetUpSingle => &["--size", "1500"],
            // Apart from each other, as the paper's are: each meets the rail as it happens to be.
            _ => &["--pause", "1000"],
        };
        let args = [what, &[&host], how, &["--warm-up", "20", "--count", count]].concat();
        Ok(lab.tool(CLIENT, &args)?.number::<f64>("sets_ns")? / 1e3)
    }
}

/// The loads of the primary rail, in per cent.
fn loads(effort: Effort) -> &'static [u32] {
    effort.pick(&[0, 10, 20, 30, 40], &[0, 40])
}

/// Measures all points once; the rails are shaped to the paper's rate.
pub fn measure(lab: &Lab, effort: Effort, round: usize, all: &mut Measurements) {
    for load in loads(effort) {
        for everywhere in [false, true] {
            let _load = match Load::start(lab, [CLIENT, SERVER], *load, everywhere, round) {
                Ok(load) => load,
                Err(error) => {
                    all.fail(round, format!("a load of {load} %"), format!("{error:#}"));
                    continue;
                }
            };
            for curve in CURVES {
                if curve.loads_all() == everywhere {
                    all.record(round, curve.key(*load), curve.measure(lab, effort));
                }
            }
        }
    }
}

/// The figures.
pub fn figures(effort: Effort) -> Vec<FigureSpec> {
    let series = |curves: &[Curve]| curves.iter().map(|curve| curve.spec(effort)).collect();
    let claim = |says, ratio, of: Curve, to: Curve, at: Option<u32>| Claim {
        says,
        number: ratio,
        compare: Compare::Ratio,
        of: of.label(),
        to: to.label(),
        at: at.filter(|at| loads(effort).contains(at)).map(f64::from),
    };
    use Curve::{GroupsEqual, GroupsMinimal, SetUpSingle, SetUpSockets, Single, Sockets};
    vec![
        FigureSpec {
            name: "figure-3",
            title: "Figure 3: 64-byte round trip of CM and of sockets against load",
            x_label: LOAD_LABEL,
            y_label: "mean round trip, µs",
            scale: Scale::Linear,
            series: series(&[Sockets, Single]),
            paper: vec![claim(
                "the protocol \"is almost twice as fast\"",
                "almost 2",
                Sockets,
                Single,
                None,
            )],
        },
        FigureSpec {
            name: "figure-4",
            title: "Figure 4: the same with transmission groups, minimal load on the other rails",
            x_label: LOAD_LABEL,
            y_label: "mean round trip, µs",
            scale: Scale::Linear,
            series: series(&[Sockets, Single, GroupsMinimal]),
            paper: vec![claim(
                "with transmission groups \"almost three times faster than the regular networking \
                 protocol\"",
                "almost 3",
                Sockets,
                GroupsMinimal,
                None,
            )],
        },
        FigureSpec {
            name: "figure-5",
            title: "Figure 5: CM, and CM with transmission groups under minimal and same load",
            x_label: LOAD_LABEL,
            y_label: "mean round trip, µs",
            scale: Scale::Linear,
            series: series(&[Single, GroupsMinimal, GroupsEqual]),
            paper: vec![
                claim(
                    "2524 µs on one rail, 1239 µs on three with the same load, at 30 %",
                    "2.04",
                    Single,
                    GroupsEqual,
                    Some(30),
                ),
                claim(
                    "equation 3: minimal load is faster than the same load",
                    "> 1",
                    GroupsEqual,
                    GroupsMinimal,
                    None,
                ),
            ],
        },
        FigureSpec {
            name: "figure-6",
            title: "Figure 6: set-up and the first 1500 bytes there and back, against load",
            x_label: LOAD_LABEL,
            y_label: "mean set-up, µs",
            scale: Scale::Linear,
            series: series(&[SetUpSockets, SetUpSingle]),
            paper: vec![claim(
                "a CDT entry \"takes around 200 µs, which is lesser than standard connection \
                 setup time\"",
                "> 1",
                SetUpSockets,
                SetUpSingle,
                None,
            )],
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn figures_need_only_what_is_measured() {
        for effort in [Effort::Full, Effort::Quick] {
            let measured: BTreeSet<_> = CURVES
                .iter()
                .flat_map(|curve| loads(effort).iter().map(|load| curve.key(*load)))
                .collect();
            assert_eq!(measured.len(), CURVES.len() * loads(effort).len());
            let figures = figures(effort);
            let needed: BTreeSet<_> = figures
                .iter()
                .flat_map(|figure| &figure.series)
                .flat_map(|series| series.points.iter().map(|(_, key)| key.clone()))
                .collect();
            assert_eq!(needed, measured);
        }
    }

    #[test]
    fn claims_name_curves_of_their_figure() {
        for figure in figures(Effort::Full) {
            let labels: Vec<_> = figure.series.iter().map(|series| series.label).collect();
            assert!(!figure.paper.is_empty());
            for claim in &figure.paper {
                assert!(
                    labels.contains(&claim.of) && labels.contains(&claim.to),
                    "{claim:?}"
                );
            }
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! A cluster as a picture: its nodes, its rails, and how both are.

mod svg;

use crate::control::{NodeState, NodeStatus, Status};
use crate::fault::{LinkStatus, WayStatus};
use svg::Svg;

/// Nodes side by side; more go below them.
const COLUMNS: usize = 8;
const MARGIN: usize = 24;
const BOX: (usize, usize) = (132, 62);
const GAP: usize = 28;
/// Between two rails.
const RAIL: usize = 30;
/// From the last rail to the nodes.
const DROP: usize = 64;
const HEAD: usize = 64;
/// Between two rows.
const ROW: usize = 36;
const FOOT: usize = 44;

/// One for each of the 8 rails that there can be; told apart by people who see no colours, too.
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f3c8d", "#555555",
];

const STYLE: &str = "text{font-family:sans-serif;font-size:12px;fill:#222}\
    .title{font-size:17px;font-weight:bold}.name{font-size:14px;font-weight:bold}\
    .small{font-size:10px}\
    .node rect{fill:#e8f5e9;stroke:#2e7d32;stroke-width:2}\
    .booting rect{fill:#fffde7;stroke:#f9a825}.broken rect{fill:#fff3e0;stroke:#e65100}\
    .paused rect{fill:#e3f2fd;stroke:#1565c0;stroke-dasharray:3 3}\
    .down rect{fill:#f5f5f5;stroke:#9e9e9e;stroke-dasharray:7 4}.down text{fill:#777}\
    .rail line{stroke-width:4;stroke-linecap:round}\
    .link line{stroke-width:2}.link.shaped line{stroke-dasharray:2 3}\
    .link.unplugged line{stroke-dasharray:5 5;opacity:.35}.link .broken{stroke:#c62828}\
    .link .group{font-weight:bold;fill:#c62828}";

impl Status {
    /// The cluster as an SVG document: every node with its state, every rail, and every link with
    /// what was done to it. Whoever points at a part is told the rest.
    pub fn to_svg(&self) -> String {
        let picture = Picture::of(self);
        let mut svg = Svg::new(picture.width(), picture.height(), STYLE);
        picture.head(&mut svg);
        for row in 0..picture.rows() {
            picture.rails(&mut svg, row);
        }
        for (index, node) in self.nodes.iter().enumerate() {
            picture.node(&mut svg, index, node);
        }
        picture.foot(&mut svg);
        svg.end()
    }
}

struct Picture<'a> {
    status: &'a Status,
    rails: usize,
}

impl<'a> Picture<'a> {
    fn of(status: &'a Status) -> Self {
        let rails = status.topology.rails.len();
        Self { status, rails }
    }

    fn rows(&self) -> usize {
        self.status.nodes.len().div_ceil(COLUMNS)
    }

    fn columns(&self) -> usize {
        // The title and the legend have the room of four.
        self.status.nodes.len().clamp(4, COLUMNS)
    }

    fn width(&self) -> usize {
        // Left of the nodes the rails have their names.
        2 * MARGIN + 70 + self.columns() * (BOX.0 + GAP)
    }

    fn row_height(&self) -> usize {
        self.rails * RAIL + DROP + BOX.1 + ROW
    }

    fn height(&self) -> usize {
        HEAD + self.rows() * self.row_height() + FOOT
    }

    fn rail_y(&self, row: usize, rail: usize) -> usize {
        HEAD + row * self.row_height() + 10 + rail * RAIL
    }

    fn head(&self, svg: &mut Svg) {
        let (status, topology) = (self.status, &self.status.topology);
        let title = format!("cluster {}", status.name);
        svg.text(MARGIN, 30, "title", &title);
        let up = status.nodes.iter();
        let up = up.filter(|node| node.state == NodeState::Up).count();
        let about = format!(
            "{up} of {} nodes up, {} rails by {}, CM {}, profile {}, {} MiB a node, {}",
            status.nodes.len(),
            self.rails,
            topology.net,
            topology.cm_mode,
            topology.profile,
            topology.memory_mib,
            status.accelerator,
        );
        svg.text(MARGIN, 48, "about", &about);
    }

    /// The rails above a row of nodes; those of several rows are joined at their left ends.
    fn rails(&self, svg: &mut Svg, row: usize) {
        let right = self.width() - MARGIN;
        for (rail, made) in self.status.topology.rails.iter().enumerate() {
            let (y, colour) = (self.rail_y(row, rail), COLOURS[rail % COLOURS.len()]);
            // An id is there once.
            let id = (row == 0).then(|| format!("rail{rail}"));
            svg.open(id.as_deref(), "rail");
            svg.title(&format!(
                "rail {rail}, eth{rail} of every node, MTU {}",
                made.mtu
            ));
            let left = MARGIN + 70 - 4 * rail;
            svg.line((left, y), (right, y), colour, "");
            if row > 0 {
                svg.line((left, self.rail_y(row - 1, rail)), (left, y), colour, "");
            }
            svg.text(MARGIN - 10, y - 2, "", &format!("rail {rail}"));
            svg.text(MARGIN - 10, y + 10, "small", &format!("MTU {}", made.mtu));
            svg.close();
        }
    }

    fn node(&self, svg: &mut Svg, index: usize, node: &NodeStatus) {
        let (row, column) = (index / COLUMNS, index % COLUMNS);
        let x = MARGIN + 70 + GAP / 2 + column * (BOX.0 + GAP);
        let y = self.rail_y(row, self.rails) + DROP - RAIL;
        let links = self.status.links.iter();
        for link in links.filter(|link| link.node == node.id) {
            self.link(svg, row, (x, y), node, link);
        }
        svg.open(Some(&node.name), &format!("node {}", node.state));
        let mut about = format!("{}: {}, boot {}", node.name, node.state, node.boots);
        for problem in &node.problems {
            about += &format!("\n{problem}");
        }
        svg.title(&about);
        svg.rect((x, y), BOX);
        svg.text(x + 10, y + 20, "name", &node.name);
        svg.text(x + 10, y + 37, "state", &node.state.to_string());
        let qemu = match (node.qemu, node.problems.len()) {
            (_, problems @ 1..) => format!("boot {}, {problems} problems", node.boots),
            (Some(qemu), _) => format!("boot {}, QEMU {qemu}", node.boots),
            (None, _) => format!("boot {}", node.boots),
        };
        svg.text(x + 10, y + 53, "small", &qemu);
        svg.close();
    }

    /// A node's way to a rail, with what is in it.
    fn link(
        &self,
        svg: &mut Svg,
        row: usize,
        (left, bottom): (usize, usize),
        node: &NodeStatus,
        link: &LinkStatus,
    ) {
        let rail = usize::from(link.rail);
        let colour = COLOURS[rail % COLOURS.len()];
        // Even over the box, and not at its edges.
        let x = left + BOX.0 * (2 * rail + 1) / (2 * self.rails);
        let (top, middle) = (self.rail_y(row, rail), bottom - DROP / 2);
        let words = words(link);
        let kinds = words.iter().map(|(kind, _)| *kind);
        let class = [
            Some("link").into_iter().collect(),
            kinds.collect::<Vec<_>>(),
        ]
        .concat();
        let id = format!("{}-rail{rail}", node.name);
        svg.open(Some(&id), &class.join(" "));
        let said = words.iter().map(|(_, text)| format!("\n{text}"));
        let said = match words.is_empty() {
            true => " is whole".to_owned(),
            false => said.collect(),
        };
        svg.title(&format!("{} on rail {rail}{said}", node.name));
        svg.line((x, top), (x, bottom), colour, "");
        svg.dot((x, top), 4, colour);
        if !link.carrier || link.sent.cut || link.received.cut {
            svg.line(
                (x - 6, middle - 6),
                (x + 6, middle + 6),
                "#c62828",
                "broken",
            );
            svg.line(
                (x - 6, middle + 6),
                (x + 6, middle - 6),
                "#c62828",
                "broken",
            );
        }
        if link.group > 0 {
            svg.text(x + 6, top + 13, "small group", &letter(link.group));
        }
        let rate = link.received.rate.or(link.sent.rate);
        if let Some(rate) = rate {
            svg.text(x + 4, bottom - 6, "small", &rate.to_string());
        }
        if !link.sent.faults.is_none() || !link.received.faults.is_none() {
            svg.text(x + 4, middle + 4, "small", "~");
        }
        svg.close();
    }

    fn foot(&self, svg: &mut Svg) {
        let y = self.height() - FOOT + 20;
        let legend = "\u{d7} no carrier, or cut   ~ faults of frames   A, B: parts of a \
                      partition   dotted: shaped   dashed box: down";
        svg.text(MARGIN, y, "small", legend);
    }
}

/// What was done to a link: a class of its own for each, and words.
fn words(link: &LinkStatus) -> Vec<(&'static str, String)> {
    let mut words = Vec::new();
    if !link.carrier {
        words.push(("unplugged", "no carrier".to_owned()));
    }
    if link.group > 0 {
        let part = format!("in part {} of a partition", letter(link.group));
        words.push(("apart", part));
    }
    let ways = [("sends", &link.sent), ("is sent", &link.received)];
    for (which, way) in ways {
        let WayStatus { cut, rate, faults } = way;
        if *cut {
            words.push(("cut", format!("what it {which} is lost")));
        }
        if let Some(rate) = rate {
            words.push(("shaped", format!("what it {which}: {rate}")));
        }
        if !faults.is_none() {
            words.push(("faulty", format!("what it {which}: {faults}")));
        }
    }
    words
}

/// A, B and on; numbers where letters end.
fn letter(group: usize) -> String {
    match u8::try_from(group) {
        Ok(group @ 1..=26) => char::from(b'A' + group - 1).to_string(),
        _ => group.to_string(),
    }
}

#[cfg(test)]
mod tests;

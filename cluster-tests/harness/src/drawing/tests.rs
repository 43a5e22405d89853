// SPDX-License-Identifier: MIT OR Apache-2.0

use roxmltree::{Document, Node};

use super::*;
use crate::fault::{Chance, Faults, Rate};
use crate::topology::{node_name, Net, Rail, Topology};

/// A cluster of this topology in which all is well.
fn status(topology: Topology) -> Status {
    let node = |id: &u32| NodeStatus {
        id: *id,
        name: node_name(*id),
        state: NodeState::Up,
        problems: Vec::new(),
        qemu: Some(4000 + *id),
        boots: 1,
        console: "/nowhere".into(),
    };
    let nodes = topology.nodes.iter().map(node).collect();
    let rails = 0..topology.rails.len() as u8;
    let links = topology.nodes.iter().flat_map(|node| {
        rails.clone().map(|rail| LinkStatus {
            node: *node,
            rail,
            carrier: true,
            sent: WayStatus::default(),
            received: WayStatus::default(),
            group: 0,
        })
    });
    Status {
        name: "drawn".into(),
        accelerator: "tcg".into(),
        supervisor: 1,
        folder: "/nowhere".into(),
        nodes,
        links: links.collect(),
        troubles: Vec::new(),
        topology,
    }
}

/// The part with this id, which is there exactly once.
fn part<'a, 'd>(document: &'a Document<'d>, id: &str) -> Node<'a, 'd> {
    let mut parts = document.descendants();
    let mut parts = parts.by_ref().filter(|n| n.attribute("id") == Some(id));
    let part = parts.next().unwrap_or_else(|| panic!("no {id}"));
    assert!(parts.next().is_none(), "{id} is there twice");
    part
}

fn class(node: Node<'_, '_>) -> Vec<String> {
    let class = node.attribute("class").unwrap_or_default();
    class.split(' ').map(str::to_owned).collect()
}

fn words(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter_map(|part| part.text());
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_node_rail_and_link_is_there_once() {
    for (nodes, rails) in [(1, 1), (4, 3), (30, 8)] {
        let topology = Topology::nodes(nodes).rails(rails, Rail::of_mtu(9000));
        let svg = status(topology).to_svg();
        let document = Document::parse(&svg).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        assert_eq!(
            root.tag_name().namespace(),
            Some("http://www.w3.org/2000/svg")
        );
        for rail in 0..rails {
            assert!(words(part(&document, &format!("rail{rail}"))).contains("MTU 9000"));
        }
        for node in 1..=nodes {
            let name = node_name(node);
            let drawn = part(&document, &name);
            assert_eq!(class(drawn), ["node", "up"]);
            assert!(words(drawn).contains(&name));
            for rail in 0..rails {
                let link = part(&document, &format!("{name}-rail{rail}"));
                assert_eq!(class(link), ["link"]);
                assert!(words(link).contains("is whole"));
            }
        }
    }
}

#[test]
fn all_of_it_lies_on_the_sheet() {
    let svg = status(Topology::nodes(17).rails(8, Rail::default())).to_svg();
    let document = Document::parse(&svg).unwrap();
    let number = |node: Node<'_, '_>, name: &str| -> Option<f64> {
        node.attribute(name).and_then(|value| value.parse().ok())
    };
    let root = document.root_element();
    let (width, height) = (number(root, "width"), number(root, "height"));
    for node in root.descendants() {
        for (x, y) in [("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")] {
            let inside =
                |at: Option<f64>, end: Option<f64>| at.is_none_or(|at| at >= 0.0 && Some(at) < end);
            assert!(inside(number(node, x), width), "{node:?}");
            assert!(inside(number(node, y), height), "{node:?}");
        }
    }
}

#[test]
fn what_was_done_is_shown() {
    let mut status = status(Topology::nodes(3).net(Net::Switch));
    status.nodes[1].state = NodeState::Down;
    status.nodes[1].qemu = None;
    status.nodes[2].state = NodeState::Broken;
    status.nodes[2].problems = vec!["<podosd> & \"co\" did not start\u{7}".into()];
    // linus1 on rails 0 to 2, then linus2 on 0.
    status.links[0].carrier = false;
    status.links[1].sent.cut = true;
    status.links[1].received.rate = Some(Rate::mbit(100));
    status.links[2].group = 2;
    status.links[3].received.faults = Faults {
        loss: Chance::percent(5.0),
        ..Faults::default()
    };
    let svg = status.to_svg();
    let document = Document::parse(&svg).unwrap();
    assert_eq!(class(part(&document, "linus2")), ["node", "down"]);
    let broken = part(&document, "linus3");
    assert_eq!(class(broken), ["node", "broken"]);
    assert!(words(broken).contains("<podosd> & \"co\" did not start"));
    let link = |id: &str| part(&document, id);
    assert_eq!(class(link("linus1-rail0")), ["link", "unplugged"]);
    assert!(words(link("linus1-rail0")).contains("no carrier"));
    assert_eq!(class(link("linus1-rail1")), ["link", "cut", "shaped"]);
    assert!(words(link("linus1-rail1")).contains("100mbit"));
    assert!(words(link("linus1-rail2")).contains("part B"));
    assert!(words(link("linus2-rail0")).contains("loss 5%"));
}

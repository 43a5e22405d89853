// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reports read back by a parser that knows nothing of us, against the schema's rules.

use super::*;
use crate::test::{FAULTY, SHARED};
use proptest::prelude::*;
use roxmltree::{Document, Node};

/// An element as the schema has it: what it may have, and what it must.
struct Element {
    name: &'static str,
    children: &'static [&'static str],
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

/// The part of `junit-10.xsd` that there is in our reports.
const SCHEMA: [Element; 8] = [
    Element {
        name: "testsuites",
        children: &["testsuite"],
        required: &[],
        optional: &["name", "time", "tests", "failures", "errors"],
    },
    Element {
        name: "testsuite",
        children: &["properties", "testcase", "system-out", "system-err"],
        required: &["name", "tests", "failures", "errors"],
        optional: &["time", "skipped", "timestamp", "hostname", "id"],
    },
    Element {
        name: "properties",
        children: &["property"],
        required: &[],
        optional: &[],
    },
    Element {
        name: "property",
        children: &[],
        required: &["name", "value"],
        optional: &[],
    },
    Element {
        name: "testcase",
        children: &["skipped", "error", "failure", "system-out", "system-err"],
        required: &["name"],
        optional: &["classname", "time", "group"],
    },
    Element {
        name: "failure",
        children: &[],
        required: &[],
        optional: &["type", "message"],
    },
    Element {
        name: "skipped",
        children: &[],
        required: &[],
        optional: &["type", "message"],
    },
    Element {
        name: "system-out",
        children: &[],
        required: &[],
        optional: &[],
    },
];

fn check(node: Node<'_, '_>) {
    let name = node.tag_name().name();
    let element = SCHEMA.iter().find(|element| element.name == name);
    let element = element.unwrap_or_else(|| panic!("<{name}> is not in the schema"));
    for attribute in node.attributes() {
        let attribute = attribute.name();
        let known = element.required.iter().chain(element.optional);
        assert!(
            known.into_iter().any(|one| *one == attribute),
            "<{name} {attribute}>"
        );
    }
    for attribute in element.required {
        assert!(
            node.has_attribute(*attribute),
            "<{name}> without {attribute}"
        );
    }
    for number in ["tests", "failures", "errors", "skipped", "time"] {
        let value = node.attribute(number).unwrap_or("0");
        assert!(
            value.parse::<f64>().is_ok_and(|number| number >= 0.0),
            "{number}={value}"
        );
    }
    let children = node.children().filter(Node::is_element);
    for child in children {
        let child_name = child.tag_name().name();
        assert!(
            element.children.contains(&child_name),
            "<{name}><{child_name}>"
        );
        check(child);
    }
    if !element.children.is_empty() {
        let text = node.children().filter(Node::is_text);
        assert!(text
            .into_iter()
            .all(|text| text.text().unwrap_or("").trim().is_empty()));
    }
}

fn test(name: &'static str, setting: crate::test::Setting) -> Test {
    Test {
        name,
        setting,
        limit: None,
        run: |_| Ok(()),
    }
}

fn failure(reason: &str) -> Verdict {
    Verdict::Failed(Failure {
        reason: reason.into(),
        replay: "again '!a & b' <now>".into(),
        files: vec!["/r/s.two/timeline.log".into(), "/r/s.two/rail0.pcap".into()],
    })
}

#[test]
fn a_report_keeps_to_the_schema_and_has_everything() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/junit.xml");
    let names = ["s.one", "s.two", "s.three"].map(|name| test(name, SHARED));
    let tests = [&names[..], &[test("t.four", FAULTY)]].concat();
    let properties = vec![("seed", "7".to_owned()), ("kernel", "a \"b\" & <c>".into())];
    let mut report = Report::begin(path.clone(), &tests, properties).unwrap();
    let begun = fs::read_to_string(&path).unwrap();
    let begun = Document::parse(&begun).unwrap();
    check(begun.root_element());
    // What has no verdict yet has failed.
    assert_eq!(begun.root_element().attribute("failures"), Some("4"));
    let second = Duration::from_millis(1500);
    report.enter("s.one", Verdict::Passed, second).unwrap();
    let reason = "a < b & \"c\"\n\u{1b}[0m]]>\t\u{fffe}\u{1b}]end";
    report.enter("s.two", failure(reason), second).unwrap();
    report
        .enter("s.three", Verdict::Skipped("no need".into()), second)
        .unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let document = Document::parse(&text).unwrap();
    check(document.root_element());
    let all = document.root_element();
    let numbers = ["tests", "failures", "time"].map(|name| all.attribute(name).unwrap());
    assert_eq!(numbers, ["4", "2", "4.500"]);
    let cases = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"));
    let cases = cases.map(|node| {
        let said = ["classname", "name", "time"].map(|name| node.attribute(name).unwrap());
        let verdict = node.first_element_child();
        (said, verdict.map(|child| child.tag_name().name()))
    });
    assert_eq!(
        cases.collect::<Vec<_>>(),
        [
            (["s", "one", "1.500"], None),
            (["s", "two", "1.500"], Some("failure")),
            (["s", "three", "1.500"], Some("skipped")),
            (["t", "four", "0.000"], Some("failure")),
        ]
    );
    let find = |name: &str| {
        let mut found = document
            .descendants()
            .filter(|node| node.has_tag_name(name));
        found.next().unwrap()
    };
    assert_eq!(find("testsuite").attribute("skipped"), Some("1"));
    assert_eq!(find("skipped").attribute("message"), Some("no need"));
    let failure = find("failure");
    assert_eq!(failure.attribute("message"), Some("a < b & \"c\""));
    let whole = "a < b & \"c\"\n\u{fffd}[0m]]> \u{fffd}\u{fffd}]end";
    assert_eq!(failure.text(), Some(whole));
    let out = find("system-out").text().unwrap();
    assert_eq!(
        out,
        "again: again '!a & b' <now>\n[[ATTACHMENT|/r/s.two/timeline.log]]\n\
         [[ATTACHMENT|/r/s.two/rail0.pcap]]\n"
    );
    let properties = document
        .descendants()
        .filter(|node| node.has_tag_name("property"));
    let properties = properties.map(|node| {
        let [name, value] = ["name", "value"].map(|name| node.attribute(name).unwrap());
        format!("{name}={value}")
    });
    assert_eq!(
        properties.collect::<Vec<_>>(),
        [
            "seed=7",
            "kernel=a \"b\" & <c>",
            "setting=shared",
            "seed=7",
            "kernel=a \"b\" & <c>",
            "setting=faulty"
        ]
    );
    // Nobody told how the last one ended.
    assert!(text.contains("did not come to an end"));
}

proptest! {
    /// Whatever a test fails with, the file can be read, and has it but for what is no text.
    #[test]
    fn no_reason_breaks_a_report(reason in "[\0-\u{a0}\u{fffd}-\u{ffff}\u{1f600}]{0,60}") {
        let case = Case {
            test: "s.one",
            verdict: Some(failure(&reason)),
            time: Duration::ZERO,
        };
        let report = Report {
            path: "unused".into(),
            properties: vec![("image", reason.clone())],
            suites: vec![Suite { setting: "shared", cases: vec![case] }],
        };
        let text = report.xml().unwrap();
        let document = Document::parse(&text).unwrap();
        check(document.root_element());
        let find = |name: &str| document.descendants().find(|node| node.has_tag_name(name));
        let said = find("failure").unwrap().text().unwrap_or_default();
        prop_assert_eq!(said, legible(&reason));
        prop_assert_eq!(said.chars().count(), reason.chars().count());
        let image = find("property").unwrap().attribute("value").unwrap();
        // In attributes, a parser takes the end of a line for a space.
        prop_assert_eq!(image, legible(&reason).replace('\n', " "));
    }
}

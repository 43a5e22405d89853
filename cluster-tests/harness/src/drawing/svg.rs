// SPDX-License-Identifier: MIT OR Apache-2.0

//! The few parts of SVG that a drawing needs.

use std::fmt::Write;

/// A document under way.
pub(super) struct Svg(String);

/// A line of it.
macro_rules! put {
    ($svg:expr, $($text:tt)*) => {{
        // Writing into a string can't fail.
        let _ = writeln!($svg.0, $($text)*);
    }};
}

impl Svg {
    pub(super) fn new(width: usize, height: usize, style: &str) -> Self {
        let mut svg = Self(String::new());
        put!(svg, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        put!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">"
        );
        put!(svg, "<style>{}</style>", escape(style));
        put!(svg, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>");
        svg
    }

    pub(super) fn end(mut self) -> String {
        put!(self, "</svg>");
        self.0
    }

    /// Begins a group.
    pub(super) fn open(&mut self, id: Option<&str>, class: &str) {
        let id = id.map(|id| format!(" id=\"{}\"", escape(id)));
        let id = id.unwrap_or_default();
        put!(self, "<g{id} class=\"{}\">", escape(class));
    }

    /// Ends it.
    pub(super) fn close(&mut self) {
        put!(self, "</g>");
    }

    /// What is shown to who points at the group.
    pub(super) fn title(&mut self, text: &str) {
        put!(self, "<title>{}</title>", escape(text));
    }

    pub(super) fn text(&mut self, x: usize, y: usize, class: &str, text: &str) {
        let text = escape(text);
        put!(
            self,
            "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{text}</text>"
        );
    }

    pub(super) fn line(
        &mut self,
        (x1, y1): (usize, usize),
        (x2, y2): (usize, usize),
        colour: &str,
        class: &str,
    ) {
        put!(
            self,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{colour}\" \
             class=\"{class}\"/>"
        );
    }

    pub(super) fn rect(&mut self, (x, y): (usize, usize), (width, height): (usize, usize)) {
        put!(
            self,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>"
        );
    }

    pub(super) fn dot(&mut self, (x, y): (usize, usize), radius: usize, colour: &str) {
        put!(
            self,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{colour}\"/>"
        );
    }
}

/// Text as XML has it; characters that it has no way to write are left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' | '\t' => escaped.push(character),
            character if character.is_control() => {}
            '\u{fffe}' | '\u{ffff}' => {}
            character => escaped.push(character),
        }
    }
    escaped
}

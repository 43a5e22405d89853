// SPDX-License-Identifier: MIT OR Apache-2.0

//! The words of the kernel command line that are for this node.

use std::fs;

/// The `podos.` words of a kernel command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// `podos.node=`: the host id, 1 to 254; it is the last byte of addresses too.
    pub node: Option<u32>,
    /// `podos.boot=`: the boot sequence number; `podosd` finds one when there is none here.
    pub boot: Option<u16>,
    /// `podos.share`: a folder of the host is to be mounted.
    pub share: bool,
    /// `podos_cm.NAME=VALUE` and the like: parameters of modules, as `MODULE` and `NAME=VALUE`.
    /// modprobe takes them from the command line too.
    pub parameters: Vec<(String, String)>,
    /// Words that could not be made sense of, one complaint each.
    pub problems: Vec<String>,
}

impl CommandLine {
    /// The command line of the running kernel; needs /proc.
    pub fn of_kernel() -> Self {
        match fs::read_to_string("/proc/cmdline") {
            Ok(text) => Self::parse(&text),
            Err(error) => Self {
                problems: vec![format!("cannot read /proc/cmdline: {error}")],
                ..Self::default()
            },
        }
    }

    fn parse(text: &str) -> Self {
        let mut line = Self::default();
        for word in text.split_ascii_whitespace() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            match (name, value) {
                ("podos.node", value) => {
                    line.node = number(value).filter(|node| (1..=254).contains(node));
                    if line.node.is_none() {
                        line.complain(word, "a host id from 1 to 254");
                    }
                }
                ("podos.boot", value) => {
                    line.boot = number(value).filter(|boot| *boot > 0);
                    if line.boot.is_none() {
                        line.complain(word, "a boot sequence number from 1 to 65535");
                    }
                }
                ("podos.share", None) => line.share = true,
                ("podos.share", Some(_)) => line.complain(word, "the word alone"),
                _ => line.parameters.extend(parameter(word)),
            }
        }
        line
    }

    /// The parameters of one module, as the kernel takes them.
    pub fn parameters_of(&self, module: &str) -> String {
        let own = self.parameters.iter().filter(|(name, _)| name == module);
        let words: Vec<_> = own.map(|(_, word)| word.as_str()).collect();
        words.join(" ")
    }

    fn complain(&mut self, word: &str, wanted: &str) {
        let problem = format!("kernel command line: `{word}` should be {wanted}");
        self.problems.push(problem);
    }
}

fn parameter(word: &str) -> Option<(String, String)> {
    let (module, parameter) = word.split_once('.')?;
    let ours = module.starts_with("podos_");
    ours.then(|| (module.to_owned(), parameter.to_owned()))
}

fn number<T: std::str::FromStr>(value: Option<&str>) -> Option<T> {
    value?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_s_line() {
        let line = CommandLine::parse(
            "console=ttyS0 panic=-1 podos.node=3 podos.boot=700 podos.share quiet\n",
        );
        assert_eq!(
            line,
            CommandLine {
                node: Some(3),
                boot: Some(700),
                share: true,
                ..CommandLine::default()
            }
        );
    }

    #[test]
    fn parameters_of_modules() {
        let line = CommandLine::parse(
            "podos_cm.reveal_keys=1 loop.max_loop=4 podos_rm.x=y podos_cm.cdt_entries=9",
        );
        assert_eq!(
            line.parameters_of("podos_cm"),
            "reveal_keys=1 cdt_entries=9"
        );
        assert_eq!(line.parameters_of("podos_rm"), "x=y");
        assert_eq!(line.parameters_of("podos_gipc"), "");
        assert!(line.problems.is_empty());
    }

    #[test]
    fn nothing_for_us() {
        let line = CommandLine::parse("console=ttyS0 nopodos.share podos.nodes=3");
        assert_eq!(line, CommandLine::default());
    }

    #[test]
    fn the_last_word_counts() {
        assert_eq!(
            CommandLine::parse("podos.node=3 podos.node=4").node,
            Some(4)
        );
    }

    #[test]
    fn nonsense_is_named() {
        for word in [
            "podos.node",
            "podos.node=",
            "podos.node=0",
            "podos.node=255",
            "podos.node=x",
            "podos.boot=0",
            "podos.boot=65536",
            "podos.share=/home",
        ] {
            let line = CommandLine::parse(word);
            let [problem] = &line.problems[..] else {
                panic!("{word}: {:?}", line.problems);
            };
            assert!(problem.contains(&format!("`{word}`")), "{problem}");
            assert_eq!((line.node, line.boot, line.share), (None, None, false));
        }
    }
}

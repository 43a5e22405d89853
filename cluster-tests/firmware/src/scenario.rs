// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the firmware is asked to do, as text: settings first, then commands, one a line.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::{FromStr, SplitWhitespace};

use crate::identity::Mode;
use crate::wire::{MAX_MTU, MIN_MTU};

/// What a scenario says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The cluster's mode.
    pub mode: Mode,
    /// The firmware's host id.
    pub host: u32,
    /// Its boot sequence.
    pub boot: u16,
    /// MTU of each rail.
    pub mtu: Vec<u16>,
    /// What its random numbers come from, besides the clock.
    pub seed: u64,
    /// Uses a key that is not the cluster's.
    pub wrong_key: bool,
    /// Says Hello, beacons and answers.
    pub speaks: bool,
    /// Segments for which its circuits have room.
    pub window: u16,
    /// Bytes of a segment; what fits every rail if unset.
    pub segment: Option<usize>,
    /// What it does, in order.
    pub commands: Vec<Command>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Wait until these nodes are up on all rails, and keys are settled.
    Join(Vec<u32>),
    /// Open circuits to a node's echo service, and want back what was sent.
    Echo {
        /// The node.
        host: u32,
        /// Op of the messages: 1 is echoed in the kernel, others by the process that listens.
        op: u8,
        /// Circuits at a time.
        circuits: usize,
        /// Messages on each.
        count: usize,
        /// Bytes of each.
        size: usize,
    },
    /// Wait until so many circuits of others were served to their end.
    Serve(u32),
    /// Open a circuit of this class, which is to be refused.
    Refused {
        /// The node.
        host: u32,
        /// The class.
        class: u8,
    },
    /// Pick a new nonce, and wait until all peers have agreed on new keys.
    Rekey,
    /// Do one's duties for so many milliseconds.
    Stay(u64),
    /// Say that one is leaving, and nothing more.
    Leave,
    /// Send each kind of bad frame that needs no key, so many times.
    Bad {
        /// Of each.
        count: usize,
    },
    /// As a member: frames to a node that are bad although their sender has the key.
    Treason {
        /// The node.
        host: u32,
        /// Of each.
        count: usize,
    },
    /// As a member: contradict oneself on circuits with a node, and see that others still work.
    Abuse {
        /// The node.
        host: u32,
    },
    /// As a member: fill circuits to a node with pieces of segments of which the first never comes.
    Hoard {
        /// The node.
        host: u32,
        /// How many circuits.
        circuits: usize,
        /// Bytes of a piece.
        size: usize,
        /// How long to keep them, in milliseconds.
        ms: u64,
    },
    /// Send again what others sent to everybody.
    Replay {
        /// How often each.
        count: usize,
    },
    /// Claim to be other nodes, without their key.
    Impersonate(Vec<u32>),
    /// Send as fast as the rails take it.
    Flood {
        /// What.
        kind: Flood,
        /// How long, in milliseconds.
        ms: u64,
    },
}

/// What a flood consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Bytes without sense.
    Garbage,
    /// Hellos of ever new hosts.
    Hellos,
    /// Handshakes with ever new nonces.
    Handshakes,
    /// Data frames with wrong tags in the name of other nodes.
    Data,
    /// As a member: circuits that are opened and forgotten.
    Opens,
}

impl Scenario {
    /// Takes it from text.
    ///
    /// # Errors
    ///
    /// The line that makes no sense, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut scenario = Self {
            mode: Mode::Aead,
            host: 0,
            boot: 1,
            mtu: Vec::new(),
            seed: 0,
            wrong_key: false,
            speaks: true,
            window: 64,
            segment: None,
            commands: Vec::new(),
        };
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = Words(line.split_whitespace());
            let Some(name) = words.0.next() else {
                continue;
            };
            let done = scenario.line(name, &mut words).and_then(|()| words.end());
            done.map_err(|why| format!("line {}: `{}`: {why}", number + 1, line.trim()))?;
        }
        if scenario.host == 0 {
            return Err("there is no `host`, or it is 0".to_string());
        }
        if scenario.mtu.is_empty() {
            return Err("there is no `mtu`: one number for each rail".to_string());
        }
        Ok(scenario)
    }

    fn line(&mut self, name: &str, words: &mut Words<'_>) -> Result<(), String> {
        match name {
            "mode" => {
                let mode = words.word()?;
                self.mode = Mode::named(mode).ok_or("a mode is open, mac or aead")?;
            }
            "host" => self.host = words.number()?,
            "boot" => self.boot = words.number()?,
            "mtu" => {
                self.mtu = words.numbers()?;
                if !self.mtu.iter().all(|mtu| (MIN_MTU..=MAX_MTU).contains(mtu)) {
                    return Err(format!("an MTU is {MIN_MTU} to {MAX_MTU}"));
                }
            }
            "seed" => self.seed = words.number()?,
            "key" => match words.word()? {
                "wrong" => self.wrong_key = true,
                other => return Err(format!("`{other}` is not `wrong`")),
            },
            "silent" => self.speaks = false,
            "window" => {
                self.window = words.number()?;
                if !(1..=64).contains(&self.window) {
                    return Err("a window is 1 to 64".to_string());
                }
            }
            "segment" => {
                let segment = words.number()?;
                if !(1..=crate::wire::MAX_DATA).contains(&segment) {
                    return Err("a segment has 1 to 8952 bytes".to_string());
                }
                self.segment = Some(segment);
            }
            _ => self.commands.push(command(name, words)?),
        }
        Ok(())
    }
}

fn command(name: &str, words: &mut Words<'_>) -> Result<Command, String> {
    Ok(match name {
        "join" => Command::Join(words.numbers()?),
        "echo" => Command::Echo {
            host: words.number()?,
            op: words.named("op")?,
            circuits: words.named("circuits")?,
            count: words.named("count")?,
            size: words.named("size")?,
        },
        "serve" => Command::Serve(words.number()?),
        "refused" => Command::Refused {
            host: words.number()?,
            class: words.named("class")?,
        },
        "rekey" => Command::Rekey,
        "stay" => Command::Stay(words.number()?),
        "leave" => Command::Leave,
        "bad" => Command::Bad {
            count: words.named("count")?,
        },
        "treason" => Command::Treason {
            host: words.number()?,
            count: words.named("count")?,
        },
        "abuse" => Command::Abuse {
            host: words.number()?,
        },
        "hoard" => Command::Hoard {
            host: words.number()?,
            circuits: words.named("circuits")?,
            size: words.named("size")?,
            ms: words.named("ms")?,
        },
        "replay" => Command::Replay {
            count: words.named("count")?,
        },
        "impersonate" => Command::Impersonate(words.numbers()?),
        "flood" => Command::Flood {
            kind: match words.word()? {
                "garbage" => Flood::Garbage,
                "hellos" => Flood::Hellos,
                "handshakes" => Flood::Handshakes,
                "data" => Flood::Data,
                "opens" => Flood::Opens,
                other => return Err(format!("there is no flood of `{other}`")),
            },
            ms: words.named("ms")?,
        },
        other => return Err(format!("there is no setting or command `{other}`")),
    })
}

/// What follows a name.
struct Words<'a>(SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| "a word is missing".to_string())
    }

    fn number<T: FromStr>(&mut self) -> Result<T, String> {
        number(self.word()?)
    }

    /// At least one.
    fn numbers<T: FromStr>(&mut self) -> Result<Vec<T>, String> {
        let mut numbers = alloc::vec![self.number()?];
        for word in self.0.by_ref() {
            numbers.push(number(word)?);
        }
        Ok(numbers)
    }

    /// `name=5`.
    fn named<T: FromStr>(&mut self, name: &str) -> Result<T, String> {
        let word = self.word()?;
        match word.split_once('=') {
            Some((given, value)) if given == name => number(value),
            _ => Err(format!("`{name}=` is wanted, not `{word}`")),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        match self.0.next() {
            Some(word) => Err(format!("`{word}` is too much")),
            None => Ok(()),
        }
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse()
        .map_err(|_| format!("`{word}` is no number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "mode mac\nhost 9\nmtu 1500 9000 # two rails\n";

    #[test]
    fn settings_and_commands() {
        let text =
            format!("{HEAD}\njoin 1 2\necho 1 op=2 circuits=3 count=4 size=5\nflood data ms=7");
        let scenario = Scenario::parse(&text).unwrap();
        assert_eq!((scenario.mode, scenario.host), (Mode::Mac, 9));
        assert_eq!(scenario.mtu, [1500, 9000]);
        assert_eq!(scenario.commands[0], Command::Join(alloc::vec![1, 2]));
        let echo = Command::Echo {
            host: 1,
            op: 2,
            circuits: 3,
            count: 4,
            size: 5,
        };
        assert_eq!(scenario.commands[1], echo);
        assert_eq!(scenario.commands.len(), 3);
    }

    #[test]
    fn slips_are_told_with_their_line() {
        for (line, words) in [
            ("mode shut", "line 4: `mode shut`: a mode is"),
            ("mtu 100", "an MTU is 1280 to 9000"),
            ("join", "a word is missing"),
            ("stay 5 6", "`6` is too much"),
            ("bad 5", "`count=` is wanted, not `5`"),
            ("dance", "no setting or command `dance`"),
            ("window 65", "1 to 64"),
            ("stay -1", "`-1` is no number"),
        ] {
            let error = Scenario::parse(&format!("{HEAD}{line}")).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(Scenario::parse("mtu 1500").unwrap_err().contains("host"));
        assert!(Scenario::parse("host 9").unwrap_err().contains("mtu"));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! A kernel's table of symbols.

use super::tally::Place;

/// Where the kernel's half of the addresses begins.
const KERNEL: u64 = 1 << 63;

/// The functions of a kernel and its modules, by address.
#[derive(Debug, Default)]
pub struct Symbols(Vec<Symbol>);

#[derive(Debug)]
struct Symbol {
    address: u64,
    name: String,
    /// The module; empty for the kernel itself.
    module: String,
}

impl Symbols {
    /// Out of what `/proc/kallsyms` says.
    pub fn parse(text: &str) -> Self {
        let mut symbols: Vec<_> = text.lines().filter_map(Symbol::parse).collect();
        // Of several at one address the first stays, as the kernel's own look-up has it.
        symbols.sort_by_key(|symbol| symbol.address);
        symbols.dedup_by_key(|symbol| symbol.address);
        Self(symbols)
    }

    /// What an address lies in.
    pub fn find(&self, address: u64) -> Place {
        if address < KERNEL {
            return Place::User;
        }
        if address == u64::MAX {
            return Place::Unknown;
        }
        let behind = self.0.partition_point(|symbol| symbol.address <= address);
        match behind.checked_sub(1).map(|index| &self.0[index]) {
            None => Place::Unknown,
            Some(symbol) => Place::Kernel {
                function: demangled(&symbol.name),
                module: symbol.module.clone(),
            },
        }
    }
}

impl Symbol {
    /// `address type name [module]`; `None` for what is no function.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        if !matches!(words.next()?, "t" | "T" | "w" | "W") {
            return None;
        }
        let name = words.next()?.to_owned();
        let module = words.next().unwrap_or_default();
        Some(Self {
            address,
            name,
            module: module.trim_matches(['[', ']']).to_owned(),
        })
    }
}

/// A name as its source has it, without the hash that tells crates apart.
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lie_in_functions() {
        let table = "ffffffff81000000 T first\n\
            ffffffff81000010 t second\n\
            ffffffff81000018 d data\n\
            ffffffff81000020 T third\n\
            ffffffff81000020 T alias\n\
            ffffffffa0000000 t _RNvCsjqLwzmLqkD_8podos_cm4show\t[podos_cm]\n";
        let symbols = Symbols::parse(table);
        let find = |address| match symbols.find(address) {
            Place::Kernel { function, module } => format!("{function} {module}"),
            other => format!("{other:?}"),
        };
        assert_eq!(find(0xffff_ffff_8100_000f), "first ");
        assert_eq!(find(0xffff_ffff_8100_001f), "second ");
        assert_eq!(find(0xffff_ffff_8100_0020), "third ");
        assert_eq!(find(0xffff_ffff_a000_0001), "podos_cm::show podos_cm");
        assert_eq!(find(7), "User");
        assert_eq!(find(1 << 63), "Unknown");
        assert_eq!(find(u64::MAX), "Unknown");
    }
}

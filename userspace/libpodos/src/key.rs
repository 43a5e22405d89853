// SPDX-License-Identifier: MIT OR Apache-2.0

//! Cluster keys: the secret that the members of a cluster share.

mod file;
mod place;

use std::fmt;
use std::io;
use std::str::FromStr;

use blake2::digest::{FixedOutput, KeyInit, Update};
use blake2::Blake2sMac256;

pub use file::{KeyFile, KeyFileError, KEYS_MAX};
pub use place::{KeyPlaces, GIVEN_KEY_FILE, KEY_FILE};

/// Bytes of a key.
const LENGTH: usize = 32;

/// What is hashed with a key to name it; the kernel does the same (docs/wire-protocol.md,
/// section 11).
const FINGERPRINT_LABEL: &[u8] = b"podos fingerprint";

/// A cluster key. Neither `Debug` nor any error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKey([u8; LENGTH]);

/// Text that is no key. It is not repeated: it may be one with a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key, which is {} hexadecimal digits", 2 * LENGTH)]
pub struct ParseKeyError;

impl ClusterKey {
    /// A new one from the kernel's random numbers.
    ///
    /// # Errors
    ///
    /// When the kernel has none.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = [0; LENGTH];
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let got = rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty())?;
            rest = &mut rest[got..];
        }
        Ok(Self(bytes))
    }

    /// The name by which the key may be spoken of.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut prf = <Blake2sMac256 as KeyInit>::new(&self.0.into());
        prf.update(FINGERPRINT_LABEL);
        let digest = prf.finalize_fixed();
        Fingerprint([digest[0], digest[1], digest[2], digest[3]])
    }

    /// The key as files and the kernel have it. This is the secret itself.
    pub fn reveal(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey({})", self.fingerprint())
    }
}

impl FromStr for ClusterKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        from_hex(text).map(Self).ok_or(ParseKeyError)
    }
}

/// A short name of a key: it can't be turned back into the key, and may be shown to everyone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 4]);

/// Text that is no fingerprint. It is not repeated, for it may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint, which is 8 hexadecimal digits as `podos key list` shows them")]
pub struct ParseFingerprintError;

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, ParseFingerprintError> {
        from_hex(text).map(Self).ok_or(ParseFingerprintError)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 00 01 02 ... 1f, which the kernel's side is tested with as well.
    fn counting() -> ClusterKey {
        hex(&(0..32).collect::<Vec<u8>>()).parse().unwrap()
    }

    #[test]
    fn the_fingerprint_is_the_prf_of_its_label() {
        // python3: hashlib.blake2s(b"podos fingerprint", key=bytes(range(32))).hexdigest()[:8]
        assert_eq!(counting().fingerprint().to_string(), "5c70cf23");
    }

    #[test]
    fn text_and_back() {
        let key = ClusterKey::generate().unwrap();
        assert_eq!(key.reveal().len(), 64);
        assert_eq!(key.reveal().parse(), Ok(key.clone()));
        assert_eq!(key.reveal().to_uppercase().parse(), Ok(key.clone()));
        assert_ne!(key, ClusterKey::generate().unwrap());
        let name = key.fingerprint();
        assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        let key = counting().reveal();
        for text in [
            "",
            &key[1..],
            &format!("{key}0"),
            &format!("+{}", &key[1..]),
            &key.replace('0', "g"),
        ] {
            let error = text.parse::<ClusterKey>().unwrap_err().to_string();
            assert!(!error.contains("0a0b"), "{error}");
            let error = text.parse::<Fingerprint>().unwrap_err().to_string();
            assert!(!error.contains("0a0b"), "{error}");
        }
        assert!(!format!("{:?}", counting()).contains("0a0b"));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Paths in messages, in files and on QEMU's command line: they are bytes, whatever these say.
//!
//! A path that is text is written as text, another one as a list of its bytes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Text(PathBuf),
    Bytes(Vec<u8>),
}

impl<'a> From<&'a PathBuf> for Written<'a> {
    fn from(path: &'a PathBuf) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text),
            None => Self::Bytes(path.as_os_str().as_bytes()),
        }
    }
}

impl From<Read> for PathBuf {
    fn from(read: Read) -> Self {
        match read {
            Read::Text(path) => path,
            Read::Bytes(bytes) => OsString::from_vec(bytes).into(),
        }
    }
}

pub(crate) fn serialize<S: Serializer>(path: &PathBuf, to: S) -> Result<S::Ok, S::Error> {
    Written::from(path).serialize(to)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    Read::deserialize(from).map(PathBuf::from)
}

/// The same for one that may be missing.
pub(crate) mod optional {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_ref().map(Written::from).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Read>::deserialize(from)?.map(PathBuf::from))
    }
}

/// The same for many.
pub(crate) mod list {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(paths.iter().map(Written::from))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        let read = Vec::<Read>::deserialize(from)?;
        Ok(read.into_iter().map(PathBuf::from).collect())
    }
}

/// A path as the value of one of QEMU's options: a comma would end it, two are one.
pub(crate) fn option_value(path: &Path) -> OsString {
    let bytes = path.as_os_str().as_bytes();
    let parts: Vec<_> = bytes.split(|byte| *byte == b',').collect();
    OsStr::from_bytes(&parts.join(&b",,"[..])).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        #[serde(with = "super")]
        one: PathBuf,
        #[serde(with = "super::optional", default)]
        perhaps: Option<PathBuf>,
        #[serde(with = "super::list")]
        many: Vec<PathBuf>,
    }

    #[test]
    fn a_path_comes_back_to_the_byte() {
        let odd = PathBuf::from(OsStr::from_bytes(b"/tmp/\xff\xc3,\n"));
        let all = All {
            one: odd.clone(),
            perhaps: Some(odd.clone()),
            many: vec!["/plain".into(), odd],
        };
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<All>(&json).unwrap(), all);
        let toml = toml::to_string(&all).unwrap();
        assert_eq!(toml::from_str::<All>(&toml).unwrap(), all);
        let plain = All {
            one: "/é".into(),
            perhaps: None,
            many: Vec::new(),
        };
        let json = serde_json::to_string(&plain).unwrap();
        assert!(json.contains("\"/é\""), "{json}");
        assert_eq!(serde_json::from_str::<All>(&json).unwrap(), plain);
    }

    #[test]
    fn a_comma_in_an_options_value_is_doubled() {
        let value = |path: &[u8]| option_value(Path::new(OsStr::from_bytes(path)));
        assert_eq!(value(b"/a b=c"), "/a b=c");
        assert_eq!(value(b",a,,b,").as_bytes(), b",,a,,,,b,,");
        assert_eq!(value(b"/\xff,").as_bytes(), b"/\xff,,");
    }
}

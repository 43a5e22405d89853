// SPDX-License-Identifier: MIT OR Apache-2.0

//! Conditions that say what they found.

/// Returns an error from the function unless the two are equal; the rest is a message that says
/// whose values they are.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($what:tt)+) => {{
        match (&$found, &$expected) {
            (found, expected) if *found == *expected => {}
            (found, expected) => {
                let what = format!($($what)+);
                anyhow::bail!("{what}: found {found:?}, expected {expected:?}");
            }
        }
    }};
}

pub(crate) use ensure_eq;

/// Whether a call failed because a node seemed to be dead.
pub fn taken_for_dead(errno: Option<i32>) -> bool {
    use libc::{ECONNRESET, EHOSTDOWN, ETIMEDOUT};
    matches!(errno, Some(EHOSTDOWN | ECONNRESET | ETIMEDOUT))
}

#[cfg(test)]
mod tests {
    fn compare(a: &str, b: &str) -> anyhow::Result<()> {
        ensure_eq!(a, b, "the {} name", "host");
        Ok(())
    }

    #[test]
    fn a_difference_is_told() {
        assert!(compare("a", "a").is_ok());
        let error = compare("a", "b").unwrap_err().to_string();
        assert_eq!(error, r#"the host name: found "a", expected "b""#);
    }
}

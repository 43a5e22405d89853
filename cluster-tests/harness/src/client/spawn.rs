// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starting a supervisor: this executable again, in the background.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};

use crate::config::{Config, ARGUMENT, READY};
use crate::error::{Error, IoContext, Result};
use crate::state::StateDir;

/// Starts a supervisor for this folder, and returns when its control socket answers.
///
/// The supervisor's standard input is the locked folder, so the lock never is nobody's; its
/// standard output is a pipe to us, on which it tells an error, or closes it.
pub(crate) fn supervisor(state: &StateDir, lock: File, config: &Config) -> Result<()> {
    let write = |path: &std::path::Path, bytes: &[u8]| {
        fs::write(path, bytes).context(|| format!("write {}", path.display()))
    };
    let json = serde_json::to_vec_pretty(config).map_err(std::io::Error::from);
    write(
        &state.config(),
        &json.context(|| "encode the cluster".into())?,
    )?;
    write(&state.events(), b"")?;
    let log = File::create(state.log()).context(|| format!("create {}", state.log().display()))?;
    let program = std::env::current_exe().context(|| "find our own executable".into())?;
    let mut child = Command::new(&program)
        .arg(ARGUMENT)
        .arg(state.path())
        .current_dir("/")
        .stdin(lock)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context(|| format!("start {} as supervisor", program.display()))?;
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout
            .read_to_string(&mut said)
            .context(|| "hear from the supervisor".into())?;
    }
    if said == READY {
        // It may end while we live on, and must not stay a zombie then.
        std::thread::spawn(move || child.wait());
        return Ok(());
    }
    // It said why, or died; either way it is about to end, and must not stay a zombie.
    let _ = child.wait();
    let reason = match said.trim() {
        "" => fs::read_to_string(state.log())
            .unwrap_or_default()
            .trim()
            .to_owned(),
        said => said.to_owned(),
    };
    Err(Error::Supervisor {
        cluster: config.name.clone(),
        reason,
    })
}

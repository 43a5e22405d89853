// SPDX-License-Identifier: MIT OR Apache-2.0

//! The test firmware (`cluster-tests/firmware`) as one more node on the rails of a cluster.
//!
//! A [`Topology`](crate::Topology) names the places that it may take; it is booted at one of them
//! with a program and a script (docs/firmware.md), as often as is wanted. It ends by itself, or with
//! its [`Firmware`], or with the cluster.

mod report;

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::accel::Accelerator;
use crate::client::cluster::Cluster;
use crate::control::{Answer, FirmwareState, Request};
use crate::error::{Error, IoContext, Result};
use crate::topology::firmware_name;

pub use report::FirmwareReport;

/// Between two looks at its console.
const PAUSE: Duration = Duration::from_millis(20);

/// A firmware that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Firmware<'a> {
    cluster: &'a Cluster,
    place: u32,
    console: PathBuf,
    /// Where this boot's lines begin in the console's file.
    from: u64,
}

impl Cluster {
    /// Boots the firmware `program` at a place of the topology, with this script behind the
    /// settings that the topology gives (mode, host id, boot, MTUs).
    ///
    /// # Errors
    ///
    /// There is no such place, firmware runs there already, or QEMU does not start.
    pub fn firmware(&self, place: u32, program: &Path, script: &str) -> Result<Firmware<'_>> {
        let program = std::path::absolute(program).context(|| format!("find {program:?}"))?;
        let console = self.folder().join(console_file(place));
        let from = fs::metadata(&console).map_or(0, |meta| meta.len());
        self.request(&Request::Firmware {
            place,
            program,
            script: script.into(),
        })?;
        Ok(Firmware {
            cluster: self,
            place,
            console,
            from,
        })
    }
}

/// The name of its console's file in the cluster's folder.
pub(crate) fn console_file(place: u32) -> String {
    format!("{}.console.log", firmware_name(place))
}

impl Firmware<'_> {
    /// Waits until it prints a line with these words in it; that line. The limit is for KVM.
    ///
    /// # Errors
    ///
    /// It ended before, or did not print it in time.
    pub fn wait_for(&self, words: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + Accelerator::detect().scale(limit);
        loop {
            let ended = self.state()?.ended;
            let report = self.report(None)?;
            if let Some(line) = report.lines().iter().find(|line| line.contains(words)) {
                return Ok(line.clone());
            }
            if let Some(ended) = ended {
                return Err(self.error(&format!("ended ({ended}) without `{words}`"), &report));
            }
            if Instant::now() > deadline {
                let seconds = limit.as_secs();
                let what = format!("did not print `{words}` within {seconds} s");
                return Err(self.error(&what, &report));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits for its end; what it reported, however that is. The limit is for KVM.
    ///
    /// # Errors
    ///
    /// It did not end in time.
    pub fn finish(self, limit: Duration) -> Result<FirmwareReport> {
        let deadline = Instant::now() + Accelerator::detect().scale(limit);
        loop {
            let state = self.state()?;
            if state.ended.is_some() {
                return self.report(state.code);
            }
            if Instant::now() > deadline {
                let what = format!("did not end within {} s", limit.as_secs());
                return Err(self.error(&what, &self.report(None)?));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The lines so far.
    fn report(&self, code: Option<i32>) -> Result<FirmwareReport> {
        let read = || {
            let mut file = fs::File::open(&self.console)?;
            file.seek(SeekFrom::Start(self.from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().context(|| format!("read {}", self.console.display()))?;
        Ok(FirmwareReport::parse(&text, code))
    }

    fn state(&self) -> Result<FirmwareState> {
        let request = Request::FirmwareState { place: self.place };
        match self.cluster.ask(&request)? {
            (Answer::Firmware(state), _) => Ok(state),
            (other, _) => Err(self.cluster.odd(&other)),
        }
    }

    fn error(&self, what: &str, report: &FirmwareReport) -> Error {
        let name = firmware_name(self.place);
        Error::Firmware(format!("{name} {what}{}", report.tail()))
    }
}

impl Drop for Firmware<'_> {
    fn drop(&mut self) {
        // One that has ended is not there to be killed; a cluster that is gone has taken it along.
        let _ = self
            .cluster
            .request(&Request::KillFirmware { place: self.place });
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0

//! Checks of what is in files and logs against what must be.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::files::{File, Limbo};
use super::ledger::Seat;
use super::weather::path_from;
use super::worker::{number_in, Worker};
use crate::check::taken_for_dead;

/// What was found where somebody looked, if he could.
type Look = Option<Option<Vec<u8>>>;

/// How long nodes may take to find each other again.
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);

impl Worker<'_> {
    /// Looks at everything once more, from every node. The cluster is whole.
    pub fn verify(&mut self) -> Result<()> {
        self.forget_the_lost();
        for file in self.files.clone() {
            for client in self.shared.nodes() {
                match self.look(client, file.home, &file.path, true)? {
                    Some(Some(found)) => self.compare(&file, client, &found),
                    Some(None) => self.compare_with_nothing(&file, client),
                    None => {}
                }
            }
        }
        self.settle(true)
    }

    /// Looks at what was interrupted, once nothing of it can come any more; at all of it at the
    /// end.
    pub fn settle(&mut self, at_the_end: bool) -> Result<()> {
        let shared = self.shared;
        let ripe = |limbo: &Limbo| at_the_end || shared.weather.is_calm([limbo.client, limbo.home]);
        let (ripe, rest) = std::mem::take(&mut self.limbo).into_iter().partition(ripe);
        self.limbo = rest;
        for limbo in ripe {
            if limbo.epoch != shared.weather.epoch(limbo.home) {
                continue;
            }
            let mut views = BTreeSet::new();
            for client in shared.weather.present() {
                let mut found = Vec::new();
                for path in limbo.change.paths() {
                    found.push(self.look(client, limbo.home, path, at_the_end)?);
                }
                let Some(found) = found.into_iter().collect::<Option<Vec<_>>>() else {
                    continue;
                };
                if let Some(wrong) = limbo.change.check(&found) {
                    let what = &limbo.what;
                    shared.violation(format!(
                        "interrupted, and then seen by linus{client}: {what}: {wrong}"
                    ));
                }
                views.insert(found);
            }
            if views.len() > 1 {
                let what = &limbo.what;
                shared.violation(format!("nodes differ about what was interrupted: {what}"));
            }
        }
        let lost = std::mem::take(&mut self.lost);
        for file in lost {
            self.must_be_gone(file, at_the_end)?;
        }
        Ok(())
    }

    /// A file that went with the memory of its node: nobody may see it any more.
    fn must_be_gone(&mut self, file: File, at_the_end: bool) -> Result<()> {
        let present = self.shared.weather.present();
        if !at_the_end && !present.contains(&file.home) {
            self.lost.push(file);
            return Ok(());
        }
        let clients = match at_the_end {
            true => present.into_iter().collect(),
            false => self.draw_client().into_iter().collect::<Vec<_>>(),
        };
        for client in clients {
            if let Some(Some(_)) = self.look(client, file.home, &file.path, at_the_end)? {
                let (path, home) = (&file.path, file.home);
                self.shared.violation(format!(
                    "linus{client} sees {path} of linus{home}, which went with its memory"
                ));
            }
        }
        Ok(())
    }

    /// What a node finds at a path: the content, or nothing; `None` if it can't look. At the end it
    /// has to, as soon as the nodes have found each other again.
    fn look(&mut self, client: u32, home: u32, path: &str, at_the_end: bool) -> Result<Look> {
        let line = format!("read {}", path_from(client, home, path));
        let deadline = Instant::now() + RECOVERS_WITHIN;
        loop {
            let began = Instant::now();
            let failure = match self.guests.ask(client, &line)? {
                Ok(found) => return Ok(Some(Some(found))),
                Err(failure) => failure,
            };
            let errno = self.cause(&failure, client, home)?;
            if errno == Some(libc::ENOENT) {
                return Ok(Some(None));
            }
            let weather = &self.shared.weather;
            let excused = weather.excuses(errno, [client, home], began) || taken_for_dead(errno);
            if !excused || (at_the_end && began > deadline) {
                let what = format!("linus{client}: {line}: it {failure}");
                self.shared.violation(what);
                return Ok(None);
            }
            if !at_the_end {
                return Ok(None);
            }
        }
    }

    /// What all workers wrote together; for one of them to look at.
    pub fn verify_shared(&mut self) -> Result<()> {
        let shared = self.shared;
        let now = |seat: &Seat| seat.epoch == shared.weather.epoch(seat.home);
        for (seat, file) in shared.ledger.files() {
            if !now(&seat) {
                continue;
            }
            let (home, path) = (seat.home, seat.path(file));
            for client in shared.nodes() {
                // Nothing in it is fine, if nothing was acknowledged.
                let found = self.look(client, home, &path, true)?.flatten();
                let found = found.unwrap_or_default();
                for wrong in shared.ledger.check(seat, file, &found) {
                    shared.violation(format!("by linus{client}: {wrong}"));
                }
            }
        }
        for (seat, lock) in shared.locks.numbers() {
            if !now(&seat) {
                continue;
            }
            let (home, path) = (seat.home, seat.path(&format!("number-{lock}")));
            for client in shared.nodes() {
                let found = self.look(client, home, &path, true)?.flatten();
                let wrong = match number_in(&found.unwrap_or_default()) {
                    Some(found) => shared.locks.check(seat, lock, found),
                    None => Some(format!("{path} is no number")),
                };
                wrong.into_iter().for_each(|wrong| shared.violation(wrong));
            }
        }
        Ok(())
    }

    fn compare_with_nothing(&self, file: &File, client: u32) {
        let (path, home) = (&file.path, file.home);
        self.shared.violation(format!(
            "{path} of linus{home}, which was acknowledged, is not there for linus{client}"
        ));
    }
}

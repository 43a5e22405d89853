// SPDX-License-Identifier: GPL-2.0-only

//! Timers that are left to run out early, rather than moved with every deadline.

use crate::time::{nanos, Duration, Instant};

/// What is to be done with the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Leave,
    /// It is to run out after so long, whether or not it is armed.
    Arm(Duration),
    /// It is not to run out.
    Cancel,
}

/// When a timer of the kernel's wheel runs out that goes by deadlines.
///
/// Deadlines move forth with every frame. A timer that runs out before is left to do so, and is armed
/// anew then: by [`Alarm::ran_out`] and [`Alarm::follow`].
#[derive(Debug)]
pub struct Alarm {
    /// In ns: circuits ask with every frame.
    jiffy: u64,
    /// When it runs out at the latest, if it is armed.
    latest: Option<Instant>,
}

impl Alarm {
    /// One that is not armed, of a wheel whose ticks are `jiffy` apart.
    pub const fn new(jiffy: Duration) -> Self {
        Self {
            jiffy: nanos(jiffy),
            latest: None,
        }
    }

    /// Whether it is armed, and runs out no later than one may that is armed now for after `delay`.
    pub fn is_near(&self, now: Instant, delay: Duration) -> bool {
        let needed = self.runs_out(now, delay);
        self.latest.is_some_and(|latest| latest <= needed)
    }

    /// What has it run out at `deadline`, or before; not at all, if there is none.
    pub fn follow(&mut self, now: Instant, deadline: Option<Instant>) -> Change {
        let Some(deadline) = deadline else {
            self.latest = None;
            return Change::Cancel;
        };
        let delay = deadline.saturating_duration_since(now);
        if self.is_near(now, delay) {
            return Change::Leave;
        }
        self.latest = Some(self.runs_out(now, delay));
        Change::Arm(delay)
    }

    /// It ran out.
    pub fn ran_out(&mut self) {
        self.latest = None;
    }

    /// When one runs out at the latest that is armed now for after `delay`.
    ///
    /// The wheel has a place for each jiffy of the next 63 only; of what is farther away, one place stands
    /// for an eighth of the time until then.
    fn runs_out(&self, now: Instant, delay: Duration) -> Instant {
        let delay = nanos(delay);
        let coarse = match delay < 60 * self.jiffy {
            true => 0,
            false => delay / 7,
        };
        // Whoever arms it rounds up twice, and the wheel once.
        let late = 3 * self.jiffy + coarse;
        let latest = now.as_nanos().saturating_add(delay).saturating_add(late);
        Instant::from_nanos(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JIFFY: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The jiffy in which a timer runs out that is armed in `now` for `expires`: the kernel's
    /// `calc_wheel_index()`.
    fn wheel(now: u64, expires: u64) -> u64 {
        let delta = expires - now;
        let level = (0..8).find(|level| delta < 63 << (3 * level)).unwrap_or(8);
        let shift = 3 * level;
        ((expires >> shift) + 1) << shift
    }

    #[test]
    fn deadlines_that_move_forth_leave_it_alone() {
        let mut alarm = Alarm::new(JIFFY);
        assert_eq!(alarm.follow(at(0), Some(at(20))), Change::Arm(millis(20)));
        for now in 1..20 {
            assert_eq!(alarm.follow(at(now), Some(at(now + 20))), Change::Leave);
        }
        alarm.ran_out();
        assert_eq!(alarm.follow(at(22), Some(at(39))), Change::Arm(millis(17)));
        assert_eq!(alarm.follow(at(23), Some(at(30))), Change::Arm(millis(7)));
        assert_eq!(alarm.follow(at(24), None), Change::Cancel);
        assert_eq!(alarm.follow(at(25), Some(at(45))), Change::Arm(millis(20)));
    }

    #[test]
    fn a_far_one_that_is_late_is_no_near_one() {
        let mut alarm = Alarm::new(JIFFY);
        alarm.follow(at(0), Some(at(5000)));
        // It is due, and the wheel may let it wait for half a second more.
        assert!(wheel(0, 5001) > 5100);
        assert!(!alarm.is_near(at(5010), millis(5)));
        let acknowledgement = Some(at(5015));
        assert_eq!(
            alarm.follow(at(5010), acknowledgement),
            Change::Arm(millis(5))
        );
    }

    proptest! {
        /// The timer that is armed, in the wheel, is no later than one that would be armed for the
        /// deadline.
        #[test]
        fn it_runs_out_when_one_of_its_own_would(
            steps in prop::collection::vec((0u64..400, 0u64..30_000), 1..60)
        ) {
            let mut alarm = Alarm::new(JIFFY);
            let mut now = 7_777;
            let mut pending: Option<u64> = None;
            for (passed, ahead) in steps {
                now += passed;
                if pending.is_some_and(|pending| pending <= now) {
                    pending = None;
                    alarm.ran_out();
                }
                let deadline = at(now + ahead);
                if let Change::Arm(delay) = alarm.follow(at(now), Some(deadline)) {
                    prop_assert_eq!(delay, millis(ahead));
                    // As the kernel's side rounds.
                    pending = Some(wheel(now, now + ahead + 1));
                }
                let allowed = wheel(now, now + ahead + 1).max(now + ahead + ahead / 7 + 3);
                prop_assert!(pending.is_some_and(|pending| pending <= allowed));
            }
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-only

//! Whose circuits they are: no user may take all of the CDT.
//!
//! There are two pools: circuits that this node's processes opened, and circuits that it serves.
//! Each user has a limit in each, and all users but root together have one, so that root always has
//! room. An entry that nobody was charged for yet counts as the other node's, until that has said
//! for whom it asks.

use core::fmt::{self, Write};
use core::time::Duration;
use kernel::new_spinlock_irq;
use kernel::prelude::*;
use kernel::sync::SpinLockIrq;
use podos_proto::bucket::Bucket;
use podos_proto::share::{Account, Exhausted, Ledger, Limits, ROOT};
use podos_proto::time::Instant;

use crate::node::{Node, NODE};
use crate::sys;

/// Lines that the log gets at once, and then one in each period of [`LOG_PERIOD`].
const LOG_BURST: u16 = 5;
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// Where a circuit is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Its active end is here.
    Opened,
    /// Its passive end is here.
    Served,
}

impl Pool {
    const ALL: [Self; 2] = [Self::Opened, Self::Served];

    /// As sysfs says it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Served => "served",
        }
    }
}

/// A user's right to one circuit, or to what costs as much; given back when it is dropped.
pub struct Share {
    /// Nobody for root, and for what was not charged yet.
    charged: Option<(Pool, u32)>,
}

impl Share {
    /// Nobody's.
    pub(crate) const NONE: Self = Self { charged: None };

    /// One of those that this node has for what it does for the users of other nodes. Context: any.
    ///
    /// [`Circuit::charge`](crate::Circuit::charge) does this for a circuit; this is for what else
    /// a layer keeps at a user's wish.
    ///
    /// # Errors
    ///
    /// `EMFILE` if `uid` has as many as a user may, `ENFILE` if all users together do.
    pub fn charge(uid: u32) -> Result<Self> {
        NODE.get()?.shares().charge(Pool::Served, uid)
    }

    /// Whether it is counted as `uid`'s.
    pub(crate) fn is_of(&self, uid: u32) -> bool {
        self.charged.map_or(ROOT, |(_, uid)| uid) == uid
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let (Some((pool, uid)), Ok(node)) = (self.charged, NODE.get()) {
            node.shares().book(pool).lock().ledger.release(uid);
        }
    }
}

/// What a node's users have.
#[pin_data]
pub(crate) struct Shares {
    #[pin]
    opened: SpinLockIrq<Book>,
    #[pin]
    served: SpinLockIrq<Book>,
    /// How often the log is told that the table itself is full.
    #[pin]
    full: SpinLockIrq<Bucket>,
}

/// What a pool's lock protects.
struct Book {
    ledger: Ledger<KVVec<Account>>,
    refused: u64,
    log: Bucket,
}

impl Book {
    /// A book over a table of `entries`.
    fn new(entries: usize) -> Result<Self> {
        let accounts = KVVec::from_elem(Account::default(), entries, GFP_KERNEL)?;
        let size = u32::try_from(entries).unwrap_or(u32::MAX);
        Ok(Self {
            ledger: Ledger::new(accounts, Limits::of(size)),
            refused: 0,
            log: Bucket::new(LOG_BURST, LOG_PERIOD),
        })
    }

    /// Charges `uid`; what is in the way, and whether the log is to be told.
    fn charge(&mut self, now: Instant, uid: u32) -> Result<(), (Exhausted, Limits, bool)> {
        self.ledger.charge(uid).map_err(|why| {
            self.refused += 1;
            (why, self.ledger.limits(), self.log.take(now))
        })
    }
}

impl Shares {
    /// Nobody has anything of a table of `entries`.
    pub(crate) fn new(entries: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            opened <- {
                let book = Book::new(entries)?;
                new_spinlock_irq!(book, "podos_opened")
            },
            served <- {
                let book = Book::new(entries)?;
                new_spinlock_irq!(book, "podos_served")
            },
            full <- new_spinlock_irq!(Bucket::new(LOG_BURST, LOG_PERIOD), "podos_full"),
        })
    }

    fn book(&self, pool: Pool) -> &SpinLockIrq<Book> {
        match pool {
            Pool::Opened => &self.opened,
            Pool::Served => &self.served,
        }
    }

    /// A share for `uid`. Context: any.
    ///
    /// # Errors
    ///
    /// `EMFILE` if the user has as many as one may, `ENFILE` if all users together do.
    pub(crate) fn charge(&self, pool: Pool, uid: u32) -> Result<Share> {
        if uid == ROOT {
            return Ok(Share::NONE);
        }
        let now = Instant::from_nanos(sys::monotonic_ns());
        let charged = self.book(pool).lock().charge(now, uid);
        let (why, limits, tell) = match charged {
            Ok(()) => {
                return Ok(Share {
                    charged: Some((pool, uid)),
                })
            }
            Err(refused) => refused,
        };
        let pool = pool.name();
        match why {
            Exhausted::User => {
                if tell {
                    pr_warn!(
                        "uid {uid} is refused a circuit: it has the {} that one user may have \
                         ({pool} user in /sys/kernel/podos/cm/limits)\n",
                        limits.user
                    );
                }
                Err(EMFILE)
            }
            Exhausted::All => {
                if tell {
                    pr_warn!(
                        "uid {uid} is refused a circuit: all users together have the {} that \
                         they may have ({pool} all in /sys/kernel/podos/cm/limits)\n",
                        limits.all
                    );
                }
                Err(ENFILE)
            }
        }
    }

    /// Has the log told, not too often, that there was no room in the table for a circuit.
    pub(crate) fn tell_full(&self, node: &Node) {
        if self.full.lock().take(node.now()) {
            pr_warn!(
                "no room for a circuit: all {} entries of the CDT are taken (module parameter \
                 cdt_entries)\n",
                node.table().size()
            );
        }
    }

    /// `POOL user|all LIMIT`, one a line.
    pub(crate) fn show_limits(&self, text: &mut dyn Write) -> fmt::Result {
        for pool in Pool::ALL {
            let limits = self.book(pool).lock().ledger.limits();
            writeln!(text, "{} user {}", pool.name(), limits.user)?;
            writeln!(text, "{} all {}", pool.name(), limits.all)?;
        }
        Ok(())
    }

    /// Sets the limit that a line of [`Shares::show_limits`] names. Who has more already keeps it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is no such line.
    pub(crate) fn set_limit(&self, line: &str) -> Result {
        let mut words = line.split_ascii_whitespace();
        let (pool, which, limit) = (words.next(), words.next(), words.next());
        if words.next().is_some() {
            return Err(EINVAL);
        }
        let mut pools = Pool::ALL.into_iter();
        let pool = pools.find(|p| Some(p.name()) == pool).ok_or(EINVAL)?;
        let limit = limit.and_then(|limit| limit.parse().ok()).ok_or(EINVAL)?;
        let ledger = &mut self.book(pool).lock().ledger;
        let mut limits = ledger.limits();
        match which {
            Some("user") => limits.user = limit,
            Some("all") => limits.all = limit,
            _ => return Err(EINVAL),
        }
        ledger.set_limits(limits);
        Ok(())
    }

    /// What all users have, and then each of them, as far as there is room.
    pub(crate) fn show(&self, text: &mut dyn Write) -> fmt::Result {
        writeln!(text, "pool uid held limit refused")?;
        for pool in Pool::ALL {
            let book = self.book(pool).lock();
            let (held, limits) = (book.ledger.total(), book.ledger.limits());
            let (pool, refused) = (pool.name(), book.refused);
            writeln!(text, "{pool} all {held} {} {refused}", limits.all)?;
        }
        for pool in Pool::ALL {
            let book = self.book(pool).lock();
            let limit = book.ledger.limits().user;
            let mut accounts = book.ledger.iter();
            let shown = accounts.try_for_each(|(uid, held)| {
                writeln!(text, "{} {uid} {held} {limit} -", pool.name())
            });
            if shown.is_err() {
                break;
            }
        }
        Ok(())
    }
}

//! The faults themselves: what a careless writer would do.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::SessionId;
use crate::store::durable::rows::Rows;
use crate::store::memory::MemoryStore;
use crate::store::memory::journal::{Change, Taken};
use crate::store::memory::journaled::Standing;

/// Names the fault of a debug build.
const VARIABLE: &str = "SEEDED_STORE_FAULT";
/// Where the subject stands in a record.
const SUBJECT: std::ops::Range<usize> = 68..84;
/// By how much a use is rounded up.
const ROUNDED_UP_MS: u64 = 600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Waiters are told before the commit.
    AnswersEarly,
    /// A use is written as one of later than it was.
    RoundsUsesUp,
    /// An end is written with the next commit, and by its user.
    EndsLate,
    /// A tick writes a copy of the session that it looked at earlier.
    OverwritesAtTicks,
}

/// A fault, or none, and what it remembers.
#[derive(Default)]
pub(in crate::store::durable) struct Seeded {
    fault: Option<Fault>,
    /// Sessions as they stood at the tick before.
    looked_at: Vec<(SessionId, Standing)>,
    /// What is written of them now.
    copies: Vec<(SessionId, Standing)>,
    /// Ends of the batch before.
    late: Vec<SessionId>,
    /// Whose sessions were opened.
    opened: HashMap<SessionId, Box<[u8]>>,
    /// While it is set, what was written is told to have failed.
    pub(in crate::store::durable) failing: Arc<AtomicBool>,
}

impl Seeded {
    pub(in crate::store::durable) fn from_environment() -> Self {
        let fault = match std::env::var(VARIABLE).as_deref() {
            Ok("answers-early") => Some(Fault::AnswersEarly),
            Ok("rounds-uses-up") => Some(Fault::RoundsUsesUp),
            Ok("ends-late") => Some(Fault::EndsLate),
            Ok("overwrites-at-ticks") => Some(Fault::OverwritesAtTicks),
            _ => None,
        };
        Self { fault, ..Self::default() }
    }

    pub(in crate::store::durable) fn alter(&mut self, memory: &MemoryStore, taken: &mut Taken) {
        match self.fault {
            None => {}
            Some(Fault::AnswersEarly) => {
                memory.settle(taken);
                taken.batch.settle(Ok(()));
            }
            Some(Fault::RoundsUsesUp) => {
                for change in &mut taken.changes {
                    if let Change::Used(_, used_ms, _) = change {
                        *used_ms += ROUNDED_UP_MS;
                    }
                }
            }
            Some(Fault::EndsLate) => self.delay_ends(taken),
            Some(Fault::OverwritesAtTicks) => {
                let used = taken.changes.iter().filter_map(|change| match change {
                    Change::Used(id, ..) => Some((*id, memory.standing(*id)?)),
                    _ => None,
                });
                let used: Vec<(SessionId, Standing)> = used.collect();
                // Between two ticks there are commits without uses.
                self.copies = if used.is_empty() {
                    Vec::new()
                } else {
                    std::mem::replace(&mut self.looked_at, used)
                };
            }
        }
    }

    pub(in crate::store::durable) fn restate<'a>(&'a self, rows: &mut Rows<'a>) {
        for (id, standing) in &self.copies {
            rows.restate(*id, standing);
        }
    }

    pub(in crate::store::durable) fn outcome(
        &self,
        outcome: Result<(), String>,
    ) -> Result<(), String> {
        if self.failing.load(SeqCst) { Err("a seeded failure".to_owned()) } else { outcome }
    }

    fn delay_ends(&mut self, taken: &mut Taken) {
        for change in &taken.changes {
            if let Change::Opened(id, row, _) = change {
                self.opened.insert(*id, row.record[SUBJECT].into());
            }
        }
        let late = std::mem::take(&mut self.late);
        taken.changes.retain(|change| match change {
            Change::Ended(id, _) => {
                self.late.push(*id);
                false
            }
            _ => true,
        });
        for ended in late {
            let subject = self.opened.get(&ended);
            let of_subject = self.opened.iter().filter(|(_, whose)| Some(*whose) == subject);
            taken.changes.extend(of_subject.map(|(id, _)| Change::Ended(*id, None)));
        }
    }
}

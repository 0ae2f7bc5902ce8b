//! How many questions the client holds at once, those that wait included. Nobody waits for this room,
//! so that it is a number and no semaphore.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for so many.
pub(crate) struct Admission {
    limit: usize,
    held: AtomicUsize,
}

/// The room of one question, until this is dropped.
pub(crate) struct Admitted<'a>(&'a Admission);

impl Admission {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0) }
    }

    /// Takes room for one; `None` where there is none.
    pub(crate) fn admit(&self) -> Option<Admitted<'_>> {
        let one_more = |held| (held < self.limit).then_some(held + 1);
        let taken = self.held.try_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.ok().map(|_| Admitted(self))
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_again_once_one_is_gone() {
        let admission = Admission::new(2);
        let (first, second) = (admission.admit(), admission.admit());
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit().is_none() && admission.admit().is_none());
        drop(first);
        let third = admission.admit();
        assert!(third.is_some() && admission.admit().is_none());
        drop((second, third));
        assert_eq!(admission.held.load(Ordering::Relaxed), 0);
    }
}

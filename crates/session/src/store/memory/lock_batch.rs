//! The locks of a few parts of something, held at once.
//!
//! Most of what a look-up costs is waiting for memory. The processor waits once for all that it
//! may ask for together, but a lock ends what is together. So where many are to be looked up, the
//! locks of a few are taken first, then everything is asked for that will be needed, and only then
//! is one after the other dealt with.

use parking_lot::{Mutex, MutexGuard};

/// How many locks are held at once. With more, calls stand in each other's way more often, and the
/// processor does not look further ahead than this anyway.
pub(super) const LOCKS_AT_ONCE: usize = 8;

/// The locked parts.
pub(super) struct Locked<'a, T> {
    /// The parts' numbers in ascending order, some of them more than once.
    numbers: [usize; LOCKS_AT_ONCE],
    /// The part of each number, where that stands first.
    parts: [Option<MutexGuard<'a, T>>; LOCKS_AT_ONCE],
}

impl<'a, T> Locked<'a, T> {
    /// Locks no more than [`LOCKS_AT_ONCE`] of `all` parts. A number may come more than once.
    ///
    /// INVARIANT: nothing takes one part's lock while it holds another's, but for this, which takes
    /// them in ascending order: no two calls wait for each other.
    pub(super) fn of(all: &'a [Mutex<T>], wanted: impl ExactSizeIterator<Item = usize>) -> Self {
        debug_assert!(wanted.len() <= LOCKS_AT_ONCE, "{} at once", wanted.len());
        let mut numbers = [usize::MAX; LOCKS_AT_ONCE];
        numbers.iter_mut().zip(wanted).for_each(|(number, wanted)| *number = wanted);
        numbers.sort_unstable();
        let parts = std::array::from_fn(|at| {
            let again = at > 0 && numbers[at - 1] == numbers[at];
            let part = if again { None } else { all.get(numbers[at]) };
            part.map(Mutex::lock)
        });
        Self { numbers, parts }
    }

    /// The part of one of the numbers.
    pub(super) fn part(&mut self, number: usize) -> &mut T {
        let at = self.numbers.iter().position(|locked| *locked == number);
        at.and_then(|at| self.parts[at].as_deref_mut()).expect("the lock of this part is held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_locked_once_however_often_it_is_named() {
        let all: Vec<Mutex<usize>> = (0..64).map(Mutex::new).collect();
        let wanted = [40, 3, 63, 3, 0, 40, 3, 12];
        let mut locked = Locked::of(&all, wanted.into_iter());
        assert!(wanted.iter().all(|number| *locked.part(*number) == *number));
        let free = all.iter().filter(|part| part.try_lock().is_some()).count();
        assert_eq!(free, 64 - 5);
        drop(locked);
        assert!(all.iter().all(|part| part.try_lock().is_some()));
    }

    #[test]
    fn calls_that_name_the_same_parts_in_any_order_do_not_wait_for_each_other_for_ever() {
        let all: Vec<Mutex<u64>> = (0..8).map(|_| Mutex::default()).collect();
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let all = &all;
                threads.spawn(move || {
                    for round in 0..10_000 {
                        let wanted = [7 - round % 8, (round * 3 + thread) % 8, round % 8];
                        let mut locked = Locked::of(all, wanted.into_iter());
                        for number in wanted {
                            *locked.part(number) += 1;
                        }
                    }
                });
            }
        });
        assert_eq!(all.iter().map(|part| *part.lock()).sum::<u64>(), 4 * 10_000 * 3);
    }
}

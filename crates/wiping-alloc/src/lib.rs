//! The allocator of a process that takes passwords: mimalloc, which wipes what is freed, but for what
//! is freed while a thread serves somebody who sends none.
//!
//! A password passes through buffers of the HTTP server and of decoders that nobody else can reach.
//! Wiping everything that is ever freed costs seven percent of a validation, so [`spare_freed`] says
//! where it is not needed: there a block costs one look at a variable of the thread.

mod mimalloc;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::pin::Pin;
use std::sync::atomic::{Ordering, compiler_fence};
use std::task::{Context, Poll};

pub use mimalloc::Mimalloc;

thread_local! {
    static WIPES: Cell<bool> = const { Cell::new(true) };
}

/// The allocator, for `#[global_allocator]`.
pub struct WipingAlloc;

#[expect(unsafe_code, reason = "an allocator is a trait of unsafe functions")]
// SAFETY: every block comes from mimalloc and goes back to it with the layout that it was taken by;
// what is written before it goes back stays within that layout.
unsafe impl GlobalAlloc for WipingAlloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that mimalloc wants.
        unsafe { Mimalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { Mimalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if WIPES.get() {
            // SAFETY: the block is the caller's to give, and as long as its layout says.
            unsafe { block.write_bytes(0, layout.size()) };
            // Nothing reads it any more, so that a compiler could leave the writing out.
            compiler_fence(Ordering::SeqCst);
        }
        // SAFETY: as above.
        unsafe { Mimalloc.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !WIPES.get() {
            // SAFETY: as above.
            return unsafe { Mimalloc.realloc(block, layout, size) };
        }
        // SAFETY: the caller promises that `size` is right for a layout of this alignment, and both
        // blocks hold what is copied.
        unsafe {
            let larger = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !larger.is_null() {
                larger.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            larger
        }
    }
}

/// What this thread frees is not wiped until this is dropped.
struct Sparing {
    before: bool,
}

impl Sparing {
    fn begin() -> Self {
        Self { before: WIPES.replace(false) }
    }
}

impl Drop for Sparing {
    fn drop(&mut self) {
        WIPES.set(self.before);
    }
}

/// What this thread frees from now on is wiped. Within a future of [`spare_freed`] that holds for the
/// rest of its life: for when a password comes where none was to be expected.
pub fn wipe_freed() {
    WIPES.set(true);
}

/// Whether what this thread frees now is not wiped: only there [`wipe_freed`] changes anything.
#[must_use]
pub fn spares_freed() -> bool {
    !WIPES.get()
}

/// Does `work`, and wipes what it frees, wherever that is: for what may repeat a secret in the text of
/// an error.
pub fn wiping<T>(work: impl FnOnce() -> T) -> T {
    let _before = Sparing { before: WIPES.replace(true) };
    work()
}

/// The same future, during whose polls, and when it is dropped, nothing is wiped: for what handles no
/// password, unless it calls [`wipe_freed`].
pub fn spare_freed<F: Future<Output = ()>>(future: F) -> SpareFreed<F> {
    SpareFreed { future: Some(Box::pin(future)), wipes: false }
}

/// What [`spare_freed`] makes.
pub struct SpareFreed<F> {
    /// None once it has ended.
    future: Option<Pin<Box<F>>>,
    /// Whether it is to be spared no longer.
    wipes: bool,
}

impl<F: Future<Output = ()>> Future for SpareFreed<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _sparing = (!self.wipes).then(Sparing::begin);
        // Where it panics, nobody says whether it has handled a password.
        self.wipes = true;
        let Some(future) = &mut self.future else {
            return Poll::Ready(());
        };
        let polled = future.as_mut().poll(cx);
        self.wipes = WIPES.get();
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<F> Drop for SpareFreed<F> {
    fn drop(&mut self) {
        let _sparing = (!self.wipes).then(Sparing::begin);
        self.future = None;
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;

    use super::*;

    struct Seen<'a>(&'a Cell<Option<bool>>);

    impl Drop for Seen<'_> {
        fn drop(&mut self) {
            self.0.set(Some(WIPES.get()));
        }
    }

    #[test]
    fn what_is_freed_within_is_spared_and_nothing_else() {
        let (polled, dropped) = (Cell::new(None), Cell::new(None));
        for ends in [true, false] {
            let held = Seen(&dropped);
            let within = async {
                let _held = held;
                polled.set(Some(WIPES.get()));
                if !ends {
                    std::future::pending::<()>().await;
                }
            };
            let mut spared = Box::pin(spare_freed(within));
            assert_eq!(
                spared.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready(),
                ends
            );
            drop(spared);
            assert_eq!((polled.take(), dropped.take()), (Some(false), Some(false)), "{ends}");
            assert!(WIPES.get());
        }
    }

    #[test]
    fn what_is_left_of_a_future_that_panics_is_wiped() {
        let panics = std::future::poll_fn::<(), _>(|_| panic!("on purpose"));
        let mut spared = Box::pin(spare_freed(panics));
        let mut cx = Context::from_waker(Waker::noop());
        let polled = AssertUnwindSafe(|| spared.as_mut().poll(&mut cx).is_ready());
        assert!(catch_unwind(polled).is_err());
        assert!(spared.wipes && WIPES.get());
    }

    #[test]
    fn what_comes_to_handle_a_password_is_wiped_to_its_end_and_work_that_may_repeat_a_secret() {
        let (later, dropped) = (Cell::new(None), Cell::new(None));
        let held = Seen(&dropped);
        let within = async {
            let _held = held;
            assert!(wiping(|| WIPES.get()));
            assert!(!WIPES.get());
            wipe_freed();
            let mut pending = true;
            std::future::poll_fn(|_| {
                let first = std::mem::take(&mut pending);
                if first { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            later.set(Some(WIPES.get()));
            std::future::pending::<()>().await;
        };
        let mut spared = Box::pin(spare_freed(within));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(spared.as_mut().poll(&mut cx).is_pending());
        assert!(spared.as_mut().poll(&mut cx).is_pending());
        drop(spared);
        assert_eq!((later.take(), dropped.take()), (Some(true), Some(true)));
        // It is its own affair alone.
        let mut other = Box::pin(spare_freed(async { later.set(Some(WIPES.get())) }));
        assert!(other.as_mut().poll(&mut cx).is_ready());
        assert_eq!(later.take(), Some(false));
    }

    #[test]
    #[expect(unsafe_code, reason = "it looks at where the allocator puts blocks")]
    fn every_block_is_aligned_as_it_has_to_be_also_after_it_grew() {
        for (align, size) in (0..13).map(|n| 1 << n).flat_map(|a| (1..200).map(move |s| (a, s * 7)))
        {
            let layout = Layout::from_size_align(size, align).unwrap();
            for (wipes, zeroed) in [(false, false), (false, true), (true, false), (true, true)] {
                WIPES.set(wipes);
                // SAFETY: each block is used as its layout says, and given back once.
                unsafe {
                    let block = if zeroed {
                        WipingAlloc.alloc_zeroed(layout)
                    } else {
                        WipingAlloc.alloc(layout)
                    };
                    assert_eq!(block.addr() % align, 0, "{layout:?}");
                    assert!(!zeroed || (0..size).all(|at| *block.add(at) == 0), "{layout:?}");
                    block.write_bytes(7, size);
                    let other = size * 3 / 2;
                    let block = WipingAlloc.realloc(block, layout, other);
                    assert_eq!(block.addr() % align, 0, "{layout:?}");
                    assert!((0..size).all(|at| *block.add(at) == 7), "{layout:?}");
                    WipingAlloc.dealloc(block, Layout::from_size_align(other, align).unwrap());
                }
            }
            WIPES.set(true);
        }
    }

    #[test]
    #[expect(unsafe_code, reason = "it looks at a block as the allocator leaves it")]
    fn a_block_that_grows_keeps_what_it_holds() {
        for wipes in [false, true] {
            WIPES.set(wipes);
            let small = Layout::from_size_align(8, 8).unwrap();
            // SAFETY: each block is used as its layout says, and given back once.
            let seen = unsafe {
                let block = WipingAlloc.alloc(small);
                block.copy_from_nonoverlapping(b"password".as_ptr(), 8);
                let block = WipingAlloc.realloc(block, small, 4096);
                let seen = std::slice::from_raw_parts(block, 8).to_vec();
                WipingAlloc.dealloc(block, Layout::from_size_align(4096, 8).unwrap());
                seen
            };
            WIPES.set(true);
            assert_eq!(seen, b"password");
        }
    }
}

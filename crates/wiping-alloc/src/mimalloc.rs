//! mimalloc, asked for an alignment only where it matters.

use std::alloc::{GlobalAlloc, Layout};

use mimalloc::MiMalloc;

/// The allocator of a process that takes no passwords: mimalloc, which wipes nothing.
pub struct Mimalloc;

/// Whether a block of this size is aligned well enough without being asked for it: mimalloc's are so to 16
/// bytes, or to 8 where they have no more. Asked all the same, it looks for more room and aligns within
/// it, wherever its first look finds nothing.
const fn is_aligned_anyway(size: usize, align: usize) -> bool {
    align <= 16 && align <= size
}

#[expect(unsafe_code, reason = "an allocator is a trait of unsafe functions")]
// SAFETY: every block comes from mimalloc and goes back to it with the layout that it was taken by.
unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that mimalloc wants.
        unsafe {
            if is_aligned_anyway(layout.size(), layout.align()) {
                libmimalloc_sys::mi_malloc(layout.size()).cast()
            } else {
                MiMalloc.alloc(layout)
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if is_aligned_anyway(layout.size(), layout.align()) {
                libmimalloc_sys::mi_zalloc(layout.size()).cast()
            } else {
                MiMalloc.alloc_zeroed(layout)
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if is_aligned_anyway(size, layout.align()) {
                libmimalloc_sys::mi_realloc(block.cast(), size).cast()
            } else {
                MiMalloc.realloc(block, layout, size)
            }
        }
    }
}

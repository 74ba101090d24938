//! The memory that functions allocate: small blocks from lists of their size.
//!
//! A handler takes a dozen small blocks and gives them back, for every request.
//! The standard library's allocator splits and merges neighbours each time: some
//! 290 machine instructions to take a block and give it back, 110 with a list.
//! Of a handler that does nothing else it was the greater half.
#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// Bytes from one size of block to the next.
const STEP: usize = 16;

/// Bytes that the allocator below spends on each block: with them, a block is a
/// multiple of [`STEP`], and nothing of it is lost.
const OVERHEAD: usize = size_of::<usize>();

/// Largest block that comes from a list, in bytes.
const MAX: usize = 1024 - OVERHEAD;

/// Bytes that one list keeps, at most; what is given back beyond goes to the
/// allocator below, where blocks of any size can be made of it.
const KEPT: usize = 32 * 1024;

/// How every block of a list is aligned.
const ALIGN: usize = size_of::<usize>();

const LISTS: usize = 1024 / STEP;

/// Blocks given back, by size, for those who ask next.
pub(crate) struct Lists([List; LISTS]);

/// Blocks of one size. Each holds the address of the next.
struct List {
    first: Cell<*mut Free>,
    /// Their bytes, with what the allocator below spends on them.
    kept: Cell<usize>,
}

/// A block that nobody uses.
struct Free {
    next: *mut Free,
}

// SAFETY: it is a function's, and functions have no threads: see `lib.rs`.
unsafe impl Sync for Lists {}

impl Lists {
    pub(crate) const fn new() -> Self {
        Lists(
            [const {
                List {
                    first: Cell::new(ptr::null_mut()),
                    kept: Cell::new(0),
                }
            }; LISTS],
        )
    }

    /// Which list blocks of this layout come from.
    #[inline(always)]
    fn index(layout: Layout) -> Option<usize> {
        let is_small = layout.size() <= MAX && layout.align() <= ALIGN;
        is_small.then(|| (layout.size() + OVERHEAD - 1) / STEP)
    }

    /// A block for a list that has none.
    #[cold]
    #[inline(never)]
    unsafe fn more(index: usize) -> *mut u8 {
        // SAFETY: as the caller promises, and a block is not empty.
        unsafe { System.alloc(Self::block(index)) }
    }

    #[cold]
    #[inline(never)]
    unsafe fn release(start: *mut u8, index: usize) {
        // SAFETY: it came from `more`.
        unsafe { System.dealloc(start, Self::block(index)) }
    }

    /// The layout of a list's blocks.
    fn block(index: usize) -> Layout {
        let size = (index + 1) * STEP - OVERHEAD;
        Layout::from_size_align(size, ALIGN).unwrap_or(Layout::new::<usize>())
    }
}

/// A block that is too large for any list.
#[inline(never)]
unsafe fn alloc_large(layout: Layout) -> *mut u8 {
    // SAFETY: as the caller has promised.
    unsafe { System.alloc(layout) }
}

#[inline(never)]
unsafe fn dealloc_large(start: *mut u8, layout: Layout) {
    // SAFETY: it came from there.
    unsafe { System.dealloc(start, layout) }
}

// SAFETY: a block is either its user's or on one list, never both, and is as
// long as the longest layout that maps to its list. All others are `System`'s.
unsafe impl GlobalAlloc for Lists {
    // Its code once, not at each of hundreds of places.
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(index) = Self::index(layout) else {
            // SAFETY: as the caller has promised.
            return unsafe { alloc_large(layout) };
        };
        let list = &self.0[index];
        let first = list.first.get();
        if first.is_null() {
            // SAFETY: as above.
            return unsafe { Self::more(index) };
        }
        // SAFETY: what is on a list is a `Free`, written when it was put there.
        list.first.set(unsafe { (*first).next });
        list.kept.set(list.kept.get() - (index + 1) * STEP);
        first.cast()
    }

    #[inline(never)]
    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        let Some(index) = Self::index(layout) else {
            // SAFETY: it came from there.
            return unsafe { dealloc_large(start, layout) };
        };
        let list = &self.0[index];
        let kept = list.kept.get() + (index + 1) * STEP;
        if kept > KEPT {
            // SAFETY: it came from there.
            return unsafe { Self::release(start, index) };
        }
        let free = start.cast::<Free>();
        let next = list.first.get();
        // SAFETY: nobody uses the block any more; it has room for an address,
        // and is aligned for one.
        unsafe { free.write(Free { next }) };
        list.first.set(free);
        list.kept.set(kept);
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        match (Self::index(layout), Self::index(wanted)) {
            // SAFETY: it came from there.
            (None, None) => unsafe { System.realloc(start, layout, size) },
            (from, to) if from == to => start,
            // SAFETY: both blocks have as many bytes as are copied, and are two.
            _ => unsafe {
                let moved = self.alloc(wanted);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(start, moved, layout.size().min(size));
                    self.dealloc(start, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 1).unwrap()
    }

    #[test]
    fn a_block_given_back_is_the_next_of_its_size() {
        let lists = Lists::new();
        // SAFETY: blocks are given back once, in their layouts.
        unsafe {
            let (first, other) = (lists.alloc(layout(20)), lists.alloc(layout(20)));
            lists.dealloc(first, layout(20));
            assert_ne!(lists.alloc(layout(200)), first);
            assert_eq!(lists.alloc(layout(24)), first);
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_list_keeps_no_more_than_it_may() {
        let lists = Lists::new();
        let size = 1000;
        // SAFETY: blocks are given back once, in their layouts.
        unsafe {
            let blocks: Vec<_> = (0..100).map(|_| lists.alloc(layout(size))).collect();
            for block in blocks {
                lists.dealloc(block, layout(size));
            }
        }
        let kept = lists.0[Lists::index(layout(size)).unwrap()].kept.get();
        assert!(kept <= KEPT && kept > KEPT - 1024, "{kept}");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Alloc(usize, usize),
        Free(usize),
        Resize(usize, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let size = prop_oneof![1..80_usize, 900..1100_usize, 1..5000_usize];
        let step = prop_oneof![
            (size.clone(), 0..6_usize).prop_map(|(size, align)| Step::Alloc(size, 1 << align)),
            any::<usize>().prop_map(Step::Free),
            (any::<usize>(), size).prop_map(|(which, size)| Step::Resize(which, size)),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        /// Every block holds what was written there for as long as it is used.
        #[test]
        fn blocks_are_nobody_elses(steps in steps()) {
            let lists = Lists::new();
            let mut used: Vec<(*mut u8, Layout, u8)> = Vec::new();
            // SAFETY: each block is read and written within its layout.
            unsafe {
                let whole = |(start, layout, mark): (*mut u8, Layout, u8)| {
                    let bytes = std::slice::from_raw_parts(start, layout.size());
                    bytes.iter().all(|byte| *byte == mark)
                };
                for (mark, step) in (0_u8..=255).cycle().zip(steps) {
                    match step {
                        Step::Alloc(size, align) => {
                            let layout = Layout::from_size_align(size, align).unwrap();
                            let start = lists.alloc(layout);
                            prop_assert!(start.addr().is_multiple_of(align));
                            start.write_bytes(mark, size);
                            used.push((start, layout, mark));
                        }
                        Step::Free(which) if !used.is_empty() => {
                            let block = used.swap_remove(which % used.len());
                            prop_assert!(whole(block));
                            lists.dealloc(block.0, block.1);
                        }
                        Step::Resize(which, size) if !used.is_empty() => {
                            let block = used.swap_remove(which % used.len());
                            let (start, layout, old) = block;
                            let start = lists.realloc(start, layout, size);
                            let kept = Layout::from_size_align(layout.size().min(size), 1).unwrap();
                            prop_assert!(whole((start, kept, old)));
                            start.write_bytes(mark, size);
                            let layout = Layout::from_size_align(size, layout.align()).unwrap();
                            used.push((start, layout, mark));
                        }
                        _ => {}
                    }
                }
                for block in used {
                    prop_assert!(whole(block));
                    lists.dealloc(block.0, block.1);
                }
            }
        }
    }
}

//! What all connections hold together: texts that wait, and what has not come whole.
//!
//! The invariant: what is counted in is counted out again when it is written, taken in or dropped.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes that all connections hold, and how many they may.
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    held: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: AtomicUsize::new(0) })
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// More is held than may be: who holds much gives way.
    pub(crate) fn is_out(&self) -> bool {
        self.held() > self.most
    }

    /// So much is held that newcomers are sent away, and who is there keeps room.
    pub(crate) fn is_short(&self) -> bool {
        self.held() > self.most / 4 * 3
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one connection holds of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Holding {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// It is so much now.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.budget.add(bytes);
            self.budget.remove(self.bytes);
            self.bytes = bytes;
        }
    }

    /// Whether it is more than `fair`, while there is too little for all.
    pub(crate) fn is_too_much(&self, fair: usize) -> bool {
        self.bytes > fair && self.budget.is_out()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.budget.remove(self.bytes);
    }
}

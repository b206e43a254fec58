//! Reads the rows of the next batches while the threads work on the current one.
//!
//! The order of the rows is known from the start, so a separate thread reads them in that order into three buffers. A
//! step of training works on one buffer. The buffer of the step before is free once all threads have reached the first
//! wait of the step. The third is filled meanwhile.

use crate::{Element, ReadRows};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

/// Batches in memory at once.
pub(crate) const BUFFERS: usize = 3;

/// Buffers that one thread fills and the others read.
#[derive(Debug)]
pub(crate) struct Feed<E> {
    buffers: [RwLock<Vec<E>>; BUFFERS],
    state: Mutex<State>,
    changed: Condvar,
}

/// Batches are numbered from 0 in the order of use.
#[derive(Debug, Default)]
struct State {
    /// Batches below this number have been loaded.
    loaded: usize,
    /// Batches below this number are no longer needed.
    released: usize,
    over: bool,
    failure: Option<String>,
}

/// The feed ended before this batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended;

impl<E> Default for Feed<E> {
    fn default() -> Self {
        Self { buffers: Default::default(), state: Mutex::default(), changed: Condvar::default() }
    }
}

impl<E: Element> Feed<E> {
    /// Reads batches into the buffers until all are read, one cannot be read, or the feed is ended.
    pub(crate) fn fill<'a>(&self, batches: impl Iterator<Item = (&'a dyn ReadRows<E>, Vec<usize>)>) {
        let _end = self.end_on_drop();
        for (number, (rows, indices)) in batches.enumerate() {
            let mut state = self.lock();
            while number >= state.released + BUFFERS && !state.over {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.over {
                return;
            }
            drop(state);
            let outcome = {
                let mut buffer = self.buffers[number % BUFFERS].write().unwrap_or_else(PoisonError::into_inner);
                let values = indices.len() * rows.columns();
                grow(&mut buffer, values).and_then(|()| rows.read_rows(&indices, &mut buffer[..values]))
            };
            let mut state = self.lock();
            match outcome {
                Ok(()) => state.loaded = number + 1,
                Err(error) => state.failure = Some(error.to_string()),
            }
            self.changed.notify_all();
            if state.failure.is_some() {
                return;
            }
        }
    }

    /// Waits for the rows of a batch.
    pub(crate) fn batch(&self, number: usize) -> Result<RwLockReadGuard<'_, Vec<E>>, Ended> {
        let mut state = self.lock();
        while state.loaded <= number {
            if state.over {
                return Err(Ended);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        Ok(self.buffers[number % BUFFERS].read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Frees the buffers of batches below `number`.
    pub(crate) fn release(&self, number: usize) {
        self.lock().released = number;
        self.changed.notify_all();
    }

    /// The reason why a batch could not be read.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Ends the feed when it is dropped, also by a panic, which releases the threads that wait.
    pub(crate) fn end_on_drop(&self) -> EndOnDrop<'_, E> {
        EndOnDrop(self)
    }
}

impl<E> Feed<E> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn grow<E: Element>(buffer: &mut Vec<E>, len: usize) -> io::Result<()> {
    if buffer.len() < len {
        buffer.try_reserve_exact(len - buffer.len())?;
        buffer.resize(len, E::default());
    }
    Ok(())
}

/// See [`Feed::end_on_drop`].
pub(crate) struct EndOnDrop<'f, E>(&'f Feed<E>);

impl<E> Drop for EndOnDrop<'_, E> {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Ten rows of two values. Counts the reads; row `bad` cannot be read.
    struct Ten {
        read: AtomicUsize,
        bad: usize,
    }

    impl ReadRows for Ten {
        fn rows(&self) -> usize {
            10
        }

        fn columns(&self) -> usize {
            2
        }

        fn read_rows(&self, indices: &[usize], out: &mut [f32]) -> io::Result<()> {
            for (&row, out) in indices.iter().zip(out.chunks_exact_mut(2)) {
                if row == self.bad {
                    return Err(io::Error::other("row 7 is gone"));
                }
                out.fill(row as f32);
            }
            self.read.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    fn batches(rows: &Ten) -> impl Iterator<Item = (&dyn ReadRows, Vec<usize>)> {
        (0..10).map(move |row| (rows as &dyn ReadRows, vec![row, 9 - row]))
    }

    #[test]
    fn no_more_than_three_batches_are_read_ahead_and_they_come_in_order() {
        let (feed, rows) = (Feed::default(), Ten { read: AtomicUsize::new(0), bad: 10 });
        std::thread::scope(|scope| {
            scope.spawn(|| feed.fill(batches(&rows)));
            for number in 0..10 {
                let batch = feed.batch(number).unwrap();
                let (row, other) = (number as f32, 9.0 - number as f32);
                assert_eq!(batch[..4], [row, row, other, other]);
                assert!(rows.read.load(Ordering::SeqCst) <= number + BUFFERS);
                drop(batch);
                feed.release(number + 1);
            }
        });
        assert_eq!(rows.read.load(Ordering::SeqCst), 10);
    }

    #[test]
    fn a_batch_that_cannot_be_read_ends_the_feed_with_its_reason() {
        let (feed, rows) = (Feed::default(), Ten { read: AtomicUsize::new(0), bad: 7 });
        std::thread::scope(|scope| {
            scope.spawn(|| feed.fill(batches(&rows)));
            assert!(feed.batch(0).is_ok() && feed.batch(1).is_ok());
            // Batch 2 holds row 7.
            assert_eq!(feed.batch(2).err(), Some(Ended));
        });
        assert_eq!(feed.failure().unwrap(), "row 7 is gone");
    }

    #[test]
    fn an_ended_feed_reads_no_further() {
        let (feed, rows) = (Feed::default(), Ten { read: AtomicUsize::new(0), bad: 10 });
        std::thread::scope(|scope| {
            let filling = scope.spawn(|| feed.fill(batches(&rows)));
            assert!(feed.batch(0).is_ok());
            drop(feed.end_on_drop());
            filling.join().unwrap();
        });
        assert!(rows.read.load(Ordering::SeqCst) <= BUFFERS);
        assert_eq!(feed.failure(), None);
    }
}

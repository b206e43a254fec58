//! A barrier for threads that meet every few dozen microseconds.
//!
//! A waiting thread first spins for some microseconds, because the others usually arrive within one. Then it yields its
//! core, and at last it sleeps, so that a slow hook or a busy machine costs no processor time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

const SPINS: u32 = 400;
const YIELDS: u32 = 100;

/// A reusable barrier for a fixed number of threads.
#[derive(Debug)]
pub(crate) struct Barrier {
    parties: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
    sleepers: Mutex<usize>,
    wake: Condvar,
}

/// Another thread has ended, or was never started, and will not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Barrier {
    pub(crate) fn new(parties: usize) -> Self {
        Self {
            parties,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            sleepers: Mutex::new(0),
            wake: Condvar::new(),
        }
    }

    /// Returns once every thread has called it. Their earlier writes are then visible to all.
    pub(crate) fn wait(&self) -> Result<(), Broken> {
        if self.parties == 1 {
            return Ok(());
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.parties {
            self.arrived.store(0, Ordering::Relaxed);
            let sleepers = self.lock();
            self.round.store(round.wrapping_add(1), Ordering::Release);
            if *sleepers > 0 {
                self.wake.notify_all();
            }
            return Ok(());
        }
        let done = || self.round.load(Ordering::Acquire) != round || self.broken.load(Ordering::Acquire);
        for attempt in 0..SPINS + YIELDS {
            if done() {
                return self.verdict(round);
            }
            if attempt < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        let mut sleepers = self.lock();
        *sleepers += 1;
        while !done() {
            sleepers = self.wake.wait(sleepers).unwrap_or_else(PoisonError::into_inner);
        }
        *sleepers -= 1;
        self.verdict(round)
    }

    /// Breaks the barrier when it is dropped, which releases the threads that wait. A thread drops it after its last
    /// wait, which the others then still complete; after a panic or an error it releases them.
    pub(crate) fn break_on_drop(&self) -> BreakOnDrop<'_> {
        BreakOnDrop { barrier: self }
    }

    fn verdict(&self, round: usize) -> Result<(), Broken> {
        if self.round.load(Ordering::Acquire) == round { Err(Broken) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Barrier::break_on_drop`].
#[derive(Debug)]
pub(crate) struct BreakOnDrop<'a> {
    barrier: &'a Barrier,
}

impl Drop for BreakOnDrop<'_> {
    fn drop(&mut self) {
        let _sleepers = self.barrier.lock();
        self.barrier.broken.store(true, Ordering::Release);
        self.barrier.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Miri is slow, and runs each test in many orders.
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 300 };

    #[test]
    fn no_thread_passes_before_the_last_has_arrived() {
        let (barrier, count) = (Barrier::new(3), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..3u64 {
                let (barrier, count) = (&barrier, &count);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        if round % 100 == 99 {
                            // Long enough for the others to sleep.
                            std::thread::sleep(Duration::from_millis(5 * thread));
                        }
                        count.fetch_add(1, Ordering::Relaxed);
                        barrier.wait().unwrap();
                        assert_eq!(count.load(Ordering::Relaxed), 3 * (round + 1));
                        barrier.wait().unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn a_thread_that_ends_after_its_last_wait_lets_the_others_complete_it() {
        for _ in 0..ROUNDS {
            let barrier = Barrier::new(3);
            let waits = || {
                let _guard = barrier.break_on_drop();
                barrier.wait()
            };
            std::thread::scope(|scope| {
                let threads = [scope.spawn(waits), scope.spawn(waits), scope.spawn(waits)];
                assert_eq!(threads.map(|thread| thread.join().unwrap()), [Ok(()); 3]);
            });
        }
    }

    #[test]
    fn a_panic_releases_the_threads_that_wait() {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| barrier.wait());
            let panicking = scope.spawn(|| {
                let _guard = barrier.break_on_drop();
                std::thread::sleep(Duration::from_millis(20));
                std::panic::resume_unwind(Box::new("on purpose"));
            });
            assert!(panicking.join().is_err());
            assert_eq!(waiting.join().unwrap(), Err(Broken));
        });
    }
}

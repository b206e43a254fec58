//! A barrier for threads that meet every few dozen microseconds.
//!
//! A waiting thread spins for some microseconds, since the others usually arrive within one; then it offers its core
//! to other work, and at last it sleeps, so that a slow hook or a busy machine costs no processor time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

const SPINS: u32 = 400;
const YIELDS: u32 = 100;

/// A meeting point for a fixed number of threads, used again and again.
#[derive(Debug)]
pub(crate) struct Barrier {
    parties: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
    sleepers: Mutex<usize>,
    wake: Condvar,
}

/// Another thread has panicked and will never arrive.
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

    /// Returns once every thread has called it; what they wrote before is then visible to all.
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

    /// A value that, dropped by a panic, frees the threads that wait for this one.
    pub(crate) fn guard(&self) -> BreakOnPanic<'_> {
        BreakOnPanic { barrier: self }
    }

    fn verdict(&self, round: usize) -> Result<(), Broken> {
        if self.round.load(Ordering::Acquire) == round { Err(Broken) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Barrier::guard`].
#[derive(Debug)]
pub(crate) struct BreakOnPanic<'a> {
    barrier: &'a Barrier,
}

impl Drop for BreakOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _sleepers = self.barrier.lock();
            self.barrier.broken.store(true, Ordering::Release);
            self.barrier.wake.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn nobody_passes_before_the_last_has_arrived() {
        let (barrier, count) = (Barrier::new(3), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..3u64 {
                let (barrier, count) = (&barrier, &count);
                scope.spawn(move || {
                    for round in 0..300 {
                        if round % 100 == 99 {
                            std::thread::sleep(Duration::from_millis(5 * thread)); // long enough for the others to sleep
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
    fn a_panic_frees_those_who_wait() {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| barrier.wait());
            let panicking = scope.spawn(|| {
                let _guard = barrier.guard();
                std::thread::sleep(Duration::from_millis(20));
                std::panic::resume_unwind(Box::new("on purpose"));
            });
            assert!(panicking.join().is_err());
            assert_eq!(waiting.join().unwrap(), Err(Broken));
        });
    }
}

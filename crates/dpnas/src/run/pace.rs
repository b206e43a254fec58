//! How often what a reader sees is renewed.

use std::time::{Duration, Instant};

/// Renewing takes one part of so many of the time of a run.
const SHARE: u32 = 50;

/// Shortest time between two renewals.
const SHORTEST: Duration = Duration::from_secs(1);

/// Says when to renew: at once, and then after a multiple of the time that the last renewal took.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    next: Option<Instant>,
}

impl Pace {
    /// Renews if it is time.
    pub(crate) fn renew<T>(&mut self, renew: impl FnOnce() -> T) -> Option<T> {
        #[expect(clippy::disallowed_methods, reason = "clock: decides when a reader sees a result, and no result")]
        let begun = Instant::now();
        if self.next.is_some_and(|next| begun < next) {
            return None;
        }
        let renewed = renew();
        self.next = begun.checked_add((begun.elapsed() * SHARE).max(SHORTEST));
        Some(renewed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "clock: this is its test")]
    fn a_renewal_waits_for_fifty_times_its_own_time() {
        let mut pace = Pace::default();
        assert_eq!(pace.renew(|| std::thread::sleep(Duration::from_millis(100))), Some(()));
        let wait = pace.next.unwrap().duration_since(Instant::now());
        assert!(wait > Duration::from_secs(4), "{wait:?}");
        assert_eq!(pace.renew(|| ()), None);
        pace.next = Some(Instant::now());
        assert_eq!(pace.renew(|| 7), Some(7));
    }
}

//! Softmax and cross-entropy of class scores, on the host.

/// Errors, loss and decisions of some rows of class scores.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// `(softmax − one-hot) · scale`, `[n, classes]`.
    pub(crate) errors: Vec<f32>,
    /// Sum of the cross-entropies, in nats.
    pub(crate) loss: f64,
    /// Rows whose highest score is their label's.
    pub(crate) correct: usize,
}

/// The verdict on rows of `classes` scores; `None` if a score is not finite.
pub(crate) fn judge(scores: &[f32], classes: usize, labels: &[u32], scale: f64) -> Option<Verdict> {
    let mut verdict = Verdict { errors: Vec::with_capacity(scores.len()), ..Verdict::default() };
    for (row, &label) in scores.chunks_exact(classes).zip(labels) {
        let label = label as usize;
        let best = argmax(row)?;
        verdict.correct += usize::from(best == label);
        let highest = f64::from(row[best]);
        let shares: Vec<f64> = row.iter().map(|&score| (f64::from(score) - highest).exp()).collect();
        let sum: f64 = shares.iter().sum();
        verdict.loss += sum.ln() + highest - f64::from(row[label]);
        let error =
            |(class, share): (usize, &f64)| (scale * (share / sum - f64::from(u8::from(class == label)))) as f32;
        verdict.errors.extend(shares.iter().enumerate().map(error));
    }
    Some(verdict)
}

/// The class of the highest score, the lowest of equals; `None` if a score is not finite.
pub(crate) fn argmax(scores: &[f32]) -> Option<usize> {
    let mut best = 0;
    for (class, &score) in scores.iter().enumerate() {
        if !score.is_finite() {
            return None;
        }
        if score > scores[best] {
            best = class;
        }
    }
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_the_derivative_of_the_loss() {
        let scores = [0.5, -1.0, 2.0, 0.1, 0.2, 0.3];
        let labels = [2, 0];
        let verdict = judge(&scores, 3, &labels, 1.0).unwrap();
        assert_eq!(verdict.correct, 1);
        for i in 0..6 {
            let loss = |delta: f32| {
                let mut scores = scores;
                scores[i] += delta;
                judge(&scores, 3, &labels, 1.0).unwrap().loss
            };
            let slope = (loss(1e-3) - loss(-1e-3)) / 2e-3;
            assert!((slope - f64::from(verdict.errors[i])).abs() < 1e-4, "{slope} {}", verdict.errors[i]);
        }
    }

    #[test]
    fn scores_far_apart_do_not_overflow_and_scores_that_are_not_finite_give_no_verdict() {
        assert!(judge(&[1e30, -1e30], 2, &[1], 1.0).unwrap().loss > 1e30);
        assert!(judge(&[f32::NAN, 0.0], 2, &[1], 1.0).is_none());
        assert!(judge(&[0.0, f32::INFINITY], 2, &[1], 1.0).is_none());
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), Some(1));
    }
}

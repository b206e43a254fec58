//! What embedding the architectures of a search took, added up.

use dpnas::Encoding;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// Embeddings that were computed in this sitting, by the ε of their candidates.
#[derive(Debug, Default)]
pub struct Encodings {
    last: Arc<Mutex<Option<Encoding>>>,
    by_epsilon: Vec<(f64, Sums)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    candidates: u64,
    /// Those that began where an earlier one had been.
    reusing: u64,
    multiply_adds: f64,
    reused: f64,
    seconds: f64,
}

impl Encodings {
    /// What an evaluator calls after each embedding.
    pub fn hook(&self) -> impl Fn(&Encoding) + use<> {
        let last = Arc::clone(&self.last);
        move |encoding| *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(encoding.clone())
    }

    /// Takes in the candidate that was scored last, and gives a line about its embedding; `None` if it was not computed.
    pub fn told(&mut self, epsilon: f64) -> Option<String> {
        let encoding = self.last.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        if self.by_epsilon.last().is_none_or(|(last, _)| *last != epsilon) {
            self.by_epsilon.push((epsilon, Sums::default()));
        }
        if let Some((_, sums)) = self.by_epsilon.last_mut() {
            *sums = sums.plus(&encoding);
        }
        Some(format!(
            "embedded in {:.3} s, {} of {} layers by earlier architectures, {:.1} % of {} multiply-adds an image; {} prefixes \
             left, {} MiB kept",
            encoding.seconds,
            encoding.reused_layers,
            encoding.layers,
            percent(encoding.reused_multiply_adds as f64, encoding.multiply_adds as f64),
            encoding.multiply_adds,
            encoding.kept_prefixes,
            encoding.kept_bytes >> 20,
        ))
    }

    /// A line for a reader; `None` if nothing was computed.
    pub fn text(&self) -> Option<String> {
        let all = self.all();
        (all.candidates > 0).then(|| {
            format!(
                "Embedding took {:.1} s for {} architectures; {} of them began where an earlier one had been, which saved \
                 {:.0} % of the multiply-adds.",
                all.seconds,
                all.candidates,
                all.reusing,
                percent(all.reused, all.multiply_adds)
            )
        })
    }

    /// For a script: the sums, and those of each ε; shares are fractions.
    pub fn json(&self) -> Value {
        let mut all = self.all().json();
        let parts = self.by_epsilon.iter().map(|(epsilon, sums)| {
            let mut part = sums.json();
            part["epsilon"] = json!(epsilon);
            part
        });
        all["by_epsilon"] = parts.collect();
        all
    }

    fn all(&self) -> Sums {
        self.by_epsilon.iter().fold(Sums::default(), |all, (_, sums)| Sums {
            candidates: all.candidates + sums.candidates,
            reusing: all.reusing + sums.reusing,
            multiply_adds: all.multiply_adds + sums.multiply_adds,
            reused: all.reused + sums.reused,
            seconds: all.seconds + sums.seconds,
        })
    }
}

impl Sums {
    fn plus(self, encoding: &Encoding) -> Self {
        Self {
            candidates: self.candidates + 1,
            reusing: self.reusing + u64::from(encoding.reused_layers > 0),
            multiply_adds: self.multiply_adds + encoding.multiply_adds as f64,
            reused: self.reused + encoding.reused_multiply_adds as f64,
            seconds: self.seconds + encoding.seconds,
        }
    }

    fn json(&self) -> Value {
        json!({
            "candidates": self.candidates,
            "reusing": self.reusing,
            "multiply_adds_per_image": self.multiply_adds,
            "reused_share": percent(self.reused, self.multiply_adds) / 100.0,
            "seconds": self.seconds,
        })
    }
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(reused_layers: usize, reused_multiply_adds: u64) -> Encoding {
        Encoding {
            net: "[C(8,3,1,1,1), C(8,3,1,1,1), SM(10)]".parse().unwrap(),
            layers: 2,
            reused_layers,
            multiply_adds: 1000,
            reused_multiply_adds,
            kept_prefixes: 1,
            kept_bytes: 3 << 20,
            seconds: 0.5,
        }
    }

    #[test]
    fn embeddings_are_added_up_by_epsilon() {
        let mut encodings = Encodings::default();
        let hook = encodings.hook();
        assert_eq!((encodings.text(), encodings.told(1.0)), (None, None));
        hook(&encoding(0, 0));
        encodings.told(1.0).unwrap();
        assert_eq!(encodings.told(1.0), None, "came from the cache");
        for epsilon in [0.5, 0.5] {
            hook(&encoding(1, 600));
            let line = encodings.told(epsilon).unwrap();
            let expected = "embedded in 0.500 s, 1 of 2 layers by earlier architectures, 60.0 % of 1000 multiply-adds an \
                            image; 1 prefixes left, 3 MiB kept";
            assert_eq!(line, expected);
        }
        let text = encodings.text().unwrap();
        assert!(text.contains("1.5 s for 3 architectures; 2 of them") && text.contains("saved 40 %"), "{text}");
        let json = encodings.json();
        assert_eq!((&json["candidates"], &json["reusing"], &json["seconds"]), (&json!(3), &json!(2), &json!(1.5)));
        assert_eq!(json["by_epsilon"][1]["reused_share"], json!(0.6));
        assert_eq!((&json["by_epsilon"][0]["epsilon"], &json["by_epsilon"][2]), (&json!(1.0), &Value::Null));
    }
}

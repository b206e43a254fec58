//! Sharing one draw of weights among the architectures of a run.

use dpnas_grammar::Net;
use dpnas_seed::Seed;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Whether the architectures of a run share one draw of weights.
///
/// Prints and parses as `per-search` and `per-candidate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightDraw {
    /// All architectures have the same seed. Those with a common prefix share its weights.
    #[default]
    PerSearch,
    /// Each architecture has its own seed, derived from the seed and the architecture's text. No weights are shared.
    PerCandidate,
}

impl WeightDraw {
    /// The seed of an architecture's weights: the seed itself, or one from the stream (seed, "weights of " + the
    /// architecture's text). It depends on nothing else.
    pub fn seed(self, seed: Seed, net: &Net) -> Seed {
        match self {
            Self::PerSearch => seed,
            Self::PerCandidate => seed.derive(&format!("weights of {net}"), 0),
        }
    }

    /// The part of an evaluator's identity that names its weights.
    pub(crate) fn describe(self, seed: Seed) -> String {
        match self {
            Self::PerSearch => format!("seed {}", seed.0),
            Self::PerCandidate => format!("by candidate from seed {}", seed.0),
        }
    }

    /// Whether it is the default, which the journal leaves out.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A name that is not a [`WeightDraw`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown draw `{name}`: use per-search or per-candidate")]
pub struct UnknownWeightDraw {
    /// The name.
    pub name: String,
}

impl FromStr for WeightDraw {
    type Err = UnknownWeightDraw;

    fn from_str(name: &str) -> Result<Self, UnknownWeightDraw> {
        match name {
            "per-search" => Ok(Self::PerSearch),
            "per-candidate" => Ok(Self::PerCandidate),
            _ => Err(UnknownWeightDraw { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for WeightDraw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PerSearch => "per-search",
            Self::PerCandidate => "per-candidate",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_candidate_has_a_seed_of_its_own_that_follows_from_its_text() {
        let net = |text: &str| text.parse::<Net>().unwrap();
        let (one, other) = (net("[C(8,3,1,1,1), SM(10)]"), net("[C(8,3,1,1,1), P(2,2,0,0), SM(10)]"));
        let seed = |net: &Net| WeightDraw::PerCandidate.seed(Seed(9), net);
        assert_eq!(seed(&one), seed(&net("[ C(8, 3,1,1,1),SM(10) ]")));
        assert_ne!(seed(&one), seed(&other));
        assert_ne!(seed(&one), WeightDraw::PerCandidate.seed(Seed(10), &one));
        assert_eq!(WeightDraw::PerSearch.seed(Seed(9), &one), Seed(9));
    }

    #[test]
    fn value_stability_of_a_candidates_seed() {
        let net: Net = "[C(8,3,1,1,1), SM(10)]".parse().unwrap();
        assert_eq!(WeightDraw::PerCandidate.seed(Seed(42), &net), Seed(7_415_226_662_088_951_558));
    }

    #[test]
    fn draws_print_and_parse() {
        for draw in [WeightDraw::PerSearch, WeightDraw::PerCandidate] {
            assert_eq!(draw.to_string().parse(), Ok(draw));
            assert_eq!(serde_json::to_string(&draw).unwrap(), format!("\"{draw}\""));
        }
        let message = "per-net".parse::<WeightDraw>().unwrap_err().to_string();
        assert_eq!(message, "unknown draw `per-net`: use per-search or per-candidate");
    }
}

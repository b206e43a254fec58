//! Strategies: what a search draws where it does not draw at random.

use crate::Space;
use crate::search::Known;
use dpnas_grammar::Net;
use dpnas_seed::Rng;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

/// Proposes architectures from those that were recorded.
///
/// A search draws a uniform walk with probability ε and asks its strategy otherwise, so a schedule such as `1.0:30,0.0:70` begins
/// with 30 random architectures. A strategy has no state: what it proposes depends on the arguments alone. So a search is
/// rebuilt from its journal, whatever its strategy.
///
/// ```
/// use dpnas_search::{History, ImageShape, Proposal, Rng, Search, SearchSettings, Seed, Space, SpaceSettings, Strategy};
/// use std::sync::Arc;
///
/// /// Follows the best architecture for a while, and goes on at random.
/// #[derive(Debug)]
/// struct Prefixes;
///
/// impl Strategy for Prefixes {
///     fn name(&self) -> String {
///         "prefixes".into()
///     }
///
///     fn propose(&self, space: &Space, history: &History<'_>, rng: &mut Rng) -> Option<Proposal> {
///         let best = history.scored().max_by(|a, b| a.1.total_cmp(&b.1))?.0;
///         let kept = rng.below(best.layers().len() as u64) as usize;
///         let net = space.completed(&best.layers()[..kept], rng)?;
///         Some(Proposal { net, parents: vec![best.clone()] })
///     }
/// }
///
/// let space = SpaceSettings::small().check(ImageShape::square(1, 28), 10)?;
/// let settings = SearchSettings { schedule: "1.0:10,0.0:20".parse()?, ..SearchSettings::paper() };
/// let mut search = Search::with_strategy(space, settings, Arc::new(Prefixes), Seed(0))?;
/// assert!(search.ask()?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Strategy: Debug + Send + Sync {
    /// Its name and settings, as they stand in journals.
    fn name(&self) -> String;

    /// An architecture of the space; `None` if it has none. One that was drawn before, or that the space rejects, is not
    /// used: the strategy is asked again with other random numbers, and after many attempts a random architecture is drawn.
    fn propose(&self, space: &Space, history: &History<'_>, rng: &mut Rng) -> Option<Proposal>;
}

/// What a strategy proposes.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The architecture.
    pub net: Net,
    /// What it was made from, for the family tree; may be empty.
    pub parents: Vec<Net>,
}

/// An architecture that a strategy learns from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Member {
    /// The architecture.
    pub net: Arc<Net>,
    /// Its reward, or the score of the rung that stopped it.
    pub value: f64,
    /// Numbers of the members that it was made from; empty if it was drawn at random.
    pub parents: Vec<usize>,
    /// Numbers of its plan that a surrogate has computed; `None` if it has no plan.
    #[serde(skip)]
    pub(crate) numbers: OnceLock<Option<Vec<f64>>>,
}

impl Member {
    pub(crate) fn new(net: Arc<Net>, value: f64, parents: Vec<usize>) -> Self {
        Self { net, value, parents, numbers: OnceLock::new() }
    }
}

/// The architectures of a search and their rewards.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    pub(crate) members: &'a [Member],
    pub(crate) known: &'a FxHashMap<Arc<Net>, Known>,
}

impl<'a> History<'a> {
    /// Whether the architecture was drawn before, also if it has no reward.
    pub fn has_drawn(&self, net: &Net) -> bool {
        self.known.contains_key(net)
    }

    /// The architectures with a reward above 0, each once, in the order of recording. One that was stopped at a rung has the
    /// score of that rung instead.
    pub fn scored(&self) -> impl DoubleEndedIterator<Item = (&'a Net, f64)> + use<'a> {
        self.scored_members().map(|member| (&*member.net, member.value))
    }

    /// As [`scored`](Self::scored), with what is kept beside.
    pub(crate) fn scored_members(&self) -> impl DoubleEndedIterator<Item = &'a Member> + use<'a> {
        self.members.iter().filter(|member| member.value > 0.0)
    }
}

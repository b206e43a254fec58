//! Options of the jobs: defaults, then a TOML file, then flags.
//!
//! Options form groups ([`DataOptions`], [`EncoderOptions`], …), which a [`Job`] combines. The macro of `group` makes
//! the values with their defaults and the flags of the command line.

mod continual;
mod embed;
mod group;
mod groups;
mod job;
mod score;
mod search;
mod space;
mod training;

pub use continual::{ContinualFlags, ContinualOptions, LearnFlags, LearnOptions};
pub use embed::{EmbedFlags, EmbedOptions, StoredFlags, StoredOptions};
pub use group::Setting;
pub use groups::{
    ClassifierFlags, ClassifierOptions, DataFlags, DataOptions, EncoderFlags, EncoderOptions, ResourceFlags,
    ResourceOptions,
};
pub use job::{Job, Run, options, options_of_run};
pub use score::{ChoiceFlags, ChoiceOptions, KeptFlags, KeptOptions, ScoreFlags, ScoreOptions};
pub use search::{
    ContinueFlags, ContinueOptions, Rung, SearchFlags, SearchOptions, StrategyName, WalkFlags, WalkOptions,
};
pub use space::SpaceChoice;
pub use training::{TrainingFlags, TrainingOptions};

//! The options of full training, which `search` and `score` share.

use super::group::option_group;

option_group! {
    /// Whether architectures are trained in full, and how.
    TrainingOptions, TrainingFlags, "Full training";

    /// Train encoder and classifier together, with batch normalisation: a search does so instead of scoring deep priors,
    /// `score` beside it. The options of the classifier then hold for both, and there is neither calibration nor a cache
    /// [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    full_training: bool = false;
    /// Learning rate by epoch: `constant`, `cosine`, or for example `step:30,0.1` (a tenth after every 30 epochs); only
    /// with --full-training [default: constant]
    #[arg(value_name = "SCHEDULE")]
    lr_schedule: String = "constant".to_owned();
}

//! The options of full training, which `search` and `score` share.

use super::group::option_group;

option_group! {
    /// Full training of architectures.
    TrainingOptions, TrainingFlags, "Full training";

    /// Train encoder and classifier together, with batch normalisation: `search` instead of scoring deep priors,
    /// `score` beside it. The options of the classifier hold for both. There is no calibration and no cache [default:
    /// false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    full_training: bool = false;
    /// Learning rate by epoch: `constant`, `cosine`, or for example `step:30,0.1` (a tenth after every 30 epochs); only
    /// with --full-training [default: constant]
    #[arg(value_name = "SCHEDULE")]
    lr_schedule: String = "constant".to_owned();
}

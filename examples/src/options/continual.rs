//! The options of continual learning.

use super::embed::rows_of_ensemble;
use super::group::option_group;
use super::job::{Job, Run, job};
use super::{
    ClassifierOptions, DataFlags, DataOptions, EncoderFlags, EncoderOptions, ResourceFlags, ResourceOptions,
    TrainingOptions,
};
use crate::bytes;
use crate::evaluation::{EvaluationOptions, threads};
use anyhow::{Context, Result, bail, ensure};
use dpnas::continual::{ClassOrder, ContinualJob, Method, MethodSettings, Steps};
use dpnas::search::Seed;
use std::sync::LazyLock;
use toml::Table;

option_group! {
    /// Streams, methods and their settings.
    LearnOptions, LearnFlags, "Learning";

    /// The architecture of the frozen encoder; with neither this nor --embedding a small one for the digits
    #[arg(value_name = "NET", allow_hyphen_values = true)]
    net: Option<String> = None;
    /// ensemble.json of the program `ensemble` or of `search --ensemble`, instead of --net: the rows of its members side by
    /// side; data set and encoder are those of its search
    #[arg(value_name = "FILE")]
    ensemble: Option<String> = None;
    /// Learn the rows of a stored embedding instead, without options of data, encoder and device
    #[arg(value_name = "DIR")]
    embedding: Option<String> = None;
    /// Methods, compared with the first: joint, joint-ridge, ridge, projected-ridge, lda, slda, ncm, replay,
    /// balanced-replay, pseudo-rehearsal, ewc, naive, pixels, randumb [default: joint, ridge, lda, slda, ncm, replay,
    /// naive, and of images pixels and randumb]
    #[arg(value_name = "NAME,…")]
    methods: Option<String> = None;
    /// Classes of the steps: `5x2`, `50+10x5`, `4,3,3`, or places in the class order as in `0,1|2|0,3`; or `data:10` and
    /// `iid:10` for parts of the rows as they are (the training rows, then those held out in a search) and shuffled
    /// [default: two classes a step]
    #[arg(value_name = "STEPS")]
    steps: Option<String> = None;
    /// Number of random class orders; or orders with `;` between them: `natural`, `pycil`, `seed:7`, labels such as
    /// `2,0,1`, or `file:PATH` with such labels [default: 3]
    #[arg(value_name = "N|ORDERS")]
    orders: String = "3".to_owned();
    /// Draws of the encoder's weights; draw 0 has the weights of a search with the same seed [default: 1]
    #[arg(value_name = "K")]
    draws: u32 = 1;
    /// Show each row once to the methods with Adam, except to joint training [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    online: bool = false;
    /// λ of the ridge methods: `gcv` (generalised cross-validation after each step), `first-task`, or a number
    /// [default: gcv]
    #[arg(value_name = "λ", allow_negative_numbers = true)]
    lambda: String = "gcv".to_owned();
    /// Sums of the closed-form methods: `exact` (integers of a fixed-point grid, the same bits in any order) or `f64`
    /// [default: exact]
    #[arg(value_name = "NAME")]
    sums: String = "exact".to_owned();
    /// Rows that the replay methods keep, or their size, such as 1MiB [default: 200]
    #[arg(value_name = "N|SIZE")]
    buffer: String = "200".to_owned();
    /// Features of the random projection [default: 2048]
    #[arg(value_name = "N")]
    projection: usize = 2048;
    /// Random Fourier features of RanDumb; 0 takes as many as the embedding has [default: 0]
    #[arg(value_name = "N")]
    randumb_features: usize = 0;
    /// Strength of elastic weight consolidation [default: 100]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    ewc_strength: f64 = 100.0;
    /// Epochs of Adam for each step [default: 20]
    #[arg(value_name = "N")]
    epochs: u32 = 20;
    /// Mini-batch of Adam [default: 128]
    #[arg(value_name = "N")]
    batch_size: usize = 128;
    /// Learning rate of Adam [default: 0.001]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    learning_rate: f64 = 1e-3;
    /// Go on from the statistics in this file; for ridge, lda and ncm
    #[arg(value_name = "FILE")]
    load_state: Option<String> = None;
    /// Save the statistics at the end to this new file; for ridge, lda and ncm
    #[arg(value_name = "FILE")]
    save_state: Option<String> = None;
}

job! {
    /// Every option of continual learning.
    ContinualOptions, ContinualFlags;

    /// What is learned and how.
    learning: LearnOptions, LearnFlags;
    /// The data set.
    data: DataOptions, DataFlags;
    /// The encoder.
    encoder: EncoderOptions, EncoderFlags;
    /// Device, memory and folders.
    resources: ResourceOptions, ResourceFlags;
}

/// A classifier belongs to each method, and nothing is trained in full.
static NO_CLASSIFIER: LazyLock<ClassifierOptions> = LazyLock::new(ClassifierOptions::default);
static NO_TRAINING: LazyLock<TrainingOptions> = LazyLock::new(TrainingOptions::default);

impl Job for ContinualOptions {
    type Flags = ContinualFlags;

    fn inherited(given: &Table) -> Result<Table> {
        rows_of_ensemble(given)
    }

    fn resolved(mut self) -> Result<Self> {
        self.resources = self.resources.resolved();
        // The settings hold what a file says, which may change.
        if self.learning.orders.contains("file:") {
            let orders = orders(&self.learning.orders, Seed(self.data.seed))?;
            self.learning.orders = orders.iter().map(ClassOrder::to_string).collect::<Vec<_>>().join(";");
        }
        Ok(self)
    }
}

impl Run for ContinualOptions {
    const PROGRAM: &str = "continual";
    const JOURNAL: &str = "continual.jsonl";

    fn evaluation(&self) -> EvaluationOptions<'_> {
        let Self { data, encoder, resources, .. } = self;
        EvaluationOptions { data, encoder, classifier: &NO_CLASSIFIER, training: &NO_TRAINING, resources }
    }

    fn data_mut(&mut self) -> &mut DataOptions {
        &mut self.data
    }

    fn to_toml(&self) -> Result<String> {
        self.text()
    }
}

/// The methods that are cheap and tell most.
const METHODS: [Method; 7] =
    [Method::Joint, Method::Ridge, Method::Lda, Method::Slda, Method::Ncm, Method::Replay, Method::Naive];

impl ContinualOptions {
    /// What is learned from rows of that many classes and features.
    ///
    /// # Errors
    /// If an option has a wrong value, by its name.
    pub fn job(&self, classes: u32, features: usize) -> Result<ContinualJob> {
        let (options, seed) = (&self.learning, Seed(self.data.seed));
        let mut settings = MethodSettings::new(seed);
        settings.lambda = options.lambda.parse().context("lambda")?;
        settings.exact = match options.sums.as_str() {
            "exact" => true,
            "f64" => false,
            other => bail!("sums: `{other}` is unknown; use exact or f64"),
        };
        settings.buffer = match options.buffer.parse::<usize>() {
            Ok(rows) => rows,
            Err(_) => (bytes::parse(&options.buffer).context("buffer")? / (4 * (features as u64 + 1))) as usize,
        };
        if settings.buffer == 0 {
            bail!("buffer: {} holds no row of {features} features; use at least 1 row", options.buffer);
        }
        settings.projection = options.projection;
        settings.fourier = options.randumb_features;
        settings.ewc_strength = options.ewc_strength as f32;
        settings.online = options.online;
        settings.probe.epochs = options.epochs;
        settings.probe.batch_size = options.batch_size;
        settings.probe.learning_rate = options.learning_rate as f32;
        settings.probe.early_stopping_threshold = 0.0;
        settings.probe.threads = threads(&self.resources);
        if options.batch_size > 1 << 20 {
            bail!("batch-size: {} rows; use at most {}", options.batch_size, 1 << 20);
        }
        settings.probe.check()?;
        let methods = self.methods()?;
        self.check_effect(&methods)?;
        let steps = match &options.steps {
            Some(steps) => steps.parse::<Steps>()?,
            None => Steps::Sizes((0..classes).step_by(2).map(|first| (classes - first).min(2) as usize).collect()),
        };
        // Rows in their order have no class order.
        let number = options.orders.parse::<u32>().is_ok_and(|orders| orders > 0);
        let orders = match steps {
            Steps::Data(_) if number => vec![ClassOrder::Natural],
            _ => orders(&options.orders, seed)?,
        };
        Ok(ContinualJob { methods, steps, orders, draws: options.draws, seed, block: 1024, settings })
    }

    /// Refuses options without effect.
    fn check_effect(&self, methods: &[Method]) -> Result<()> {
        let (given, default) = (&self.learning, LearnOptions::default());
        let any = |of: &[Method]| methods.iter().any(|method| of.contains(method));
        let ridge = any(&[Method::Ridge, Method::JointRidge, Method::ProjectedRidge, Method::Pixels]);
        let closed_form = ridge || any(&[Method::Lda, Method::Ncm, Method::Randumb]);
        let replay = any(&[Method::Replay, Method::BalancedReplay]);
        let adam = |method: &&Method| method.trains_with_adam();
        let stream = methods.iter().filter(adam).any(|method| !method.is_joint());
        let epochs = methods.iter().filter(adam).any(|method| method.is_joint() || !given.online);
        let adam = methods.iter().any(|method| adam(&method));
        let unused = [
            ("lambda", given.lambda != default.lambda && !ridge, "a ridge method"),
            ("sums", given.sums != default.sums && !closed_form, "a closed-form method"),
            ("buffer", given.buffer != default.buffer && !replay, "a replay method"),
            (
                "projection",
                given.projection != default.projection && !any(&[Method::ProjectedRidge]),
                "projected-ridge",
            ),
            ("randumb-features", given.randumb_features != 0 && !any(&[Method::Randumb]), "randumb"),
            ("ewc-strength", given.ewc_strength != default.ewc_strength && !any(&[Method::Ewc]), "ewc"),
            ("online", given.online && !stream, "a method with Adam beside joint"),
            ("epochs", given.epochs != default.epochs && !epochs, "a method that sees rows several times"),
            ("batch-size", given.batch_size != default.batch_size && !adam, "a method with Adam"),
            ("learning-rate", given.learning_rate != default.learning_rate && !adam, "a method with Adam"),
        ];
        if let Some((option, _, method)) = unused.into_iter().find(|(_, unused, _)| *unused) {
            bail!("{option}: it has no effect without {method}; add one to --methods, or leave it out");
        }
        if given.embedding.is_some() {
            let DataOptions { seed, data_dir, .. } = self.data.clone();
            let data = DataOptions { seed, data_dir, ..DataOptions::default() };
            let ResourceOptions { device, precision, .. } = ResourceOptions::default();
            let same = self.data == data
                && self.encoder == EncoderOptions::default()
                && (&self.resources.device, &self.resources.precision) == (&device, &precision);
            ensure!(
                same && given.net.is_none(),
                "embedding: its rows are stored already; leave out --net and the options of data, encoder and device"
            );
        }
        Ok(())
    }

    fn methods(&self) -> Result<Vec<Method>> {
        let Some(names) = &self.learning.methods else {
            let pixels: &[Method] = match self.learning.embedding {
                Some(_) => &[],
                None => &[Method::Pixels, Method::Randumb],
            };
            return Ok([&METHODS, pixels].concat());
        };
        names.split(',').map(|name| name.trim().parse().context("methods")).collect()
    }
}

/// Most class orders.
const MOST_ORDERS: u32 = 10_000;

/// The class orders that a text names.
fn orders(text: &str, seed: Seed) -> Result<Vec<ClassOrder>> {
    if let Ok(count) = text.parse::<u32>() {
        ensure!(count <= MOST_ORDERS, "orders: {count} class orders; use at most {MOST_ORDERS}");
        return Ok((0..count).map(|order| ClassOrder::Seeded(seed.derive("class order", u64::from(order)))).collect());
    }
    let order = |text: &str| match text.trim().strip_prefix("file:") {
        None => text.trim().parse().context("orders"),
        Some(path) => {
            let labels = std::fs::read_to_string(path).with_context(|| format!("orders: cannot read {path}"))?;
            let labels: Vec<&str> =
                labels.split([' ', ',', '\n', '\r', '\t']).filter(|label| !label.is_empty()).collect();
            labels.join(",").parse().with_context(|| format!("orders: {path}"))
        }
    };
    text.split(';').map(order).collect()
}

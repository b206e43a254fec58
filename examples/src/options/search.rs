//! The options of a search.

use super::group::{Setting, Unset, option_group};
use super::job::{Job, job, run};
use super::{
    ClassifierFlags, ClassifierOptions, DataFlags, DataOptions, EncoderFlags, EncoderOptions, ResourceFlags,
    ResourceOptions, SpaceChoice, TrainingFlags, TrainingOptions,
};
use anyhow::{Context, Result, bail, ensure};
use dpnas::Head;
use dpnas::search::{Phase, Schedule};
use std::time::Duration;

option_group! {
    /// State space, schedule and learner.
    WalkOptions, WalkFlags, "Search";

    /// What draws an architecture where chance does not: `q-learning` (ε-greedy at each step, as published), `evolution`
    /// (children of the best by small edits), `predictor` (of many children the one with the largest predicted reward), or
    /// `random` [default: predictor, but q-learning with --schedule, --continue-search, --full-training or an option of its own]
    #[arg(value_name = "NAME")]
    strategy: String = "auto".to_owned();
    /// Number of architectures; a schedule for the strategy follows from it
    #[arg(value_name = "N")]
    budget: Option<u32> = None;
    /// End after this time, for example 45m or 2h; that before a resume counts. The evaluation in progress is finished.
    /// q-learning needs --budget or --schedule, too
    #[arg(value_name = "TIME")]
    time: Option<String> = None;
    /// Number of architectures for each ε: `paper` (2,403), `small` (48), or for example 1.0:150,0.5:50,0.0:3
    /// [default: that of --budget 48]
    #[arg(value_name = "SCHEDULE")]
    schedule: Option<String> = None;
    /// Cheaper evaluations that an architecture passes before the one that gives its reward; the best quarter goes on. For
    /// example 500:ridge,2000:adam (training images and head), `auto`, or `off`. q-learning has none [default: off]
    #[arg(value_name = "RUNGS")]
    rungs: String = "off".to_owned();
    /// At the end, choose this many of the best architectures that together are one prior, as the program `ensemble` does
    /// [default: 0]
    #[arg(value_name = "N")]
    ensemble: usize = 0;
    /// Step size α of a Q-value update [default: 0.1]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    q_learning_rate: f64 = 0.1;
    /// Weight γ of later rewards [default: 1]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    q_discount_factor: f64 = 1.0;
    /// Initial Q-value of an action [default: 0.15]
    #[arg(value_name = "X", allow_negative_numbers = true)]
    initial_q: f64 = 0.15;
    /// Q-value updates after each architecture [default: 50]
    #[arg(value_name = "N")]
    replay_number: u32 = 50;
    /// Smallest depth, instead of the space's
    #[arg(value_name = "DEPTH")]
    min_conv: Option<u32> = None;
    /// Largest depth, instead of the space's
    #[arg(value_name = "DEPTH")]
    max_conv: Option<u32> = None;
    /// Largest number of fully connected layers before the classifier, instead of the space's
    #[arg(value_name = "N")]
    max_fc: Option<u32> = None;
    /// State space: `paper`, `reference-code`, `small`, or a TOML file [default: small]
    #[arg(value_name = "NAME|FILE")]
    space: SpaceChoice = SpaceChoice::Named("small".to_owned());
}

option_group! {
    /// The earlier run that a search continues, from its two CSV files.
    ContinueOptions, ContinueFlags, "Continue an earlier run, also of the published program";

    /// Continue from the two CSV files of an earlier run; requires the four options below [default: false]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    continue_search: bool = false;
    /// Its Q-values
    #[arg(value_name = "CSV")]
    q_values_csv_path: Option<String> = None;
    /// Its replay buffer
    #[arg(value_name = "CSV")]
    replay_buffer_csv_path: Option<String> = None;
    /// The ε of the schedule at which it stopped
    #[arg(value_name = "EPSILON", allow_negative_numbers = true)]
    continue_epsilon: Option<f64> = None;
    /// Number of counted architectures at that ε
    #[arg(value_name = "N")]
    continue_ite: Option<u32> = None;
}

impl Setting for SpaceChoice {
    type Flag = String;
}

impl Unset for SpaceChoice {}

job! {
    /// Every option of a search.
    SearchOptions, SearchFlags;

    /// The data set.
    data: DataOptions, DataFlags;
    /// The encoder.
    encoder: EncoderOptions, EncoderFlags;
    /// The classifier.
    classifier: ClassifierOptions, ClassifierFlags;
    /// Full training.
    training: TrainingOptions, TrainingFlags;
    /// Device, memory and folders.
    resources: ResourceOptions, ResourceFlags;
    /// The run that is continued.
    earlier: ContinueOptions, ContinueFlags;
    /// The search itself; its space is a table, which ends a TOML file.
    search: WalkOptions, WalkFlags;
}

run!(SearchOptions, "search", "journal.jsonl");

/// The strategy of a search that says nothing else: what found most in the study of `docs/science.md`.
const DEFAULT_STRATEGY: &str = "predictor";

/// Architectures of a search that says nothing else: those of the schedule `small`.
const DEFAULT_BUDGET: u32 = 48;

/// Architectures of a search that only time ends.
const UNLIMITED: u32 = 1_000_000;

/// Most random architectures at the beginning of an evolution.
const MOST_RANDOM: u32 = 30;

/// What draws an architecture where chance does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrategyName {
    /// ε-greedy walks by Q-values.
    QLearning,
    /// Regularised evolution.
    Evolution,
    /// Evolution with a surrogate.
    Predictor,
    /// Chance alone.
    Random,
}

impl StrategyName {
    /// The ε of that many architectures.
    ///
    /// # Errors
    /// If there are none.
    pub fn schedule(self, budget: u32) -> Result<Schedule> {
        let phases = match self {
            Self::QLearning => return Ok(Schedule::small().of_total(budget)?),
            Self::Random => vec![(1.0, budget)],
            Self::Evolution | Self::Predictor => {
                let random = (budget / 3).clamp(1, MOST_RANDOM).min(budget);
                vec![(1.0, random), (0.0, budget - random)]
            }
        };
        let phases = phases.into_iter().map(|(epsilon, architectures)| Phase { epsilon, architectures });
        Schedule::new(phases.filter(|phase| phase.architectures > 0).collect()).context("budget")
    }
}

impl WalkOptions {
    /// The time of the run, if it is limited.
    ///
    /// # Errors
    /// If it is 0 or no time.
    pub fn time(&self) -> Result<Option<Duration>> {
        let Some(text) = &self.time else { return Ok(None) };
        let time =
            humantime::parse_duration(text).with_context(|| format!("time: `{text}`; use for example 45m or 2h"))?;
        ensure!(!time.is_zero(), "time: without any there is no search; use for example 45m or 2h");
        Ok(Some(time))
    }

    /// The strategy.
    ///
    /// # Errors
    /// If its name is unknown, or options of the Q-learner are given to another strategy.
    pub fn strategy(&self) -> Result<StrategyName> {
        let strategy = match self.strategy.as_str() {
            "q-learning" => return Ok(StrategyName::QLearning),
            "evolution" => StrategyName::Evolution,
            "predictor" => StrategyName::Predictor,
            "random" => StrategyName::Random,
            other => bail!("strategy: `{other}` is unknown; use q-learning, evolution, predictor or random"),
        };
        match self.option_of_q_learning() {
            Some(option) => bail!("{option}: it belongs to --strategy q-learning; leave it out"),
            None => Ok(strategy),
        }
    }

    /// The first option of the Q-learner that is given.
    fn option_of_q_learning(&self) -> Option<&'static str> {
        let default = Self::default();
        let given = [
            ("q-learning-rate", self.q_learning_rate != default.q_learning_rate),
            ("q-discount-factor", self.q_discount_factor != default.q_discount_factor),
            ("initial-q", self.initial_q != default.initial_q),
            ("replay-number", self.replay_number != default.replay_number),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
    }
}

/// Most training images for which `--head auto` is a ridge regression. Its reward has less noise; its time grows with their
/// cube.
const MOST_OF_RIDGE: usize = 5_000;

/// A cheaper evaluation before the one that gives the reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Training images.
    pub images: usize,
    /// The classifier.
    pub head: Head,
}

/// The rungs of `auto`: an eighth of the images, at most 2,000, and five times as many for as long as that is at most a
/// quarter.
fn automatic_rungs(training_images: usize, linear_layers: bool) -> Vec<Rung> {
    let first = (training_images / 8).min(2000);
    let sizes = std::iter::successors(Some(first), |images| images.checked_mul(5));
    let sizes = sizes.take_while(|images| *images >= FEWEST_OF_RUNG && *images <= training_images / 4);
    let head = |images| if images <= MOST_OF_RIDGE && !linear_layers { Head::Ridge } else { Head::Adam };
    sizes.map(|images| Rung { images, head: head(images) }).collect()
}

/// Fewest training images of a rung of `auto`.
const FEWEST_OF_RUNG: usize = 200;

impl SearchOptions {
    /// The rungs below the evaluation on all images, after [`choose_auto`](Self::choose_auto).
    ///
    /// # Errors
    /// If the text is no list of rungs, or the search cannot have these.
    pub fn rungs(&self, training_images: usize) -> Result<Vec<Rung>> {
        let linear_layers = self.has_linear_layers();
        let rungs: Vec<Rung> = match self.search.rungs.as_str() {
            "off" => return Ok(Vec::new()),
            list => list.split(',').map(parse_rung).collect::<Result<_>>()?,
        };
        let sizes = rungs.iter().map(|rung| rung.images).chain([training_images]).collect::<Vec<_>>();
        if let Some(pair) = sizes.windows(2).find(|pair| pair[0] >= pair[1]) {
            bail!(
                "rungs: {} training images before {}; give each rung more than the one before, and fewer than all",
                pair[0],
                pair[1]
            );
        }
        ensure!(
            !linear_layers || rungs.iter().all(|rung| rung.head == Head::Adam),
            "rungs: a ridge regression trains no fully connected layers; use for example 500:adam, or --max-fc 0"
        );
        Ok(rungs)
    }

    /// Spells out the head and the rungs `auto`, once the number of training images is known.
    pub fn choose_auto(&mut self, training_images: usize) {
        self.choose_head(training_images);
        if self.search.rungs == "auto" {
            let rungs = automatic_rungs(training_images, self.has_linear_layers());
            let rungs: Vec<String> = rungs.iter().map(|rung| format!("{}:{}", rung.images, rung.head)).collect();
            self.search.rungs = if rungs.is_empty() { "off".to_owned() } else { rungs.join(",") };
        }
    }

    fn has_linear_layers(&self) -> bool {
        matches!(&self.search.space, SpaceChoice::Explicit(space) if space.max_fc > 0)
    }

    fn choose_head(&mut self, training_images: usize) {
        let no_layers = !self.has_linear_layers();
        let Self { classifier, training, earlier, search, .. } = self;
        let as_published = search.schedule.as_deref().is_some_and(|text| text.parse() == Ok(Schedule::paper()));
        let is_small = training_images <= MOST_OF_RIDGE && no_layers && !as_published;
        if *classifier == ClassifierOptions::default() {
            let ridge = is_small && !training.full_training && !earlier.continue_search;
            classifier.head = if ridge { Head::Ridge } else { Head::Adam }.to_string();
        } else if classifier.head().is_ok_and(|head| head == Head::Adam) {
            classifier.head = Head::Adam.to_string();
        }
    }
}

impl SearchOptions {
    /// A last rung `all:adam` is the evaluation of the reward: its head is an option of its own.
    fn take_last_rung(&mut self) -> Result<()> {
        let (rungs, last) = self.search.rungs.rsplit_once(',').unwrap_or(("off", &self.search.rungs));
        let head = match last.trim().split_once(':') {
            Some(("all", head)) => head.parse::<Head>().context("rungs")?.to_string(),
            None if last.trim() == "all" => self.classifier.head.clone(),
            _ => return Ok(()),
        };
        ensure!(
            self.classifier.head == head || self.classifier.head == ClassifierOptions::default().head,
            "rungs: the last one has the head {head}, but --head is {}; leave one of them out",
            self.classifier.head
        );
        self.classifier.head = head;
        self.search.rungs = rungs.to_owned();
        Ok(())
    }
}

/// Reads `500:ridge`.
fn parse_rung(text: &str) -> Result<Rung> {
    let (images, head) = text.trim().split_once(':').unwrap_or((text.trim(), "ridge"));
    let images = images.parse().ok().filter(|images| *images > 1);
    let images =
        images.with_context(|| format!("rungs: `{text}`; use for example 500:ridge,2000:adam, auto, or off"))?;
    Ok(Rung { images, head: head.parse().context("rungs")? })
}

impl Job for SearchOptions {
    type Flags = SearchFlags;

    /// The early-stopping threshold was the initial Q-value until that had an option, the head was Adam, and Q-learning the
    /// only strategy.
    fn upgrade(settings: &mut toml::Table) {
        settings.entry("head").or_insert("adam".into());
        settings.entry("strategy").or_insert("q-learning".into());
        if let Some(threshold) = settings.get("early-stopping-thresh").cloned() {
            settings.entry("initial-q").or_insert(threshold);
        }
    }

    fn resolved(mut self) -> Result<Self> {
        self.take_last_rung()?;
        let walk = &mut self.search;
        let mut space = walk.space.settings()?;
        space.min_depth = walk.min_conv.take().unwrap_or(space.min_depth);
        space.max_depth = walk.max_conv.take().unwrap_or(space.max_depth);
        space.max_fc = walk.max_fc.take().unwrap_or(space.max_fc);
        walk.space = SpaceChoice::Explicit(space);
        walk.time()?;
        if walk.strategy == "auto" {
            let continued = self.earlier != ContinueOptions::default();
            let published = walk.schedule.is_some() || walk.option_of_q_learning().is_some();
            let published = published || continued || self.training.full_training;
            walk.strategy = if published { "q-learning" } else { DEFAULT_STRATEGY }.to_owned();
        }
        if walk.rungs != "off" {
            let full_training = self.training.full_training;
            ensure!(!full_training, "rungs: full training has none; leave --rungs or --full-training out");
            ensure!(
                walk.strategy()? != StrategyName::QLearning,
                "rungs: q-learning learns from rewards alone; choose another --strategy, or leave --rungs out"
            );
        }
        let (budget, schedule) = (walk.budget.take(), walk.schedule.take());
        walk.schedule = Some(match (schedule, budget) {
            (Some(_), Some(_)) => bail!("budget: the schedule says how many architectures; leave one of them out"),
            (None, Some(0)) => bail!("budget: 0 architectures are no search; use at least 1"),
            (Some(schedule), None) => schedule,
            (None, None) if walk.time.is_some() => {
                let strategy = walk.strategy()?;
                ensure!(
                    strategy != StrategyName::QLearning,
                    "time: the ε of q-learning depends on the number of architectures; add --budget or --schedule"
                );
                strategy.schedule(UNLIMITED)?.to_string()
            }
            (None, budget) => walk.strategy()?.schedule(budget.unwrap_or(DEFAULT_BUDGET))?.to_string(),
        });
        self.resources = self.resources.resolved();
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Rung, automatic_rungs};
    use crate::options::{self, Job, SearchFlags, SearchOptions};
    use dpnas::{Head, RunFolder};

    #[test]
    fn rungs_are_read_and_wrong_ones_are_named() {
        let rungs = |rungs: &str, change: &dyn Fn(&mut SearchOptions)| {
            let mut options = SearchOptions::default();
            options.search.rungs = rungs.to_owned();
            change(&mut options);
            let mut options = options.resolved()?;
            options.choose_auto(4000);
            options.rungs(4000)
        };
        let ridge = |images| Rung { images, head: Head::Ridge };
        assert_eq!(rungs("off", &|_| ()).unwrap(), []);
        assert_eq!(rungs("auto", &|_| ()).unwrap(), [ridge(500)]);
        let adam = Rung { images: 2000, head: Head::Adam };
        assert_eq!(rungs("300, 900:ridge,2000:adam", &|_| ()).unwrap(), [ridge(300), ridge(900), adam]);
        assert_eq!(rungs("300,all", &|_| ()).unwrap(), [ridge(300)]);
        assert_eq!(rungs("all:adam", &|_| ()).unwrap(), []);
        let mut last = SearchOptions::default();
        last.search.rungs = "300,all:adam".to_owned();
        let last = last.resolved().unwrap();
        assert_eq!((last.classifier.head.as_str(), last.search.rungs.as_str()), ("adam", "300"));
        let mut other = SearchOptions::default();
        (other.search.rungs, other.classifier.head) = ("300,all:adam".to_owned(), "ridge".to_owned());
        let message = other.resolved().unwrap_err().to_string();
        assert!(message.contains("the last one has the head adam, but --head is ridge"), "{message}");
        let with_layers = |options: &mut SearchOptions| options.search.max_fc = Some(1);
        assert_eq!(rungs("auto", &with_layers).unwrap(), [Rung { images: 500, head: Head::Adam }]);
        for (text, change, expected) in [
            ("500:lda", (&|_: &mut SearchOptions| ()) as &dyn Fn(&mut SearchOptions), "rungs"),
            ("some", &|_| (), "rungs: `some`; use for example"),
            ("all,500", &|_| (), "rungs: `all`; use for example"),
            ("0", &|_| (), "rungs: `0`; use"),
            ("", &|_| (), "rungs: ``; use"),
            ("500,500", &|_| (), "rungs: 500 training images before 500; give each rung more"),
            ("4000", &|_| (), "rungs: 4000 training images before 4000"),
            ("500", &|options| options.search.strategy = "q-learning".into(), "rungs: q-learning learns"),
            ("500", &|options| options.training.full_training = true, "rungs: full training has none"),
            ("auto", &|options| options.search.strategy = "q-learning".into(), "rungs: q-learning learns"),
            ("500", &with_layers, "rungs: a ridge regression trains no fully"),
        ] {
            let message = rungs(text, change).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{text}: {message}");
        }
    }

    #[test]
    fn automatic_rungs_grow_and_leave_small_sets_alone() {
        let images = |all| automatic_rungs(all, false).iter().map(|rung| rung.images).collect::<Vec<_>>();
        assert!(images(1_442).is_empty());
        assert_eq!(images(10_000), [1_250]);
        assert_eq!(images(60_000), [2_000, 10_000]);
        assert_eq!(automatic_rungs(60_000, false)[1].head, Head::Adam);
    }

    #[test]
    fn the_head_of_a_small_search_is_a_ridge_regression_and_otherwise_the_published_one() {
        let chosen = |text: &str, images: usize| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("options.toml");
            std::fs::write(&path, text).unwrap();
            let mut search: SearchOptions = options::options(&SearchFlags::default(), Some(&path)).unwrap();
            search.choose_auto(images);
            search.classifier.head
        };
        assert_eq!(chosen("", 5_000), "ridge");
        assert_eq!(chosen("space = \"paper\"", 5_000), "ridge");
        assert_eq!(chosen("", 5_001), "adam");
        for other in [
            "schedule = \"paper\"",
            "epochs = 20",
            "weight-decay = 0.1",
            "max-fc = 1",
            "full-training = true",
            "continue-search = true",
            "head = \"adam\"",
            "version = \"0.1.0\"",
        ] {
            assert_eq!(chosen(other, 1_000), "adam", "{other}");
        }
        assert_eq!(chosen("head = \"ridge\"\nepochs = 20", 10_000), "ridge");
    }

    #[test]
    fn the_strategy_is_the_published_one_where_something_published_is_asked_for() {
        let strategy = |change: &dyn Fn(&mut SearchOptions)| {
            let mut options = SearchOptions::default();
            change(&mut options);
            options.resolved().unwrap().search.strategy
        };
        assert_eq!(strategy(&|_| ()), "predictor");
        assert_eq!(strategy(&|options| options.search.time = Some("1h".to_owned())), "predictor");
        assert_eq!(strategy(&|options| options.search.budget = Some(9)), "predictor");
        assert_eq!(strategy(&|options| options.search.schedule = Some("small".to_owned())), "q-learning");
        assert_eq!(strategy(&|options| options.search.replay_number = 7), "q-learning");
        assert_eq!(strategy(&|options| options.earlier.continue_search = true), "q-learning");
        assert_eq!(strategy(&|options| options.training.full_training = true), "q-learning");
    }

    #[test]
    fn settings_without_an_initial_q_have_the_threshold_that_the_run_began_with() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("journal.jsonl"), "").unwrap();
        let read = |text: &str| -> [f64; 2] {
            let path = folder.path().join("settings.toml");
            std::fs::write(&path, text).unwrap();
            let run = RunFolder::open(folder.path()).unwrap();
            let resumed: SearchOptions = options::options_of_run(&SearchFlags::default(), &run).unwrap();
            let repeated: SearchOptions = options::options(&SearchFlags::default(), Some(&path)).unwrap();
            [resumed.search.initial_q, repeated.search.initial_q]
        };
        assert_eq!(read("version = \"0.1.0\"\nearly-stopping-thresh = 0.3\n"), [0.3, 0.3]);
        assert_eq!(read("version = \"0.1.0\"\nearly-stopping-thresh = 0.3\ninitial-q = 0.2\n"), [0.2, 0.2]);
        // Without a version it is a file of the user's.
        assert_eq!(read("early-stopping-thresh = 0.3\n"), [0.15, 0.15]);
    }
}

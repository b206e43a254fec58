//! From defaults, a file and flags to the options of a job.

use super::{DataOptions, ResourceOptions};
use crate::evaluation::EvaluationOptions;
use crate::warnings;
use anyhow::{Context, Result, anyhow, bail};
use dpnas::RunFolder;
use dpnas::data::Source;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::{self, Path};
use toml::Table;

/// Every option of a job, with a value. Its TOML form is a run's `settings.toml`, and a `--config` file.
pub trait Job: Clone + Default + Serialize + DeserializeOwned {
    /// The flags of the command line.
    type Flags: clap::Args + Serialize;

    /// The options with everything spelled out that depends on a preset or on another option.
    ///
    /// # Errors
    /// If a preset or file that an option names is not there.
    fn resolved(self) -> Result<Self>;

    /// Adds to the settings of an earlier version's run the keys that it lacks.
    fn upgrade(_settings: &mut Table) {}

    /// Values that an earlier run supplies where neither file nor flags give one.
    ///
    /// # Errors
    /// If the earlier run cannot be read.
    fn inherited(_given: &Table) -> Result<Table> {
        Ok(Table::new())
    }
}

/// A job that leaves a run folder and can be resumed.
pub trait Run: Job {
    /// The program's name.
    const PROGRAM: &str;

    /// The journal's name in the run folder.
    const JOURNAL: &str;

    /// The options that decide how an architecture is scored.
    fn evaluation(&self) -> EvaluationOptions<'_>;

    /// The options of the data set.
    fn data_mut(&mut self) -> &mut DataOptions;

    /// The text of `settings.toml`.
    ///
    /// # Errors
    /// If a value cannot be written as TOML.
    fn to_toml(&self) -> Result<String>;
}

/// Options that name a file or folder. Settings hold absolute paths, so that a run is resumed from any folder.
const PATHS: [&str; 11] = [
    "ensemble",
    "data-dir",
    "runs",
    "cache",
    "q-values-csv-path",
    "replay-buffer-csv-path",
    "replay-buffer",
    "store-embedding",
    "embedding",
    "load-state",
    "save-state",
];

/// Options of earlier versions. No result depended on them, so a file may still have them.
const RETIRED: [&str; 2] = ["prefix-budget", "prefix-worth"];

/// Makes a job of groups of options.
macro_rules! job {
    (
        $(#[doc = $about:literal])*
        $options:ident, $flags:ident;
        $( $(#[doc = $help:literal])* $group:ident: $group_options:ty, $group_flags:ty; )*
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct $options {
            /// The version that wrote the file; free in a `--config` file.
            pub version: String,
            $(
                $(#[doc = $help])*
                #[serde(flatten)]
                pub $group: $group_options,
            )*
        }

        impl Default for $options {
            fn default() -> Self {
                Self { version: env!("CARGO_PKG_VERSION").to_owned(), $($group: Default::default()),* }
            }
        }

        impl $options {
            /// The text of a settings file, group by group.
            pub fn text(&self) -> anyhow::Result<String> {
                let mut text = format!("version = \"{}\"\n", self.version);
                $(
                    text.push_str(concat!("\n# ", stringify!($group), "\n"));
                    text.push_str(&toml::to_string(&self.$group)?);
                )*
                Ok(text)
            }
        }

        #[doc = concat!("The flags of [`", stringify!($options), "`].")]
        #[derive(clap::Args, Clone, Debug, Default, serde::Serialize)]
        pub struct $flags {
            $(
                #[command(flatten)]
                #[serde(flatten)]
                $group: $group_flags,
            )*
        }
    };
}

pub(crate) use job;

/// Makes a job with the groups of an evaluation one that leaves a run folder.
macro_rules! run {
    ($options:ident, $program:literal, $journal:literal) => {
        impl crate::options::Run for $options {
            const PROGRAM: &str = $program;
            const JOURNAL: &str = $journal;

            fn evaluation(&self) -> crate::evaluation::EvaluationOptions<'_> {
                let Self { data, encoder, classifier, training, resources, .. } = self;
                crate::evaluation::EvaluationOptions { data, encoder, classifier, training, resources }
            }

            fn data_mut(&mut self) -> &mut crate::options::DataOptions {
                &mut self.data
            }

            fn to_toml(&self) -> anyhow::Result<String> {
                self.text()
            }
        }
    };
}

pub(crate) use run;

/// Defaults, then an earlier run's values, then the file, then the flags.
///
/// # Errors
/// An unknown key or a wrong type in the file, by name.
pub fn options<J: Job>(flags: &J::Flags, config: Option<&Path>) -> Result<J> {
    let mut given = config.map(read_table::<J>).transpose()?.unwrap_or_default();
    given.extend(table(flags)?);
    given.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    let options = with::<J>([J::inherited(&given)?, given]);
    match config {
        Some(path) => options.with_context(|| path.display().to_string())?.resolved(),
        None => options?.resolved(),
    }
}

/// The options of an earlier run, with flags that change no result.
///
/// # Errors
/// If a flag would change a result, or the run's settings cannot be read.
pub fn options_of_run<J: Job>(flags: &J::Flags, folder: &RunFolder) -> Result<J> {
    let mut flags = table(flags)?;
    if let Some(flag) = flags.keys().find(|flag| !ResourceOptions::RESUMABLE.contains(&flag.as_str())) {
        let known = known_keys::<J>();
        let allowed = ResourceOptions::RESUMABLE.iter().filter(|name| known.iter().any(|key| key == *name));
        let allowed: Vec<String> = allowed.map(|name| format!("--{name}")).collect();
        bail!(
            "--{flag} cannot change while a run is resumed: its settings.toml decides. Only {} may",
            allowed.join(", ")
        );
    }
    // The folder may have moved: what is written beside it follows.
    if let Some(runs) = path::absolute(folder.path())?.parent().and_then(Path::to_str) {
        flags.insert("runs".to_owned(), runs.into());
    }
    let path = folder.file("settings.toml");
    with::<J>([read_table::<J>(&path)?, flags]).with_context(|| path.display().to_string())
}

/// The flags that were given.
fn table(flags: &impl Serialize) -> Result<Table> {
    Table::try_from(flags).with_context(|| format!("a number is above {}, the largest of a settings file", i64::MAX))
}

/// The defaults with the values of tables in their place, the later ones first in effect.
fn with<J: Job>(tables: impl IntoIterator<Item = Table>) -> Result<J> {
    let defaults = Table::try_from(J::default())?;
    let mut all = defaults.clone();
    let mut given = Table::new();
    tables.into_iter().for_each(|table| given.extend(table));
    all.extend(given.clone());
    make_absolute(&mut all)?;
    all.try_into().map_err(|error: toml::de::Error| {
        // Which value is wrong? The one with which the defaults do not go either.
        let wrong = given.into_iter().find_map(|(key, value)| {
            let mut table = defaults.clone();
            table.insert(key.clone(), value);
            table.try_into::<J>().err().map(|error| anyhow!("{key}: {}", error.message()))
        });
        wrong.unwrap_or_else(|| anyhow!("{}", error.message()))
    })
}

/// Spells out relative paths.
fn make_absolute(table: &mut Table) -> Result<()> {
    for (key, value) in table.iter_mut() {
        let is_path = match (key.as_str(), value.as_str()) {
            ("cache", Some("off")) => false,
            ("dataset", Some(name)) => matches!(name.parse(), Ok(Source::Path(_))),
            (key, Some(_)) => PATHS.contains(&key),
            _ => false,
        };
        if is_path && let Some(text) = value.as_str() {
            let absolute = path::absolute(text).with_context(|| format!("{key}: `{text}` is no path"))?;
            let absolute = absolute.to_str().with_context(|| format!("{key}: {} is no UTF-8", absolute.display()))?;
            *value = absolute.into();
        }
    }
    Ok(())
}

/// Keys are checked by name first: a typing error gets the nearest known key, a retired key a warning.
pub(crate) fn read_table<J: Job>(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut table: Table = text.parse().with_context(|| format!("{} is no TOML file", path.display()))?;
    let retired: Vec<&str> = RETIRED.into_iter().filter(|key| table.remove(*key).is_some()).collect();
    if !retired.is_empty() {
        let path = path.display();
        warnings::show(&format!("warning: {path}: this version has no option {}: ignored", retired.join(" and ")));
    }
    let known = known_keys::<J>();
    if let Some(key) = table.keys().find(|key| !known.contains(key)) {
        let nearest = known.iter().max_by(|a, b| strsim::jaro(a, key).total_cmp(&strsim::jaro(b, key)));
        let nearest = nearest.map(String::as_str).unwrap_or_default();
        bail!("{}: unknown key `{key}`; the nearest known one is `{nearest}`", path.display());
    }
    if table.contains_key("version") {
        // A limit took the first images until the order had an option.
        if table.contains_key("limit-train") {
            table.entry("limit-order").or_insert("first".into());
        }
        J::upgrade(&mut table);
    }
    Ok(table)
}

fn known_keys<J: Job>() -> Vec<String> {
    let flags = <J::Flags as clap::Args>::augment_args(clap::Command::new("options"));
    let names = flags.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned));
    names.chain(["version".to_owned()]).collect()
}

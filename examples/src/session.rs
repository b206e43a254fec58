//! The frame of a `search` or `score`: options, data set, run folder, and what to do after an error.

use crate::data;
use crate::interrupt::{note_in, stop_on_signals};
use crate::options::{self, ResourceOptions, Run};
use crate::progress::eprintln;
use anyhow::{Context, Error, Result, anyhow};
use dpnas::RunFolder;
use dpnas::data::DataSet;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flags of every program that leaves a run folder.
#[derive(clap::Args)]
#[command(next_help_heading = "Run")]
pub struct RunFlags {
    /// Options from a TOML file, for example a run's settings.toml; flags win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Resume an earlier run from its folder
    #[arg(long, value_name = "RUN", conflicts_with = "config")]
    pub resume: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// A new or resumed run before its folder is used.
pub struct Session<R> {
    /// The options, those of the earlier run if one is resumed.
    pub options: R,
    /// The folder of the run that is resumed.
    pub resumed: Option<RunFolder>,
    /// Set by a signal that asks the program to end.
    pub stop: Arc<AtomicBool>,
}

impl<R: Run> Session<R> {
    /// Reads the options, starts the threads and listens to signals.
    ///
    /// # Errors
    /// If an option is wrong, or the folder is not one of this program's runs.
    pub fn open(flags: &R::Flags, run: &RunFlags) -> Result<Self> {
        let resumed = run.resume.as_deref().map(|path| RunFolder::open_with(path, R::JOURNAL)).transpose()?;
        let options: R = match &resumed {
            Some(folder) => options::options_of_run(flags, folder)?,
            None => options::options(flags, run.config.as_deref())?,
        };
        options.evaluation().check()?;
        use_threads(options.evaluation().resources)?;
        let stop = stop_on_signals("ending; everything recorded is kept. A second signal ends at once")?;
        Ok(Self { options, resumed, stop })
    }

    /// Loads the data set, and sets the size of its images in the options.
    ///
    /// # Errors
    /// If the data set cannot be read.
    pub fn load_data(&mut self) -> Result<DataSet> {
        let data = data::load(self.options.evaluation().data, &self.stop);
        let data = data.map_err(|error| match self.resumed.is_some() && self.flow().is_continue() {
            true => anyhow!("{error:#}\nif the data set has moved, give its new place with --dataset or --data-dir"),
            false => error,
        })?;
        self.options.data_mut().patch_size = Some(data.train.shape().height);
        Ok(data)
    }

    /// The folder of the run, made now if the run is new, and one line about the run on standard error.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn folder(&self, data: &DataSet, size: &str) -> Result<RunFolder> {
        let (train, test, shape) = (data.train.len(), data.test.len(), data.train.shape());
        self.folder_of(&format!("{}: {train} training and {test} test images of {shape}, {size}", data.name))
    }

    /// As [`folder`](Self::folder), with a description of the data.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn folder_of(&self, data: &str) -> Result<RunFolder> {
        let resources = self.options.evaluation().resources;
        let folder = match &self.resumed {
            Some(folder) => folder.clone(),
            None => RunFolder::create(resources.runs.as_ref(), R::PROGRAM, &self.options.to_toml()?)?,
        };
        note_in(&folder, resume_command::<R>(&folder));
        eprintln(&format!("{data}; device {}; run {}", resources.device, folder.path().display()));
        Ok(folder)
    }

    /// Breaks a loop after a signal.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The log of a run, appended to by each sitting.
///
/// # Errors
/// If it cannot be opened.
pub fn log(folder: &RunFolder) -> Result<File> {
    File::options().create(true).append(true).open(folder.file("log.txt")).context("cannot open log.txt")
}

/// The command that resumes a run, as a shell reads it.
pub fn resume_command<R: Run>(folder: &RunFolder) -> String {
    format!("{} --resume {}", R::PROGRAM, quoted(folder.path()))
}

/// A path as a word of a shell command.
pub fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    shlex::try_quote(&path).map_or_else(|_| path.to_string(), |word| word.into_owned())
}

/// An error of a run, with the command that resumes it. Give it to errors after the first event alone: before, the
/// journal does not exist or was refused.
pub fn resumable<R: Run>(error: impl Into<Error>, folder: &RunFolder) -> Error {
    anyhow!("{:#}\ngo on later with: {}", error.into(), resume_command::<R>(folder))
}

/// Gives rayon its threads; the first call of a process decides.
///
/// # Errors
/// If the threads cannot be started.
pub fn use_threads(options: &ResourceOptions) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global().context("cannot start the threads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_needs_it() {
        for (path, word) in [("/runs/a-1", "/runs/a-1"), ("/my runs", "'/my runs'"), ("/it's", "\"/it's\"")] {
            assert_eq!(quoted(path.as_ref()), word);
        }
    }
}

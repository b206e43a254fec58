//! The journal: an append-only file of events, one JSON object per line. A run is rebuilt from it.
//!
//! Each line is written at once and synced. A killed process leaves at most one incomplete last line; resuming cuts it
//! off. The events are those of `crates/dpnas/src/run/event.rs`; the journal of a scoring run has others
//! (`crates/dpnas/src/scoring/event.rs`) but is otherwise the same.

use crate::JournalError;
use crate::run::chain::{Chain, with_field};
use crate::run::event::{Continued, Event};
use crate::run::folder::{INTERRUPTED, is_full, remove_unfinished, sync_folder};
use dpnas_cache::Lock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The journal format that this version writes, and the newest format that it reads, for searches and scoring runs.
pub const JOURNAL_FORMAT: u32 = 2;

/// The settings of a run, beside its journal.
pub(crate) const SETTINGS: &str = "settings.toml";

/// A journal opened for writing and locked against other processes.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    chain: Chain,
    _lock: Lock,
}

impl Journal {
    /// Begins a new journal.
    pub(crate) fn begin(
        path: &Path,
        identity: &str,
        seed: u64,
        continued: Option<Continued>,
    ) -> Result<Self, JournalError> {
        let first = Event::Begun {
            format: JOURNAL_FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            identity: identity.to_owned(),
            seed,
            continued,
        };
        Self::begin_with(path, &first)
    }

    /// Begins a new journal of events of any type. The first event has the fields `format` and `version`, and gets the
    /// settings of the run that stand beside the journal.
    pub(crate) fn begin_with<E: Serialize>(path: &Path, first: &E) -> Result<Self, JournalError> {
        let mut line = serde_json::to_vec(first).map_err(|error| io(path, error.into()))?;
        if let Some(settings) = settings(path)? {
            line = with_field(line, "settings", &settings);
        }
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(path);
        let file = file.map_err(|source| io(path, source))?;
        let mut journal = Self::lock(path, file)?;
        journal.append(line)?;
        if let Some(folder) = path.parent() {
            // The file's name must survive a power cut, too.
            sync_folder(folder).map_err(|source| io(path, source))?;
        }
        Ok(journal)
    }

    /// Opens an existing journal, cuts off an incomplete last line and returns the events.
    pub(crate) fn resume(path: &Path) -> Result<(Self, Vec<Event>), JournalError> {
        Self::resume_with(path)
    }

    /// Same as [`resume`](Self::resume), for events of any type.
    pub(crate) fn resume_with<E: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<E>), JournalError> {
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(|source| io(path, source))?;
        let mut journal = Self::lock(path, file)?;
        path.parent().into_iter().for_each(remove_unfinished);
        let text = journal.read()?;
        let complete = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut events = parse(path, &text[..complete], &mut journal.chain)?;
        if complete < text.len() {
            journal.file.set_len(complete as u64).map_err(|source| io(path, source))?;
        }
        let note = path.with_file_name(INTERRUPTED);
        if note.exists() {
            // The process ended before it could write this line.
            let ended = br#"{"event":"ended","reason":"interrupted"}"#;
            events.push(serde_json::from_slice(ended).map_err(|error| io(path, error.into()))?);
            journal.append(ended.to_vec())?;
            std::fs::remove_file(&note).map_err(|source| io(&note, source))?;
        }
        Ok((journal, events))
    }

    /// Appends one event and syncs it to the disk.
    pub(crate) fn write<E: Serialize>(&mut self, event: &E) -> Result<(), JournalError> {
        self.append(serde_json::to_vec(event).map_err(|error| io(&self.path, error.into()))?)
    }

    fn append(&mut self, line: Vec<u8>) -> Result<(), JournalError> {
        let mut chain = self.chain;
        let mut line = chain.seal(line);
        line.push(b'\n');
        self.file.write_all(&line).and_then(|()| self.file.sync_data()).map_err(|source| io(&self.path, source))?;
        self.chain = chain;
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::nlink(&self.file.metadata().map_err(|source| io(&self.path, source))?) == 0 {
            return Err(JournalError::Removed { path: self.path.clone() });
        }
        Ok(())
    }

    fn lock(path: &Path, file: File) -> Result<Self, JournalError> {
        match dpnas_cache::try_lock(&file, path) {
            Ok(lock) => Ok(Self { path: path.to_owned(), file, chain: Chain::new(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(io(path, source)),
        }
    }

    fn read(&mut self) -> Result<Vec<u8>, JournalError> {
        let mut text = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut text));
        read.map_err(|source| io(&self.path, source))?;
        Ok(text)
    }
}

/// The text of the settings beside a journal, if there are any.
fn settings(journal: &Path) -> Result<Option<String>, JournalError> {
    let path = journal.with_file_name(SETTINGS);
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(|source| io(&path, source)),
    }
}

/// Compares the settings beside a journal with those in its first line, before anything is made of them. A first line that
/// cannot be read has its error when the run is resumed.
pub(crate) fn check_settings(journal: &Path) -> Result<(), JournalError> {
    #[derive(Deserialize)]
    struct Begun {
        settings: Option<String>,
    }
    let mut line = Vec::new();
    let read = File::open(journal).and_then(|file| BufReader::new(file).read_until(b'\n', &mut line));
    read.map_err(|source| io(journal, source))?;
    let whole = line.strip_suffix(b"\n").and_then(|line| Some(Chain::new().open(line).ok()?.into_owned()));
    let begun = whole.and_then(|line| serde_json::from_slice::<Begun>(&line).ok()?.settings);
    match (begun, settings(journal)?) {
        (Some(begun), Some(now)) => same_settings(journal, &begun, &now),
        _ => Ok(()),
    }
}

/// Compares the settings line by line, so that the error can name the one that differs.
fn same_settings(journal: &Path, begun: &str, now: &str) -> Result<(), JournalError> {
    let (mut before, mut after) = (begun.lines(), now.lines());
    for line in 1.. {
        let (begun, now) = (before.next(), after.next());
        if begun != now {
            let [begun, now] = [begun, now].map(|text| text.unwrap_or_default().to_owned());
            return Err(JournalError::Settings { path: journal.with_file_name(SETTINGS), line, begun, now });
        }
        if begun.is_none() {
            break;
        }
    }
    Ok(())
}

/// The events of complete lines. The chain then ends with the last line.
fn parse<E: DeserializeOwned>(path: &Path, text: &[u8], chain: &mut Chain) -> Result<Vec<E>, JournalError> {
    /// Fields of the first line in every format, also in future ones.
    #[derive(Deserialize)]
    struct Header {
        format: u32,
        #[serde(default)]
        version: String,
    }
    let mut events = Vec::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let damaged = |message: String| JournalError::Damaged { path: path.to_owned(), line: index + 1, message };
        let no_event = |error: serde_json::Error| damaged(format!("it is not an event of this program: {error}"));
        if events.is_empty() {
            let header: Header = serde_json::from_slice(line).map_err(no_event)?;
            match header.format {
                0 => return Err(damaged("no version has format 0".to_owned())),
                1 => *chain = Chain::without(),
                2..=JOURNAL_FORMAT => {}
                found => {
                    let version = header.version;
                    return Err(JournalError::NewerFormat { path: path.to_owned(), found, version });
                }
            }
        }
        let event = chain.open(line).map_err(|broken| damaged(broken.to_string()))?;
        events.push(serde_json::from_slice(&event).map_err(no_event)?);
    }
    if events.is_empty() {
        return Err(JournalError::Empty { path: path.to_owned() });
    }
    Ok(events)
}

fn io(path: &Path, source: std::io::Error) -> JournalError {
    let path = path.to_owned();
    if is_full(&source) { JournalError::DiskFull { path } } else { JournalError::Io { path, source } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metrics, Outcome};
    use proptest::prelude::*;

    fn score(reward: f64) -> Outcome {
        Outcome::Scored(Metrics {
            reward,
            train_flag: true,
            valid_accuracy: vec![0.1, reward],
            train_accuracy: vec![0.2, 0.3],
            test_accuracy: 0.5,
            test_accuracies: Vec::new(),
        })
    }

    fn told(id: u64, outcome: &Outcome) -> Event {
        Event::Told { id, seconds: None, outcome: outcome.into() }
    }

    #[test]
    fn events_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let events = [
            Event::Asked { id: 0, epsilon: 0.1, net: "[C(16,3,1,1,1), SM(10)]".into() },
            told(0, &score(1.0 / 3.0)),
            Event::Rung { id: 1, score: 1.0 / 3.0, seconds: Some(1.5) },
            told(1, &Outcome::Rejected { reason: "a \"reason\"\nin two lines".into() }),
            told(2, &Outcome::OutOfMemory { reason: "large".into() }),
            Event::Again { id: 3, kept: u64::MAX },
            told(3, &Outcome::Failed { reason: "a panic".into() }),
            Event::Ended { reason: "completed".into() },
        ];
        let mut journal = Journal::begin(&path, "test", 7, None).unwrap();
        events.iter().for_each(|event| journal.write(event).unwrap());
        drop(journal);
        let (_, read) = Journal::resume(&path).unwrap();
        assert_eq!(read[1..], events);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 9);
    }

    #[test]
    fn a_noted_interruption_becomes_the_line_that_the_process_could_not_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        drop(Journal::begin(&path, "test", 7, None).unwrap());
        let note = folder.path().join(INTERRUPTED);
        std::fs::write(&note, "").unwrap();
        for _ in 0..2 {
            let (_, read) = Journal::resume(&path).unwrap();
            assert_eq!(read[1..], [Event::Ended { reason: "interrupted".into() }]);
            assert!(!note.exists());
        }
    }

    #[test]
    fn test_accuracies_of_every_epoch_are_kept_and_may_be_absent() {
        let text = r#"{"event":"told","id":0,"outcome":"scored","reward":0.5,"train_flag":true,"valid":[0.1,0.5],"train":[0.2,0.3],"test":0.5}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!(event, told(0, &score(0.5)));
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        let Outcome::Scored(with) = score(0.5) else { panic!() };
        let event = told(0, &Outcome::Scored(Metrics { test_accuracies: vec![0.25, 0.5], ..with }));
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.ends_with(r#""test":0.5,"tests":[0.25,0.5]}"#), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }

    #[test]
    fn the_first_line_names_the_run_that_is_continued_and_is_as_before_without_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain.jsonl");
        drop(Journal::begin(&path, "test", 7, None).unwrap());
        let version = env!("CARGO_PKG_VERSION");
        let line = format!(
            "{{\"event\":\"begun\",\"format\":2,\"version\":\"{version}\",\"identity\":\"test\",\"seed\":7,\"crc\":\""
        );
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(&line));
        assert!(matches!(&Journal::resume(&path).unwrap().1[..], [Event::Begun { continued: None, .. }]));
        let path = folder.path().join("continued.jsonl");
        let (replay_buffer, q_values) = ("ab".to_owned(), "cd".to_owned());
        let expected = Some(Continued { replay_buffer, q_values, epsilon: 0.3, position: 4 });
        drop(Journal::begin(&path, "test", 7, expected.clone()).unwrap());
        let (_, events) = Journal::resume(&path).unwrap();
        let [Event::Begun { continued, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(continued, &expected);
    }

    #[test]
    fn an_incomplete_last_line_is_cut_off_and_unfinished_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::begin(&path, "test", 7, None).unwrap();
        journal.write(&told(0, &score(0.5))).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let complete = whole[..cut].iter().filter(|&&byte| byte == b'\n').count();
            match Journal::resume(&path) {
                Ok((_, events)) => assert_eq!(events.len(), complete),
                Err(error) => assert!(matches!(error, JournalError::Empty { .. }) && complete == 0, "{error}"),
            }
            let left = std::fs::read(&path).unwrap();
            assert!(complete == 0 || left.ends_with(b"\n"));
        }
        // What a killed process was writing.
        let unfinished = folder.path().join(".writing-1a2b3c");
        std::fs::write(&unfinished, "half").unwrap();
        std::fs::write(&path, &whole).unwrap();
        Journal::resume(&path).unwrap();
        assert!(!unfinished.exists());
    }

    /// The lines of a journal of format 1, which have no checksum.
    const FORMAT_1: &str = "{\"event\":\"begun\",\"format\":1,\"version\":\"0.0.9\",\"identity\":\"test\",\"seed\":7}\n\
                            {\"event\":\"asked\",\"id\":0,\"epsilon\":1.0,\"net\":\"[SM(10)]\"}\n";

    #[test]
    fn a_damaged_line_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let damaged_at = |text: &str| {
            std::fs::write(&path, text).unwrap();
            match Journal::resume(&path) {
                Err(JournalError::Damaged { line, message, .. }) => (line, message),
                other => panic!("{other:?}"),
            }
        };
        let (line, message) = damaged_at(&format!("{FORMAT_1}{{\"event\":\"told\",\"id\":0}}\n{FORMAT_1}"));
        assert!(line == 3 && message.starts_with("it is not an event of this program: "), "{line}: {message}");
        std::fs::remove_file(&path).unwrap();
        let mut journal = Journal::begin(&path, "test", 7, None).unwrap();
        [told(0, &score(0.5)), told(1, &score(0.5))].iter().for_each(|event| journal.write(event).unwrap());
        drop(journal);
        let text = std::fs::read_to_string(&path).unwrap();
        let (line, message) = damaged_at(&text.replacen("0.5", "0.6", 1));
        assert!(line == 2 && message.starts_with("its checksum is "), "{line}: {message}");
        let missing: Vec<&str> =
            text.lines().enumerate().filter(|(line, _)| *line != 1).map(|(_, line)| line).collect();
        assert_eq!(damaged_at(&(missing.join("\n") + "\n")).0, 2);
        assert_eq!(
            damaged_at(&text.replacen("\"format\":2", "\"format\":0", 1)),
            (1, "no version has format 0".to_owned())
        );
        assert_eq!(damaged_at(&text.replacen("\"version\":\"", "\"version\":\"9", 1)).0, 1);
    }

    #[test]
    fn a_journal_of_format_1_goes_on_without_checksums() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, FORMAT_1).unwrap();
        let (mut journal, events) = Journal::resume(&path).unwrap();
        assert!(matches!(&events[..], [Event::Begun { .. }, Event::Asked { .. }]));
        journal.write(&told(0, &score(0.5))).unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains("crc"));
        drop(journal);
        assert_eq!(Journal::resume(&path).unwrap().1.len(), 3);
    }

    #[test]
    fn an_edited_setting_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (path, settings) = (folder.path().join("journal.jsonl"), folder.path().join(SETTINGS));
        let text = "version = \"0.1.0\"\n\n# search\nq-learning-rate = 0.1\n";
        std::fs::write(&settings, text).unwrap();
        drop(Journal::begin(&path, "test", 7, None).unwrap());
        check_settings(&path).unwrap();
        std::fs::write(&settings, text.replace("0.1\n", "0.9\n")).unwrap();
        assert_eq!(
            check_settings(&path).unwrap_err().to_string(),
            format!(
                "line 4 of {} is `q-learning-rate = 0.9`, and was `q-learning-rate = 0.1` when the run began: write it as \
                 it was. What may change is a flag, for example --threads 2",
                settings.display()
            )
        );
        std::fs::write(&settings, format!("{text}budget = 9\n")).unwrap();
        assert!(matches!(check_settings(&path), Err(JournalError::Settings { line: 5, .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_journal_that_was_removed_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::begin(&path, "test", 7, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(journal.write(&told(0, &score(0.5))), Err(JournalError::Removed { .. })));
    }

    #[test]
    fn a_newer_format_is_refused_with_the_version_that_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, "{\"event\":\"opened\",\"format\":9,\"version\":\"3.1.0\"}\n").unwrap();
        let error = Journal::resume(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{} has format 9, written by dpnas 3.1.0; this version reads formats up to 2. Use dpnas 3.1.0 or newer",
                path.display()
            )
        );
    }

    #[test]
    fn a_second_writer_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let first = Journal::begin(&path, "test", 7, None).unwrap();
        assert!(matches!(Journal::resume(&path), Err(JournalError::InUse { .. })));
        drop(first);
        assert!(Journal::resume(&path).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_as_such() {
        let path = Path::new("/dev/full");
        let file = OpenOptions::new().append(true).open(path).unwrap();
        let mut journal = Journal::lock(path, file).unwrap();
        let error = journal.write(&told(0, &score(0.5))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the disk (or a quota or size limit) is full: the last event does not fit into /dev/full. Everything before \
             it is safe: free some space, then resume the run"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_events_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse::<Event>(Path::new("journal.jsonl"), &bytes, &mut Chain::new());
        }

        #[test]
        fn every_reward_survives_the_text(reward in 0.0f64..=1.0) {
            let event = told(3, &score(reward));
            let text = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
    }
}

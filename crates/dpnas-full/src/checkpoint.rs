//! Checkpoints: the training after its last epoch and the network after its best one, as safetensors files.
//!
//! Equal trainings have equal files. `crc32` in the metadata is the checksum of the header, with this value empty and every key
//! in alphabetical order, and of the arrays. Files of earlier versions have none.
//!
//! Arrays are written and read number by number, because a copy of them is not in the memory of a training.

use crate::model::{Model, Norm, Parameter};
use dpnas_grammar::Plan;
use dpnas_prior::WeightInit;
use dpnas_seed::Seed;
use dpnas_train::{Checkpoints, Epoch, FullConfig, FullError};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The training after its last epoch, from which it continues.
pub const LAST_CHECKPOINT: &str = "last.safetensors";
/// The network after the epoch with the highest validation accuracy, the earliest of equals.
pub const BEST_CHECKPOINT: &str = "best.safetensors";

const FORMAT: &str = "dpnas full training 1";

/// Reads and writes the checkpoints of one training.
pub(crate) struct Store<'a> {
    folder: &'a Path,
    /// The settings and inputs of the training, as name and value.
    identity: Vec<(&'static str, String)>,
}

impl<'a> Store<'a> {
    /// The store of a training from weights of an initialisation and a seed.
    pub(crate) fn new(
        checkpoints: &'a Checkpoints,
        engine: &str,
        plan: &Plan,
        (init, weight_seed): (WeightInit, Seed),
        config: &FullConfig,
    ) -> Self {
        let identity = vec![
            ("net", plan.net().to_string()),
            ("input", plan.input().to_string()),
            ("initialisation", init.to_string()),
            ("weight seed", weight_seed.0.to_string()),
            ("training", config.identity()),
            ("test", format!("{:?}", config.probe.test)),
            ("engine", engine.to_owned()),
            ("data", checkpoints.data.clone()),
        ];
        Self { folder: &checkpoints.folder, identity }
    }

    /// Loads the last checkpoint into the model. Returns the epochs until then; none without a checkpoint. After an error
    /// the model is of no use.
    pub(crate) fn resume(&self, model: &mut Model) -> Result<Vec<Epoch>, FullError> {
        let path = self.folder.join(LAST_CHECKPOINT);
        let unread = |source| FullError::Io { action: "read", path: path.clone(), source };
        let bad = |reason: String| FullError::BadCheckpoint { path: path.clone(), reason };
        let mut file = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unread(error)),
        };
        let length = file.get_ref().metadata().map_err(unread)?.len();
        let (first, header) = read_header(&mut file, length).map_err(|error| match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => bad(error.to_string()),
            _ => unread(error),
        })?;
        let empty = HashMap::new();
        let metadata = header.metadata().as_ref().unwrap_or(&empty);
        let text = |key: &str| metadata.get(key).ok_or_else(|| bad(format!("`{key}` is missing in its metadata")));
        if text("format")? != FORMAT {
            return Err(bad(format!("its format is `{}`, not `{FORMAT}`", text("format")?)));
        }
        for (what, expected) in &self.identity {
            let found = text(what)?;
            if found != expected {
                let (found, expected) = (found.clone(), expected.clone());
                return Err(FullError::OtherCheckpoint { path: path.clone(), what, found, expected });
            }
        }
        let epochs = serde_json::from_str(text("epochs")?).map_err(|error| bad(format!("epochs: {error}")))?;
        model.steps = text("steps")?.parse().map_err(|error| bad(format!("steps: {error}")))?;
        for (name, shape, values) in arrays(model) {
            let array = header.info(&name).ok_or_else(|| bad(format!("`{name}` is missing")))?;
            if array.dtype != Dtype::F32 || array.shape != shape {
                return Err(bad(format!("`{name}` is {:?} of shape {:?}", array.dtype, array.shape)));
            }
            file.seek(SeekFrom::Start(first + array.data_offsets.0 as u64)).map_err(unread)?;
            let mut word = [0; 4];
            for value in values {
                file.read_exact(&mut word).map_err(unread)?;
                *value = f32::from_le_bytes(word);
            }
        }
        Ok(epochs)
    }

    /// Writes the last checkpoint after an epoch, and the best one first if the epoch is the best so far.
    pub(crate) fn save(&self, model: &mut Model, epochs: &[Epoch]) -> Result<(), FullError> {
        fs::create_dir_all(self.folder).map_err(|source| FullError::Io {
            action: "write",
            path: self.folder.to_owned(),
            source,
        })?;
        if let Some((last, earlier)) = epochs.split_last()
            && earlier.iter().all(|epoch| epoch.valid_accuracy < last.valid_accuracy)
        {
            self.write(BEST_CHECKPOINT, model, epochs, Part::Network)?;
        }
        self.write(LAST_CHECKPOINT, model, epochs, Part::Everything)
    }

    /// Writes under another name and renames, so that the file is complete at any time.
    fn write(&self, name: &str, model: &mut Model, epochs: &[Epoch], part: Part) -> Result<(), FullError> {
        let path = self.folder.join(name);
        let failed = |source| FullError::Io { action: "write", path: path.clone(), source };
        let mut metadata: HashMap<String, String> =
            self.identity.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        metadata.insert("format".to_owned(), FORMAT.to_owned());
        metadata.insert("steps".to_owned(), model.steps.to_string());
        metadata.insert("epochs".to_owned(), serde_json::to_string(epochs).map_err(|error| failed(error.into()))?);
        let mut arrays = arrays(model);
        arrays.retain(|(name, ..)| part == Part::Everything || !name.starts_with(ADAM));
        arrays.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let header = header(&arrays, metadata).map_err(failed)?;
        let temporary = self.folder.join(format!("{name}.part"));
        let write = || -> io::Result<()> {
            let mut file = BufWriter::new(File::create(&temporary)?);
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            for value in arrays.iter().flat_map(|(.., values)| values.iter()) {
                file.write_all(&value.to_le_bytes())?;
            }
            file.into_inner()?.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(failed)
    }
}

/// The content of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Weights, scales, shifts and running averages.
    Network,
    /// The network and Adam's moments.
    Everything,
}

const ADAM: &str = "adam.";

/// The object of the header with the metadata, and its entry with the checksum.
const METADATA: &str = "__metadata__";
const CHECKSUM: &str = "crc32";

/// An array with its name and shape.
type Array<'a> = (String, Vec<usize>, &'a mut [f32]);

/// The header of a safetensors file with these arrays one after the other, padded to whole words.
fn header(arrays: &[Array<'_>], metadata: HashMap<String, String>) -> io::Result<Vec<u8>> {
    let mut end = 0;
    let infos = arrays.iter().map(|(name, shape, values)| {
        let start = end;
        end += size_of_val::<[f32]>(*values);
        (name.clone(), TensorInfo { dtype: Dtype::F32, shape: shape.clone(), data_offsets: (start, end) })
    });
    let metadata = Metadata::new(Some(metadata), infos.collect()).map_err(io::Error::other)?;
    // As a value, whose keys are in order.
    let mut header = serde_json::to_value(&metadata)?;
    header[METADATA][CHECKSUM] = Value::from("");
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&serde_json::to_vec(&header)?);
    let values = arrays.iter().flat_map(|(.., values)| values.iter());
    values.for_each(|value| hasher.update(&value.to_le_bytes()));
    header[METADATA][CHECKSUM] = Value::from(format!("{:08x}", hasher.finalize()));
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// Reads the header of a safetensors file of `length` bytes, and compares its checksum. Returns the position of the first
/// array, too.
fn read_header(file: &mut impl Read, length: u64) -> io::Result<(u64, Metadata)> {
    let invalid = |reason: &str| io::Error::new(ErrorKind::InvalidData, reason.to_owned());
    let mut word = [0; 8];
    file.read_exact(&mut word)?;
    let first = u64::from_le_bytes(word).saturating_add(8);
    if first > length {
        return Err(invalid("it ends within its header"));
    }
    let mut header = vec![0; (first - 8) as usize];
    file.read_exact(&mut header)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| invalid(&error.to_string()))?;
    let whole = first.saturating_add(metadata.data_len() as u64);
    if whole != length {
        return Err(invalid(&format!("it has {length} of {whole} bytes")));
    }
    let mut header: Value = serde_json::from_slice(&header)?;
    if let Some(Value::String(found)) = header.pointer_mut(&format!("/{METADATA}/{CHECKSUM}")).map(Value::take) {
        header[METADATA][CHECKSUM] = Value::from("");
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&serde_json::to_vec(&header)?);
        let mut block = vec![0; 1 << 16];
        loop {
            match file.read(&mut block)? {
                0 => break,
                read => hasher.update(&block[..read]),
            }
        }
        let expected = format!("{:08x}", hasher.finalize());
        if found != expected {
            return Err(invalid(&format!("its checksum is {expected} instead of {found}: it was changed or damaged")));
        }
    }
    Ok((first, metadata))
}

/// Every array.
fn arrays(model: &mut Model) -> Vec<Array<'_>> {
    let Model { weights, norms, steps: _ } = model;
    let mut parameters: Vec<&mut Parameter> = weights.iter_mut().collect();
    let mut arrays: Vec<(String, Vec<usize>, &mut [f32])> = Vec::new();
    for Norm { name, scale, shift, running } in norms {
        parameters.extend([scale, shift]);
        let shape = vec![running.mean.len()];
        arrays.push((format!("{name}.running_mean"), shape.clone(), &mut running.mean));
        arrays.push((format!("{name}.running_variance"), shape, &mut running.variance));
    }
    for Parameter { name, shape, values, mean, square } in parameters {
        arrays.push((format!("{ADAM}mean.{name}"), shape.clone(), mean));
        arrays.push((format!("{ADAM}square.{name}"), shape.clone(), square));
        arrays.push((name.clone(), shape.clone(), values));
    }
    arrays
}

//! Checkpoints: the training after its last epoch and the network after its best one, as safetensors files.

use crate::model::{Model, Norm, Parameter};
use dpnas_prior::Prior;
use dpnas_train::{Checkpoints, Epoch, FullConfig, FullError};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
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
    pub(crate) fn new(checkpoints: &'a Checkpoints, engine: &str, prior: &Prior, config: &FullConfig) -> Self {
        let identity = vec![
            ("net", prior.plan().net().to_string()),
            ("input", prior.plan().input().to_string()),
            ("initialisation", prior.init().to_string()),
            ("weight seed", prior.seed().0.to_string()),
            ("training", config.identity()),
            ("test", format!("{:?}", config.probe.test)),
            ("engine", engine.to_owned()),
            ("data", checkpoints.data.clone()),
        ];
        Self { folder: &checkpoints.folder, identity }
    }

    /// Loads the last checkpoint into the model. Returns the epochs until then; none without a checkpoint.
    pub(crate) fn resume(&self, model: &mut Model) -> Result<Vec<Epoch>, FullError> {
        let path = self.folder.join(LAST_CHECKPOINT);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(FullError::Io { action: "read", path, source }),
        };
        let bad = |reason: String| FullError::BadCheckpoint { path: path.clone(), reason };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| bad(error.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(error.to_string()))?;
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
        let steps = text("steps")?.parse().map_err(|error| bad(format!("steps: {error}")))?;
        let mut resumed = model.clone();
        resumed.steps = steps;
        for (name, shape, values) in arrays(&mut resumed) {
            let tensor = tensors.tensor(&name).map_err(|error| bad(error.to_string()))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
                return Err(bad(format!("`{name}` is {:?} of shape {:?}", tensor.dtype(), tensor.shape())));
            }
            let words = tensor.data().as_chunks::<4>().0;
            values.iter_mut().zip(words).for_each(|(value, &word)| *value = f32::from_le_bytes(word));
        }
        *model = resumed;
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
        let other = |error: String| failed(std::io::Error::other(error));
        let mut metadata: HashMap<String, String> =
            self.identity.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        metadata.insert("format".to_owned(), FORMAT.to_owned());
        metadata.insert("steps".to_owned(), model.steps.to_string());
        metadata.insert("epochs".to_owned(), serde_json::to_string(epochs).map_err(|error| other(error.to_string()))?);
        let arrays: Vec<(String, Vec<usize>, Vec<u8>)> = arrays(model)
            .into_iter()
            .filter(|(name, ..)| part == Part::Everything || !name.starts_with(ADAM))
            .map(|(name, shape, values)| (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
            .collect();
        let views: Result<Vec<(&str, TensorView<'_>)>, _> = arrays
            .iter()
            .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect();
        let views = views.map_err(|error: safetensors::SafeTensorError| other(error.to_string()))?;
        let bytes = serialize(views, Some(metadata)).map_err(|error| other(error.to_string()))?;
        let temporary = self.folder.join(format!("{name}.part"));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            drop(file);
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

/// Every array with its name and shape.
fn arrays(model: &mut Model) -> Vec<(String, Vec<usize>, &mut [f32])> {
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

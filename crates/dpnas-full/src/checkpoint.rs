//! Checkpoints: a training after its last and its best epoch as safetensors files.

use crate::model::{Model, Parameter};
use dpnas_prior::Prior;
use dpnas_train::{Checkpoints, Epoch, FullConfig, FullError};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The training after its last epoch: everything that going on needs.
pub const LAST_CHECKPOINT: &str = "last.safetensors";
/// The network after the epoch with the highest validation accuracy, the first of equals.
pub const BEST_CHECKPOINT: &str = "best.safetensors";

const FORMAT: &str = "dpnas full training 1";

/// Reads and writes the checkpoints of one training.
pub(crate) struct Store<'a> {
    folder: &'a Path,
    /// What the training is, as name and value.
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

    /// Brings the model to where the last checkpoint left it; the epochs until then, none if there is no checkpoint.
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
        for (name, shape, values) in arrays_mut(&mut resumed) {
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

    /// Writes the last checkpoint after an epoch, and before it the best one if the epoch is the best so far.
    pub(crate) fn save(&self, model: &Model, epochs: &[Epoch]) -> Result<(), FullError> {
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

    /// Writes under another name and renames, so that there is a whole file at any time.
    fn write(&self, name: &str, model: &Model, epochs: &[Epoch], part: Part) -> Result<(), FullError> {
        let path = self.folder.join(name);
        let failed = |source| FullError::Io { action: "write", path: path.clone(), source };
        let other = |error: String| failed(std::io::Error::other(error));
        let mut metadata: HashMap<String, String> =
            self.identity.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        metadata.insert("format".to_owned(), FORMAT.to_owned());
        metadata.insert("steps".to_owned(), model.steps.to_string());
        metadata.insert("epochs".to_owned(), serde_json::to_string(epochs).map_err(|error| other(error.to_string()))?);
        let arrays: Vec<(String, Vec<usize>, Vec<u8>)> = arrays(model)
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

/// What of a training a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Weights, scales, shifts and running averages.
    Network,
    /// Adam's moments, too.
    Everything,
}

const ADAM: &str = "adam.";

/// Every array with its name and shape.
fn arrays(model: &Model) -> impl Iterator<Item = (String, Vec<usize>, &[f32])> {
    let of = |parameter: &Parameter| (parameter.name.clone(), parameter.shape.clone());
    let trained = model.parameters().flat_map(move |p| {
        let (name, shape) = of(p);
        [
            (format!("{ADAM}mean.{name}"), shape.clone(), &p.mean[..]),
            (format!("{ADAM}square.{name}"), shape.clone(), &p.square[..]),
            (name, shape, &p.values[..]),
        ]
    });
    let averages = model.norms.iter().flat_map(|norm| {
        let shape = vec![norm.running.mean.len()];
        [
            (format!("{}.running_mean", norm.name), shape.clone(), &norm.running.mean[..]),
            (format!("{}.running_variance", norm.name), shape, &norm.running.variance[..]),
        ]
    });
    trained.chain(averages)
}

/// The same arrays, to be filled.
fn arrays_mut(model: &mut Model) -> Vec<(String, Vec<usize>, &mut [f32])> {
    let described: Vec<(String, Vec<usize>)> = arrays(model).map(|(name, shape, _)| (name, shape)).collect();
    let Model { weights, norms, .. } = model;
    let (mut trained, mut averages): (Vec<&mut [f32]>, Vec<&mut [f32]>) = Default::default();
    for parameter in weights {
        trained.extend([&mut parameter.mean[..], &mut parameter.square[..], &mut parameter.values[..]]);
    }
    for norm in norms {
        for parameter in [&mut norm.scale, &mut norm.shift] {
            trained.extend([&mut parameter.mean[..], &mut parameter.square[..], &mut parameter.values[..]]);
        }
        averages.extend([&mut norm.running.mean[..], &mut norm.running.variance[..]]);
    }
    let values = trained.into_iter().chain(averages);
    described.into_iter().zip(values).map(|((name, shape), values)| (name, shape, values)).collect()
}

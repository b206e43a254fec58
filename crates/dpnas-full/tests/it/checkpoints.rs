//! Checkpoints: continuing, and files that cannot be used.

use crate::digits::{Training, cpu};
use dpnas_full::{BEST_CHECKPOINT, LAST_CHECKPOINT};
use dpnas_train::{Checkpoints, FullError};
use safetensors::SafeTensors;
use std::path::Path;
use std::sync::atomic::Ordering;

fn training(folder: &Path) -> Training {
    let mut training = Training::of(60);
    training.config.probe.epochs = 4;
    training.config.probe.drop_out = 0.1;
    training.checkpoints = Some(Checkpoints { folder: folder.to_owned(), data: "sixty digits".to_owned() });
    training
}

/// Every array with its name, sorted.
fn arrays(folder: &Path, file: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut arrays: Vec<_> = tensors.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect();
    arrays.sort();
    arrays
}

/// Stops the training after `epochs` epochs.
fn interrupt(training: &Training, epochs: u32) {
    let stopped = training.on(&cpu(), &mut |epoch| {
        if epoch.index == epochs {
            training.stop.store(true, Ordering::Relaxed);
        }
    });
    assert!(matches!(stopped, Err(FullError::Interrupted)), "{stopped:?}");
    training.stop.store(false, Ordering::Relaxed);
}

#[test]
fn an_interrupted_training_continues_to_the_same_bits() {
    let [whole, parts] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let uninterrupted = training(whole.path());
    let expected = uninterrupted.run();
    let interrupted = training(parts.path());
    interrupt(&interrupted, 1);
    interrupt(&interrupted, 3);
    assert_eq!(interrupted.run(), expected);
    for file in [LAST_CHECKPOINT, BEST_CHECKPOINT] {
        assert!(arrays(whole.path(), file) == arrays(parts.path(), file), "{file} differs");
    }
    // A complete training is read, not repeated.
    let mut new_epochs = 0;
    assert_eq!(interrupted.on(&cpu(), &mut |_| new_epochs += 1).unwrap(), expected);
    assert_eq!(new_epochs, 0);
}

#[test]
fn files_hold_what_their_names_say() {
    let folder = tempfile::tempdir().unwrap();
    training(folder.path()).run();
    let names = |file| -> Vec<String> { arrays(folder.path(), file).into_iter().map(|(name, _)| name).collect() };
    let last = names(LAST_CHECKPOINT);
    for name in [
        "encoder.0.conv.weight",
        "encoder.2.norm_b.running_variance",
        "linear.0.norm.scale",
        "classifier.weight",
        "adam.square.classifier.weight",
    ] {
        assert!(last.iter().any(|it| it == name), "{name} is not among {last:?}");
    }
    let network: Vec<String> = last.into_iter().filter(|name| !name.starts_with("adam.")).collect();
    assert_eq!(names(BEST_CHECKPOINT), network);
    let mut files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, [BEST_CHECKPOINT, LAST_CHECKPOINT]);
}

#[test]
fn a_checkpoint_of_another_training_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    interrupt(&training(folder.path()), 1);
    let error = |change: &dyn Fn(&mut Training)| {
        let mut other = training(folder.path());
        change(&mut other);
        other.on(&cpu(), &mut |_| ()).unwrap_err().to_string()
    };
    let message = error(&|other| other.net = "[C(8,3,1,1,1), SM(10)]");
    assert!(message.contains("its net is `[C(8,3,1,1,1), P(2,2,0,0), C(8,3,1,1,0), FC(16), SM(10)]`"), "{message}");
    assert!(message.contains("but this one has `[C(8,3,1,1,1), SM(10)]`"), "{message}");
    let message = error(&|other| other.config.probe.learning_rate = 0.5);
    assert!(message.contains("its training is") && message.contains("at 0.5"), "{message}");
    let message = error(&|other| other.checkpoints.as_mut().unwrap().data = "other digits".to_owned());
    assert!(message.contains("its data is `sixty digits`, but this one has `other digits`"), "{message}");
}

#[test]
fn a_damaged_checkpoint_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    interrupt(&training(folder.path()), 1);
    let path = folder.path().join(LAST_CHECKPOINT);
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 7, 300, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = training(folder.path()).on(&cpu(), &mut |_| ()).unwrap_err();
        assert!(matches!(error, FullError::BadCheckpoint { .. }), "{length}: {error}");
        assert!(error.to_string().contains("is not a complete checkpoint"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap().len(), length);
    }
    // A safetensors file of something else.
    let other = safetensors::serialize(Vec::<(String, safetensors::tensor::TensorView<'_>)>::new(), None).unwrap();
    std::fs::write(&path, other).unwrap();
    let message = training(folder.path()).on(&cpu(), &mut |_| ()).unwrap_err().to_string();
    assert!(message.contains("`format` is missing"), "{message}");
}

#[test]
fn equal_trainings_have_equal_files() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let files = folders.each_ref().map(|folder| {
        training(folder.path()).on(&cpu(), &mut |_| ()).unwrap();
        [LAST_CHECKPOINT, BEST_CHECKPOINT].map(|file| std::fs::read(folder.path().join(file)).unwrap())
    });
    assert!(files[0] == files[1]);
}

#[test]
fn a_flipped_bit_of_a_checkpoint_is_found() {
    let folder = tempfile::tempdir().unwrap();
    training(folder.path()).on(&cpu(), &mut |_| ()).unwrap();
    let path = folder.path().join(LAST_CHECKPOINT);
    let whole = std::fs::read(&path).unwrap();
    for byte in (0..whole.len()).step_by(whole.len() / 150) {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << (byte % 8);
        std::fs::write(&path, flipped).unwrap();
        let error = training(folder.path()).on(&cpu(), &mut |_| ()).unwrap_err();
        assert!(matches!(error, FullError::BadCheckpoint { .. }), "byte {byte}: {error}");
    }
    // One of an earlier version, without a checksum, is read.
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8(whole[8..header].to_vec()).unwrap();
    let start = text.find("\"crc32\":\"").unwrap();
    let older = text.replacen(&text[start..start + 19], "", 1);
    let older = format!("{older:<length$}", length = text.len());
    std::fs::write(&path, [&whole[..8], older.as_bytes(), &whole[header..]].concat()).unwrap();
    training(folder.path()).on(&cpu(), &mut |_| ()).unwrap();
}

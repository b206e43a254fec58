//! Why an engine could not compute.

use dpnas_grammar::ImageShape;

/// Why an engine could not compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The images do not have the shape of the plan's input.
    #[error("the encoder was planned for images of {expected}, these are {found}")]
    WrongShape {
        /// The plan's input.
        expected: ImageShape,
        /// The images' shape.
        found: ImageShape,
    },
    /// The statistics belong to another plan.
    #[error("the calibration does not belong to this plan: stage {stage} differs in its norms or channels")]
    WrongCalibration {
        /// The first stage that differs.
        stage: usize,
    },
    /// The calibration set has no images.
    #[error("normalisation cannot be calibrated on an empty set of images")]
    EmptyCalibrationSet,
    /// The device has too little memory. Fewer images at once may fit.
    #[error("{engine} is out of memory: {message}")]
    OutOfMemory {
        /// The engine's name.
        engine: String,
        /// What the device reported.
        message: String,
    },
    /// The device failed.
    #[error("{engine} failed: {message}")]
    Device {
        /// The engine's name.
        engine: String,
        /// What the device reported.
        message: String,
    },
}

impl EngineError {
    /// The error of a device that reports failures as text: [`OutOfMemory`](Self::OutOfMemory) if the text says so, else
    /// [`Device`](Self::Device).
    ///
    /// Engines call it where the failure happens. No other code interprets messages.
    pub fn from_report(engine: impl Into<String>, message: impl Into<String>) -> Self {
        let (engine, message) = (engine.into(), message.into());
        let letters: String = message.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let is_out_of_memory = [
            "outofmemory",
            "notenoughmemory",
            "cantallocate",
            "cannotallocate",
            "failedtoallocate",
            "memoryallocation",
        ]
        .iter()
        .any(|words| letters.contains(words));
        if is_out_of_memory { Self::OutOfMemory { engine, message } } else { Self::Device { engine, message } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_too_little_memory_is_told_from_other_failures() {
        let is_out_of_memory =
            |message: &str| matches!(EngineError::from_report("gpu", message), EngineError::OutOfMemory { .. });
        for message in [
            "can't allocate buffer of size: 123\n<backtrace>",
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY)",
            "An out-of-memory error happened during launch",
            "OutOfMemory",
            "memory allocation of 8 bytes failed",
        ] {
            assert!(is_out_of_memory(message), "{message}");
        }
        assert!(!is_out_of_memory("no reason given") && !is_out_of_memory("CUDA_ERROR_NO_DEVICE"));
    }
}

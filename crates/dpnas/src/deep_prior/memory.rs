//! Dividing the memory budget for scoring one architecture.

use dpnas_cache::DType;
use dpnas_prior::EngineMemory;
use dpnas_train::FitMemory;
use std::num::NonZeroUsize;

/// The shares of a memory budget, in bytes.
///
/// Encoding takes `weights`, `activations` and `embedding`; training takes `embedding` and `classifier`. Neither
/// exceeds the budget. The budget does not include the images and the program.
///
/// # Source
/// SPEC §11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The budget.
    pub budget: u64,
    /// The encoder's weights while it is loaded.
    pub weights: u64,
    /// Activations and rows of the chunk, and activations held between norms.
    pub activations: u64,
    /// The part of `activations` held between norms during calibration.
    pub held: u64,
    /// The rows of all images if they are in memory; 0 if they are in a file.
    pub embedding: u64,
    /// The classifier with its optimiser, and buffers of rows if these are in a file.
    pub classifier: u64,
    /// Number of images computed at once.
    pub chunk: NonZeroUsize,
    /// Where the rows are.
    pub rows: RowPlace,
}

/// Where the rows of an embedding are during the training of the classifier. No result depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowPlace {
    /// In memory.
    Memory,
    /// In a file. Each mini-batch is read from it.
    File,
}

/// An architecture does not fit the memory budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} needs {needed} bytes, the memory budget is {budget} bytes")]
pub struct OverBudget {
    /// The part that does not fit.
    pub part: &'static str,
    /// Least number of bytes that it needs.
    pub needed: u64,
    /// The budget.
    pub budget: u64,
}

/// Memory needed for one architecture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) engine: EngineMemory,
    pub(crate) fit: FitMemory,
    /// Features per row.
    pub(crate) features: u64,
    /// Number type of the stored rows.
    pub(crate) dtype: DType,
    /// Number of images in all splits.
    pub(crate) images: u64,
    pub(crate) largest_chunk: NonZeroUsize,
    /// The only place where the classifier takes the rows from, if there is only one.
    pub(crate) rows: Option<RowPlace>,
}

impl MemoryPlan {
    /// Divides the budget. Rows stay in memory if they take at most half of it and leave room for the rest, or if they
    /// have to. The rest is for activations: at most half of it for the chunk, the other part for activations held between
    /// norms.
    pub(crate) fn new(budget: u64, demand: &Demand) -> Result<Self, OverBudget> {
        let rows = demand.dtype.bytes().saturating_mul(demand.features).saturating_mul(demand.images);
        match demand.rows {
            Some(RowPlace::Memory) => return Self::with_rows(budget, demand, RowPlace::Memory, rows),
            Some(RowPlace::File) => return Self::with_rows(budget, demand, RowPlace::File, 0),
            None => {}
        }
        let in_memory = (rows <= budget / 2).then(|| Self::with_rows(budget, demand, RowPlace::Memory, rows));
        match in_memory {
            Some(Ok(plan)) => Ok(plan),
            _ => Self::with_rows(budget, demand, RowPlace::File, 0),
        }
    }

    fn with_rows(budget: u64, demand: &Demand, rows: RowPlace, embedding: u64) -> Result<Self, OverBudget> {
        let over = |part, needed| OverBudget { part, needed, budget };
        let buffers = if rows == RowPlace::File { demand.fit.buffers } else { 0 };
        let classifier = demand.fit.weights.saturating_add(demand.fit.scores).saturating_add(buffers);
        if embedding.saturating_add(classifier) > budget {
            return Err(over("training the classifier", embedding.saturating_add(classifier)));
        }
        let EngineMemory { weights, .. } = demand.engine;
        let image = demand.image();
        let fixed = embedding.saturating_add(weights);
        let activations = budget.saturating_sub(fixed);
        if image > activations {
            return Err(over("encoding one image", fixed.saturating_add(image)));
        }
        let most = usize::try_from(activations / 2 / image).unwrap_or(usize::MAX).min(demand.largest_chunk.get());
        let chunk = NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN);
        let held = activations - image * chunk.get() as u64;
        Ok(Self { budget, weights, activations, held, embedding, classifier, chunk, rows })
    }

    /// Reduces the plan to the memory that can be allocated: first drops the held activations, then halves the chunk.
    pub(crate) fn fit_to(&mut self, demand: &Demand, can_have: impl Fn(u64) -> bool) -> Result<(), OverBudget> {
        if !can_have(self.embedding.saturating_add(self.classifier)) {
            let needed = self.embedding.saturating_add(self.classifier);
            return Err(OverBudget { part: "training the classifier", needed, budget: self.budget });
        }
        let chunk_bytes = |plan: &Self| plan.weights.saturating_add(demand.image() * plan.chunk.get() as u64);
        if !can_have(chunk_bytes(self).saturating_add(self.held)) {
            self.held = 0;
        }
        while !can_have(chunk_bytes(self)) {
            match NonZeroUsize::new(self.chunk.get() / 2) {
                Some(half) => self.chunk = half,
                None => {
                    let needed = chunk_bytes(self);
                    return Err(OverBudget { part: "encoding one image", needed, budget: self.budget });
                }
            }
        }
        Ok(())
    }
}

impl Demand {
    /// Bytes per image of a chunk: its activations and two copies of its row, one in parts and one whole.
    fn image(&self) -> u64 {
        self.engine.image.saturating_add(self.features.saturating_mul(8)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn demand() -> Demand {
        Demand {
            engine: EngineMemory { weights: 100, image: 10 },
            fit: FitMemory { weights: 40, scores: 20, buffers: 30 },
            features: 5,
            dtype: DType::F32,
            images: 10,
            largest_chunk: NonZeroUsize::new(1000).unwrap(),
            rows: None,
        }
    }

    #[test]
    fn rows_stay_in_memory_while_they_are_half_of_the_budget() {
        let plan = MemoryPlan::new(400, &demand()).unwrap();
        assert_eq!((plan.rows, plan.embedding, plan.classifier, plan.weights), (RowPlace::Memory, 200, 60, 100));
        // 400 - 200 - 100 bytes are for activations; an image takes 10 bytes and twice its row of 20 bytes.
        assert_eq!((plan.activations, plan.chunk.get(), plan.held), (100, 1, 50));
        let plan = MemoryPlan::new(399, &demand()).unwrap();
        assert_eq!((plan.rows, plan.embedding, plan.classifier), (RowPlace::File, 0, 90));
        assert_eq!((plan.activations, plan.chunk.get(), plan.held), (299, 2, 199));
    }

    #[test]
    fn rows_of_bf16_take_half_of_the_memory() {
        let half = Demand { dtype: DType::Bf16, ..demand() };
        let plan = MemoryPlan::new(399, &half).unwrap();
        assert_eq!((plan.rows, plan.embedding), (RowPlace::Memory, 100));
        assert_eq!(MemoryPlan::new(199, &half).unwrap().rows, RowPlace::File);
    }

    #[test]
    fn rows_that_leave_no_room_go_to_a_file() {
        let small = Demand { engine: EngineMemory { weights: 320, image: 10 }, images: 2, ..demand() };
        assert_eq!(MemoryPlan::new(410, &small).unwrap().rows, RowPlace::Memory);
        let plan = MemoryPlan::new(400, &small).unwrap();
        assert_eq!((plan.rows, plan.chunk.get()), (RowPlace::File, 1));
    }

    #[test]
    fn rows_that_have_to_be_in_memory_may_take_more_than_half_of_it() {
        let inside = Demand { rows: Some(RowPlace::Memory), ..demand() };
        let plan = MemoryPlan::new(350, &inside).unwrap();
        assert_eq!((plan.rows, plan.embedding, plan.classifier), (RowPlace::Memory, 200, 60));
        let error = MemoryPlan::new(349, &inside).unwrap_err();
        assert_eq!((error.part, error.needed), ("encoding one image", 350));
        let outside = Demand { rows: Some(RowPlace::File), fit: FitMemory::NONE, ..demand() };
        let plan = MemoryPlan::new(1000, &outside).unwrap();
        assert_eq!((plan.rows, plan.embedding, plan.classifier), (RowPlace::File, 0, 0));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let text = |budget, demand: &Demand| MemoryPlan::new(budget, demand).unwrap_err().to_string();
        assert_eq!(text(149, &demand()), "encoding one image needs 150 bytes, the memory budget is 149 bytes");
        assert_eq!(text(89, &demand()), "training the classifier needs 90 bytes, the memory budget is 89 bytes");
        let huge = Demand { engine: EngineMemory { weights: u64::MAX, image: u64::MAX }, ..demand() };
        assert!(MemoryPlan::new(u64::MAX, &huge).is_err());
    }

    #[test]
    fn memory_that_cannot_be_had_halves_the_chunk() {
        let mut plan = MemoryPlan::new(10_000, &demand()).unwrap();
        assert_eq!((plan.chunk.get(), plan.held), (97, 9_700 - 97 * 50));
        plan.fit_to(&demand(), |bytes| bytes <= 100 + 25 * 50).unwrap();
        assert_eq!((plan.chunk.get(), plan.held), (24, 0));
        let error = plan.fit_to(&demand(), |_| false).unwrap_err();
        assert_eq!((error.part, error.needed), ("training the classifier", 260));
        let error = plan.fit_to(&demand(), |bytes| bytes == 260).unwrap_err();
        assert_eq!((error.part, error.needed), ("encoding one image", 150));
    }

    proptest! {
        #[test]
        fn neither_encoding_nor_training_takes_more_than_the_budget(
            budget in 0u64..1 << 40,
            weights in 0u64..1 << 38,
            image in 0u64..1 << 38,
            fit in (0u64..1 << 36, 0u64..1 << 36, 0u64..1 << 36),
            features in 1u64..1 << 20,
            dtype in prop_oneof![Just(DType::F32), Just(DType::Bf16)],
            images in 1u64..1 << 20,
            largest in 1usize..2_000,
        ) {
            let demand = Demand {
                engine: EngineMemory { weights, image },
                fit: FitMemory { weights: fit.0, scores: fit.1, buffers: fit.2 },
                features,
                dtype,
                images,
                largest_chunk: NonZeroUsize::new(largest).unwrap(),
                rows: None,
            };
            if let Ok(plan) = MemoryPlan::new(budget, &demand) {
                let chunk = (image + 8 * features) * plan.chunk.get() as u64;
                prop_assert!(plan.weights + plan.embedding + chunk + plan.held <= budget);
                prop_assert!(plan.embedding + plan.classifier <= budget);
                prop_assert!(plan.chunk.get() <= largest);
                // The chunk takes at most half of the activations, unless one image takes more.
                prop_assert!(chunk <= plan.activations / 2 || plan.chunk.get() == 1);
            } else {
                prop_assert!(weights + image + 8 * features > budget || fit.0 + fit.1 + fit.2 > budget);
            }
        }
    }
}

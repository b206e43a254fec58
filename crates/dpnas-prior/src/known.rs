//! Embedding a set of images of which some rows are there already.

use crate::{Encode, EngineError, Images};
use std::num::NonZeroUsize;

/// The rows of some images of a set: their indices in ascending order, and `[indices, features]`.
#[derive(Clone, Copy, Debug)]
pub struct KnownRows<'a> {
    /// Indices of the images.
    pub indices: &'a [usize],
    /// Their rows.
    pub rows: &'a [f32],
}

impl dyn Encode + '_ {
    /// As `encode_in_chunks`, without computing the rows that are known: they go to `sink` in
    /// their place.
    ///
    /// # Errors
    /// As `encode_in_chunks`.
    ///
    /// # Panics
    /// If an index is no image's, indices do not ascend, or the rows are not one for each index.
    pub fn encode_others_in_chunks<E: From<EngineError>>(
        &self,
        images: Images<'_>,
        chunk: NonZeroUsize,
        known: KnownRows<'_>,
        mut sink: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let features = usize::try_from(self.plan().features()).unwrap_or(usize::MAX);
        assert!(known.rows.len() == known.indices.len().saturating_mul(features), "a row for each index");
        let is_image = known.indices.last().is_none_or(|last| *last < images.len());
        assert!(is_image && known.indices.is_sorted_by(|a, b| a < b), "an image for each index, in ascending order");
        let mut merge = Merge { features, known, next: 0 };
        let (mut gathered, mut start) = (Vec::new(), 0);
        while start < images.len() {
            let (mut end, mut skip) = (start, known.indices.partition_point(|&index| index < start));
            gathered.clear();
            while end < images.len() && gathered.len() < chunk.get().saturating_mul(images.values_per_image()) {
                if known.indices.get(skip) == Some(&end) {
                    skip += 1;
                } else {
                    gathered.extend_from_slice(images.image(end));
                }
                end += 1;
            }
            let block = images.of_same_shape(&gathered);
            self.encode_in_chunks(block, chunk, |rows| merge.rows(rows, &mut sink))?;
            start = end;
        }
        merge.known_rows(&mut sink)
    }
}

/// Puts computed rows between those that are known.
struct Merge<'a> {
    features: usize,
    /// What is left of them.
    known: KnownRows<'a>,
    /// The image whose row comes next.
    next: usize,
}

impl Merge<'_> {
    /// Hands over computed rows, and known ones before and between them.
    fn rows<E>(&mut self, mut rows: &[f32], sink: &mut impl FnMut(&[f32]) -> Result<(), E>) -> Result<(), E> {
        while !rows.is_empty() {
            self.known_rows(sink)?;
            let until = self.known.indices.first().map_or(usize::MAX, |first| first - self.next);
            let count = until.min(rows.len() / self.features);
            let (now, later) = rows.split_at(count * self.features);
            sink(now)?;
            (self.next, rows) = (self.next + count, later);
        }
        Ok(())
    }

    /// Hands over the known rows that come next.
    fn known_rows<E>(&mut self, sink: &mut impl FnMut(&[f32]) -> Result<(), E>) -> Result<(), E> {
        let KnownRows { indices, rows } = self.known;
        let count = indices.iter().enumerate().take_while(|(place, index)| **index == self.next + place).count();
        if count > 0 {
            let (now, later) = rows.split_at(count * self.features);
            sink(now)?;
            self.known = KnownRows { indices: &indices[count..], rows: later };
            self.next += count;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calibration, Moments};
    use dpnas_grammar::{ImageShape, Plan};
    use proptest::prelude::*;

    /// A row is the image.
    struct Copies(Plan);

    impl Encode for Copies {
        fn plan(&self) -> &Plan {
            &self.0
        }

        fn freeze(&mut self, _: Option<(&Calibration, f64)>) -> Result<(), EngineError> {
            Ok(())
        }

        fn encode_into(&self, images: Images<'_>, rows: &mut Vec<f32>) -> Result<(), EngineError> {
            assert!(images.pixels().iter().all(|value| *value >= 0.0), "this row was known");
            *rows = images.pixels().to_vec();
            Ok(())
        }

        fn measure(&self, _: Images<'_>, _: f64, _: NonZeroUsize) -> Result<Vec<Vec<Moments>>, EngineError> {
            Ok(Vec::new())
        }
    }

    proptest! {
        #[test]
        fn every_row_comes_once_and_in_order(known in prop::collection::vec(any::<bool>(), 0..40), chunk in 1usize..9) {
            let plan = "[SM(2)]".parse::<dpnas_grammar::Net>().unwrap().plan(ImageShape::square(2, 1)).unwrap();
            let indices: Vec<usize> = (0..known.len()).filter(|&index| known[index]).collect();
            // An image whose row is known must not be computed: it is negative here.
            let row = |index: usize| [index as f32, 0.5];
            let image = |index: usize| if known[index] { [-1.0, -1.0] } else { row(index) };
            let pixels: Vec<f32> = (0..known.len()).flat_map(image).collect();
            let rows: Vec<f32> = indices.iter().flat_map(|&index| row(index)).collect();
            let (images, chunk) = (Images::new(plan.input(), &pixels).unwrap(), NonZeroUsize::new(chunk).unwrap());
            let mut found = Vec::new();
            let encoder: &dyn Encode = &Copies(plan);
            encoder
                .encode_others_in_chunks(images, chunk, KnownRows { indices: &indices, rows: &rows }, |rows| {
                    found.extend_from_slice(rows);
                    Ok::<(), EngineError>(())
                })
                .unwrap();
            prop_assert_eq!(found, (0..known.len()).flat_map(row).collect::<Vec<f32>>());
        }
    }
}

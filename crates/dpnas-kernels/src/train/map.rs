//! Maps of a block of images.

use crate::buffer::Buffer;
use crate::kernel;
use crate::kernel::rows;
use crate::layout::{CHANNEL_BLOCK, Layout};
use crate::level::Level;
use std::sync::Arc;

/// Size, channels and border of square maps. Further channels of a pixel, up to a whole vector, are zero, and so is the
/// border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(pub(crate) Layout);

impl Shape {
    /// Maps of `size` × `size` pixels.
    pub fn new(size: usize, channels: usize, border: usize) -> Self {
        Self(Layout::padded(size, channels, border))
    }

    /// Maps that only a convolution reads: their pixels are not padded.
    pub fn dense(size: usize, channels: usize, border: usize) -> Self {
        Self(Layout::dense(size, channels, border))
    }

    /// The shape with another border.
    #[must_use]
    pub fn with_border(self, border: usize) -> Self {
        Self(Layout { halo: border, ..self.0 })
    }

    /// Rows and columns.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Channels of a pixel.
    pub fn channels(&self) -> usize {
        self.0.channels
    }
}

/// The maps of at most `room` images. A copy shares the numbers.
#[derive(Clone, Debug)]
pub struct Map {
    pub(super) values: Arc<Buffer<f32>>,
    pub(super) layout: Layout,
    /// Images that the map holds; the numbers of others are zero.
    pub(super) images: usize,
    pub(super) room: usize,
}

/// The gradient's way through a norm: `of_gradient · g + of_input · (x − mean) + constant`, each for every channel, padded
/// as by [`padded`].
#[derive(Clone, Copy, Debug)]
pub struct Coefficients<'a> {
    /// Mean of the input.
    pub mean: &'a [f32],
    /// Factor of the gradient.
    pub of_gradient: &'a [f32],
    /// Factor of the input's deviation.
    pub of_input: &'a [f32],
    /// The rest.
    pub constant: &'a [f32],
}

/// One number of each channel, with zeros up to a whole vector.
pub fn padded(mut values: Vec<f32>) -> Vec<f32> {
    values.resize(values.len().next_multiple_of(CHANNEL_BLOCK), 0.0);
    values
}

impl Map {
    /// Maps that `write` fills; they are zero before.
    pub(super) fn written(layout: Layout, (images, room): (usize, usize), write: impl FnOnce(&mut [f32])) -> Self {
        let mut values = Buffer::zeros(Layout::room(layout.image(), room));
        write(values.as_mut_slice());
        Self { values: Arc::new(values), layout, images, room }
    }

    /// Maps as this one has, in another layout.
    fn like(&self, layout: Layout, write: impl FnOnce(&mut [f32])) -> Self {
        Self::written(layout, (self.images, self.room), write)
    }

    fn source(&self) -> rows::From<'_> {
        (self.values.as_slice(), self.layout)
    }

    fn assert_fits(&self, shape: Shape) {
        assert!(
            self.layout.size == shape.0.size && self.layout.stride == shape.0.stride,
            "maps of one size: {:?} and {shape:?}",
            self.layout
        );
    }

    /// Maps of images, `[image][channel][pixel]`.
    ///
    /// # Panics
    /// If there are more than `room` images.
    pub fn from_rows(level: Level, rows: &[f32], shape: Shape, room: usize) -> Self {
        let layout = shape.0;
        let values = layout.pixels() * layout.channels;
        let images = rows.len() / values.max(1);
        assert!(images <= room, "no more images than there is room for");
        Self::written(layout, (images, room), |map| kernel::fill(level, rows, (map, layout)))
    }

    /// The numbers, `[image][channel][pixel]`.
    pub fn rows(&self, level: Level) -> Vec<f32> {
        let mut rows = vec![0.0; self.images * self.layout.pixels() * self.layout.channels];
        kernel::emit(level, self.source(), &mut rows);
        rows
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Size, channels and border.
    pub fn shape(&self) -> Shape {
        Shape(self.layout)
    }

    /// The same maps with another border; shared if it is the same.
    #[must_use]
    pub fn with_border(&self, level: Level, border: usize) -> Self {
        if self.layout.halo == border {
            return self.clone();
        }
        let layout = Layout { halo: border, ..self.layout };
        self.like(layout, |to| rows::copy(level, self.source(), (to, layout), self.images))
    }

    /// Scales and shifts each channel, and rectifies.
    ///
    /// # Panics
    /// If the shape has another size.
    #[must_use]
    pub fn rectified(&self, level: Level, affine: Option<(&[f32], &[f32])>, shape: Shape) -> Self {
        self.assert_fits(shape);
        self.like(shape.0, |to| kernel::rectify(level, self.source(), (to, shape.0), self.images, affine))
    }

    /// The gradient of a rectifier's input, where this is the output.
    ///
    /// # Panics
    /// If the maps have other sizes.
    #[must_use]
    pub fn unrectified(&self, level: Level, gradient: &Self, shape: Shape) -> Self {
        for map in [self, gradient] {
            map.assert_fits(shape);
        }
        self.like(shape.0, |to| rows::unrectify(level, gradient.source(), self.source(), (to, shape.0), self.images))
    }

    /// As [`unrectified`](Self::unrectified), with two sums over the pixels of each image, `[image][channel]`: of the
    /// gradient, and of its product with `input` − `mean`.
    ///
    /// # Panics
    /// If the maps have other sizes.
    #[must_use]
    pub fn unrectified_with_sums(
        &self,
        level: Level,
        gradient: &Self,
        (input, mean): (&Self, &[f32]),
        shape: Shape,
    ) -> (Self, [Vec<f32>; 2]) {
        for map in [self, gradient, input] {
            map.assert_fits(shape);
        }
        let stride = self.layout.stride;
        assert!(mean.len() >= stride, "a mean for each channel");
        let mut sums = [vec![0.0; self.images * stride], vec![0.0; self.images * stride]];
        let map = self.like(shape.0, |to| {
            let sums = sums.each_mut().map(|sums| &mut sums[..]);
            let maps = (gradient.source(), self.source(), input.source());
            rows::unrectify_and_sum(level, maps.0, maps.1, maps.2, mean, (to, shape.0), sums, self.images);
        });
        (map, sums.map(|sums| self.stored(&sums)))
    }

    /// Mean, and sum of squared deviations from it, of each channel of each image: `[image][channel]`.
    pub fn moments(&self, level: Level) -> [Vec<f32>; 2] {
        let mut stats = kernel::stats(level, self.source(), self.images);
        let (means, deviations) = stats.places();
        [self.stored(means), self.stored(deviations)]
    }

    /// Leaves out the channels that only pad.
    fn stored(&self, values: &[f32]) -> Vec<f32> {
        let Layout { stride, channels, .. } = self.layout;
        values.chunks_exact(stride).flat_map(|values| &values[..channels]).copied().collect()
    }

    /// The gradient of a norm's input, from that of its output and the input, which this is.
    ///
    /// # Panics
    /// If the maps have other sizes, or there is not a coefficient for each channel.
    #[must_use]
    pub fn through_norm(&self, level: Level, gradient: &Self, norm: Coefficients<'_>, shape: Shape) -> Self {
        for map in [self, gradient] {
            map.assert_fits(shape);
        }
        self.like(shape.0, |to| {
            rows::through_norm(level, gradient.source(), self.source(), norm, (to, shape.0), self.images);
        })
    }

    /// The largest of each window of `size` × `size` pixels, every `stride` pixels.
    ///
    /// # Panics
    /// If windows do not lie in the map.
    #[must_use]
    pub fn pooled(&self, level: Level, window: (usize, usize), shape: Shape) -> Self {
        self.like(shape.0, |to| kernel::pool(level, self.source(), (to, shape.0), self.images, window))
    }

    /// The gradient of max pooling's input, which this is: that of a window goes to its first largest pixel.
    ///
    /// # Panics
    /// If the maps have other sizes.
    #[must_use]
    pub fn unpooled(
        &self,
        level: Level,
        (output, gradient): (&Self, &Self),
        window: (usize, usize),
        shape: Shape,
    ) -> Self {
        self.assert_fits(shape);
        gradient.assert_fits(output.shape());
        self.like(shape.0, |to| {
            let maps = (gradient.source(), self.source(), output.source());
            rows::unpool(level, maps.0, maps.1, maps.2, (to, shape.0), self.images, window);
        })
    }

    /// The sum of two maps.
    ///
    /// # Panics
    /// If the maps have other sizes.
    #[must_use]
    pub fn plus(&self, level: Level, other: &Self, shape: Shape) -> Self {
        for map in [self, other] {
            map.assert_fits(shape);
        }
        self.like(shape.0, |to| rows::add(level, self.source(), other.source(), (to, shape.0), self.images))
    }

    /// The product of two maps, number by number.
    ///
    /// # Panics
    /// If the maps have other sizes.
    #[must_use]
    pub fn times(&self, level: Level, other: &Self) -> Self {
        other.assert_fits(self.shape());
        let layout = self.layout;
        self.like(layout, |to| rows::multiply(level, self.source(), other.source(), (to, layout), self.images))
    }
}

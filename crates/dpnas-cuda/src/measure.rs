//! Measuring the input of every norm over a calibration set.

use crate::CudaError;
use crate::convolution::{Activation, Convolution};
use crate::encoder::{CudaEncoder, Map, Op, Residual};
use crate::gpu::launch;
use crate::images::CudaImages;
use cudarc::driver::CudaSlice;
use dpnas_grammar::ImageShape;
use dpnas_prior::{Measure, Moments};

impl CudaEncoder {
    /// Moments of each channel of each image, added to `moments` in the order of the images.
    fn add_moments(&self, map: &Map, images: usize, moments: &mut Moments) -> Result<(), CudaError> {
        let gpu = &self.shared().gpu;
        let ImageShape { channels, height, width } = map.shape;
        let (pixels, len) = (height.saturating_mul(width), images * channels as usize);
        let means: CudaSlice<f32> = gpu.alloc(len, "moments")?;
        let deviations: CudaSlice<f32> = gpu.alloc(len, "moments")?;
        let grid = (images as u32, channels.div_ceil(128), 1);
        launch!(gpu, "moments", grid, 128, 0, &map.values, &means, &deviations, &channels, &pixels);
        let what = "measuring a norm";
        let (means, deviations) = (gpu.read(&means, what)?, gpu.read(&deviations, what)?);
        let rows = means.chunks_exact(channels as usize).zip(deviations.chunks_exact(channels as usize));
        rows.take(images).for_each(|(means, deviations)| moments.add_image(u64::from(pixels), means, deviations));
        Ok(())
    }

    /// Measures norm by norm. All maps of the images before a stage stay on the device.
    pub(crate) fn measured(&self, request: &Measure<'_>) -> Result<Vec<Vec<Moments>>, CudaError> {
        let images = CudaImages::new(self.shared(), request.images)?;
        let starts = (0..images.len).step_by(self.images_at_once());
        let blocks: Vec<usize> = starts.clone().map(|first| self.block(&images, first)).collect();
        let mut maps: Vec<Map> = starts.map(|first| self.feature_map(&images, first)).collect::<Result<_, _>>()?;
        drop(images);
        let norm = |moments: &Moments| moments.stats().fold(request.epsilon);
        let mut measured = Vec::new();
        // The encoder's own filters stay as they are: each norm is folded into a copy.
        for (op, stage) in self.ops.iter().zip(self.plan.stages()) {
            let channels = stage.output.channels as usize;
            let gather = |maps: &[Map], channels: usize| -> Result<Moments, CudaError> {
                let mut moments = Moments::new(channels);
                for (map, block) in maps.iter().zip(&blocks) {
                    self.add_moments(map, *block, &mut moments)?;
                }
                Ok(moments)
            };
            let of_convolution = |convolution: &Convolution, maps: &[Map]| -> Result<Moments, CudaError> {
                let drawn = convolution.with(self.shared(), None)?;
                let mut moments = Moments::new(channels);
                for (map, block) in maps.iter().zip(&blocks) {
                    let output = self.convolve(&drawn, true, map, None, stage.output)?;
                    self.add_moments(&output, *block, &mut moments)?;
                }
                Ok(moments)
            };
            match op {
                Op::Conv(convolution) => {
                    let moments = of_convolution(convolution, &maps)?;
                    let folded = convolution.with(self.shared(), Some(&norm(&moments)))?;
                    for map in &mut maps {
                        *map = self.convolve(&folded, false, map, None, stage.output)?;
                    }
                    measured.push(vec![moments]);
                }
                Op::Residual(block) => {
                    let Residual { a, b, projection, .. } = &**block;
                    let input = gather(&maps, stage.input.channels as usize)?;
                    let mut activation = Activation { affine: None };
                    activation.fold(self.shared(), Some(&norm(&input)))?;
                    let h: Vec<Map> =
                        maps.iter().map(|map| self.activate(&activation, map)).collect::<Result<_, _>>()?;
                    let middle = of_convolution(a, &h)?;
                    let a = a.with(self.shared(), Some(&norm(&middle)))?;
                    let projection = projection.as_ref().map(|p| p.with(self.shared(), None)).transpose()?;
                    let b = b.with(self.shared(), None)?;
                    for (map, h) in maps.iter_mut().zip(h) {
                        let projected = projection
                            .as_ref()
                            .map(|projection| self.convolve(projection, false, &h, None, stage.output))
                            .transpose()?;
                        let h = self.convolve(&a, false, &h, None, stage.output)?;
                        *map = self.convolve(&b, false, &h, Some(projected.as_ref().unwrap_or(map)), stage.output)?;
                    }
                    measured.push(vec![input, middle]);
                }
                Op::MaxPool { size, stride } => {
                    for map in &mut maps {
                        *map = self.max_pool(map, *size, *stride, stage.output)?;
                    }
                    measured.push(Vec::new());
                }
            }
        }
        Ok(measured)
    }
}

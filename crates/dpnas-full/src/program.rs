//! An architecture as lists of operations, cut where a norm needs the statistics of the whole mini-batch.

use crate::model::{Model, Norm, Parameter};
use dpnas_grammar::{ImageShape, Layer};
use dpnas_prior::{ConvWeights, Prior};
use dpnas_seed::Seed;
use dpnas_train::FullConfig;

/// One operation on a feature map and, inside a residual block, on the skip path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Convolves the value.
    Conv { weight: usize, stride: usize, padding: usize },
    /// Rectifies the value.
    Relu,
    /// Max-pools the value.
    MaxPool { size: usize, stride: usize },
    /// Keeps the value as the skip path.
    Fork,
    /// Keeps a 1×1 convolution of the value as the skip path.
    Project { weight: usize },
    /// Adds the skip path to the value.
    Join,
    /// Reshapes the value into a map of one pixel, `[n, features, 1, 1]`.
    Flatten,
    /// Sets some numbers to 0 in training.
    DropOut,
    /// A fully connected layer without bias.
    Linear { weight: usize },
}

/// Operations that need no other image. Segment 0 starts with the images, segment `k` with norm `k − 1`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    pub(crate) ops: Vec<Op>,
}

impl Segment {
    /// The first operation that need not be computed again when the segment's result is known: the last convolution, if
    /// only sums follow it.
    pub(crate) fn known_from(&self) -> usize {
        let tail = self.ops.iter().rev().take_while(|op| matches!(op, Op::Join | Op::Fork)).count();
        let last = self.ops.len() - tail;
        match self.ops[..last].last() {
            Some(Op::Conv { .. } | Op::Linear { .. }) => last - 1,
            _ => self.ops.len(),
        }
    }
}

/// The operations of an architecture, and the sizes of its maps.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) input: ImageShape,
    /// One more than the norms.
    pub(crate) segments: Vec<Segment>,
    /// Values of one image at each norm: its input and the skip path.
    pub(crate) border_elements: Vec<usize>,
    /// Values that enter the last layer.
    pub(crate) last_features: usize,
}

/// The operations and the initial weights of a prior with its classifier.
///
/// # Source
/// SPEC §6, §7.
pub(crate) fn build(prior: &Prior, config: &FullConfig) -> (Program, Model) {
    let plan = prior.plan();
    let mut builder = Builder::new(config, plan.input());
    for (index, stage) in plan.stages().iter().enumerate() {
        builder.stage(index, stage.layer, stage.output, prior.stage(index));
    }
    builder.ops.push(Op::Flatten);
    let output = plan.output();
    builder.value = output.channels as usize * output.height as usize * output.width as usize;
    for (index, units) in plan.net().linear_units().enumerate() {
        builder.linear(&format!("linear.{index}"), units as usize, config.probe.seed, "linear", index as u64);
        builder.norm(&format!("linear.{index}.norm"), units as usize);
        builder.ops.push(Op::Relu);
    }
    if config.probe.drop_out > 0.0 {
        builder.ops.push(Op::DropOut);
    }
    let last_features = builder.value;
    builder.linear("classifier", plan.net().classes() as usize, config.probe.seed, "classifier", 0);
    builder.finish(plan.input(), last_features)
}

struct Builder<'a> {
    config: &'a FullConfig,
    segments: Vec<Segment>,
    /// Operations since the last norm.
    ops: Vec<Op>,
    /// Values of one image in the current map and in the skip path.
    value: usize,
    skip: usize,
    border_elements: Vec<usize>,
    model: Model,
}

impl<'a> Builder<'a> {
    fn new(config: &'a FullConfig, input: ImageShape) -> Self {
        let value = input.channels as usize * input.height as usize * input.width as usize;
        Self {
            config,
            segments: Vec::new(),
            ops: Vec::new(),
            value,
            skip: 0,
            border_elements: Vec::new(),
            model: Model::default(),
        }
    }

    fn stage(&mut self, index: usize, layer: Layer, output: ImageShape, weights: &[ConvWeights]) {
        let channels = output.channels as usize;
        let elements = channels * output.height as usize * output.width as usize;
        let name = |part: &str| format!("encoder.{index}.{part}");
        match (layer, weights) {
            (Layer::Conv { .. }, [conv]) => {
                let op = self.conv(name("conv"), conv);
                self.ops.push(op);
                self.value = elements;
                self.norm(&name("norm"), channels);
                self.ops.push(Op::Relu);
            }
            (Layer::Residual { .. }, [a, b, projection @ ..]) => {
                let input_channels = a.shape().in_channels as usize;
                if projection.is_empty() {
                    self.ops.push(Op::Fork);
                    self.skip = self.value;
                }
                self.norm(&name("norm_a"), input_channels);
                self.ops.push(Op::Relu);
                if let [projection] = projection {
                    let weight = self.weights(name("projection"), projection);
                    self.ops.push(Op::Project { weight });
                    self.skip = elements;
                }
                let op = self.conv(name("conv_a"), a);
                self.ops.push(op);
                self.value = elements;
                self.norm(&name("norm_b"), channels);
                let op = self.conv(name("conv_b"), b);
                self.ops.extend([Op::Relu, op, Op::Join]);
                self.skip = 0;
            }
            (Layer::MaxPool { size, stride }, _) => {
                self.ops.push(Op::MaxPool { size: size as usize, stride: stride as usize });
                self.value = elements;
            }
            // Not reached: the stages of a plan are encoder layers, and a prior has the weights of each.
            _ => {}
        }
    }

    fn conv(&mut self, name: String, weights: &ConvWeights) -> Op {
        let (stride, padding) = (weights.shape().stride as usize, weights.shape().padding as usize);
        Op::Conv { weight: self.weights(name, weights), stride, padding }
    }

    fn weights(&mut self, name: String, weights: &ConvWeights) -> usize {
        let shape = weights.shape();
        let [out, input, kernel] = [shape.out_channels, shape.in_channels, shape.kernel].map(|n| n as usize);
        self.parameter(name, [out, input, kernel, kernel], weights.values().to_vec())
    }

    /// A fully connected layer, uniform in ±1/√inputs.
    fn linear(&mut self, name: &str, units: usize, seed: Seed, purpose: &str, index: u64) {
        let mut values = vec![0.0; units * self.value];
        let bound = (1.0 / (self.value as f64).sqrt()) as f32;
        seed.stream(purpose, index).fill_uniform(0, -bound, bound, &mut values);
        let weight = self.parameter(name.to_owned(), [units, self.value, 1, 1], values);
        self.ops.push(Op::Linear { weight });
        self.value = units;
    }

    fn parameter(&mut self, name: String, shape: [usize; 4], values: Vec<f32>) -> usize {
        self.model.weights.push(Parameter::new(format!("{name}.weight"), shape.to_vec(), values));
        self.model.weights.len() - 1
    }

    /// Ends a segment, unless normalisation is off.
    fn norm(&mut self, name: &str, channels: usize) {
        if self.config.norm_epsilon > 0.0 {
            self.segments.push(Segment { ops: std::mem::take(&mut self.ops) });
            self.border_elements.push(self.value + self.skip);
            self.model.norms.push(Norm::new(name, channels));
        }
    }

    fn finish(mut self, input: ImageShape, last_features: usize) -> (Program, Model) {
        self.segments.push(Segment { ops: self.ops });
        let program = Program { input, segments: self.segments, border_elements: self.border_elements, last_features };
        (program, self.model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_grammar::Net;
    use dpnas_prior::WeightInit;

    fn with_drop_out(drop_out: f32) -> FullConfig {
        let mut config = FullConfig::paper(Seed(1));
        config.probe.drop_out = drop_out;
        config
    }

    fn built(net: &str, config: &FullConfig) -> (Program, Model) {
        let plan = net.parse::<Net>().unwrap().plan(ImageShape::square(2, 6)).unwrap();
        build(&Prior::draw(&plan, WeightInit::KaimingNormal, Seed(1)).unwrap(), config)
    }

    #[test]
    fn segments_are_cut_at_the_norms() {
        let net = "[C(3,3,1,1,1), P(2,2,0,0), C(4,3,1,1,0), C(4,3,1,1,0), FC(5), SM(7)]";
        let (program, model) = built(net, &with_drop_out(0.5));
        let conv = |weight| Op::Conv { weight, stride: 1, padding: 1 };
        let segments: Vec<&[Op]> = program.segments.iter().map(|segment| &segment.ops[..]).collect();
        assert_eq!(
            segments,
            [
                &[conv(0)][..],
                &[Op::Relu, Op::MaxPool { size: 2, stride: 2 }],
                &[Op::Relu, Op::Project { weight: 1 }, conv(2)],
                &[Op::Relu, conv(3), Op::Join, Op::Fork],
                &[Op::Relu, conv(4)],
                &[Op::Relu, conv(5), Op::Join, Op::Flatten, Op::Linear { weight: 6 }],
                &[Op::Relu, Op::DropOut, Op::Linear { weight: 7 }],
            ]
        );
        // Maps are 6×6 and, after pooling, 3×3. Within a residual block the skip path is counted too.
        assert_eq!(program.border_elements, [3 * 36, 3 * 9, 2 * 4 * 9, 2 * 4 * 9, 2 * 4 * 9, 5]);
        assert_eq!(program.last_features, 5);
        let known: Vec<usize> = program.segments.iter().map(Segment::known_from).collect();
        assert_eq!(known, [0, 2, 2, 1, 1, 4, 2]);
        let names: Vec<&str> = model.weights.iter().map(|weight| weight.name.as_str()).collect();
        assert_eq!(names[..3], ["encoder.0.conv.weight", "encoder.2.projection.weight", "encoder.2.conv_a.weight"]);
        assert_eq!(names[6..], ["linear.0.weight", "classifier.weight"]);
        assert_eq!(model.weights[6].shape, [5, 36, 1, 1]);
        assert_eq!(model.norms.len(), 6);
        assert!(model.weights[6].values.iter().all(|x| x.abs() <= 1.0 / 6.0));
    }

    #[test]
    fn without_normalisation_there_is_one_segment() {
        let config = FullConfig { norm_epsilon: 0.0, ..FullConfig::paper(Seed(1)) };
        let (program, model) = built("[C(3,3,1,1,1), C(3,3,1,1,0), FC(4), SM(7)]", &config);
        assert_eq!((program.segments.len(), model.norms.len()), (1, 0));
    }
}

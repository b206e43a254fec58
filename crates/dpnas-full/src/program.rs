//! An architecture as lists of operations, cut where a norm needs the statistics of the whole mini-batch.

use crate::model::{Model, Norm, Parameter};
use dpnas_grammar::{ConvShape, ImageShape, Layer, Plan, Stage};
use dpnas_prior::{ConvWeights, DrawError, Prior, WeightInit};
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

impl Op {
    /// The weight that the operation multiplies with.
    pub(crate) fn weight(&self) -> Option<usize> {
        match *self {
            Self::Conv { weight, .. } | Self::Project { weight } | Self::Linear { weight } => Some(weight),
            _ => None,
        }
    }
}

/// A weight before it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    name: String,
    /// `[out, in, kernel, kernel]`.
    pub(crate) shape: [usize; 4],
    source: Source,
}

/// Where the initial values of a weight come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A convolution of the prior, counted over all stages.
    Prior(usize),
    /// A stream by its purpose and index.
    Stream(&'static str, u64),
}

impl Weight {
    /// Number of values.
    pub(crate) fn values(&self) -> u64 {
        self.shape.iter().fold(1, |all, &n| all.saturating_mul(n as u64))
    }
}

/// The operations of an architecture, and the sizes of its weights and maps.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) input: ImageShape,
    /// One more than the norms.
    pub(crate) segments: Vec<Segment>,
    /// Channels and pixels of the maps at each norm: its input and, if there is one, the skip path.
    borders: Vec<[(usize, usize); 2]>,
    /// Values that enter the last layer.
    pub(crate) last_features: usize,
    pub(crate) classes: usize,
    pub(crate) weights: Vec<Weight>,
    /// Names and channels of the norms.
    norms: Vec<(String, usize)>,
}

/// The operations of a plan with its classifier. Nothing is drawn.
///
/// # Source
/// SPEC §6, §7.
pub(crate) fn build(plan: &Plan, config: &FullConfig) -> Program {
    let mut builder = Builder::new(config, plan.input());
    for (index, stage) in plan.stages().iter().enumerate() {
        builder.stage(index, stage);
    }
    builder.ops.push(Op::Flatten);
    let output = plan.output();
    builder.value = (output.channels as usize * output.height as usize * output.width as usize, 1);
    for (index, units) in plan.net().linear_units().enumerate() {
        builder.linear(&format!("linear.{index}"), units as usize, "linear", index as u64);
        builder.norm(&format!("linear.{index}.norm"), units as usize);
        builder.ops.push(Op::Relu);
    }
    if config.probe.drop_out > 0.0 {
        builder.ops.push(Op::DropOut);
    }
    let last_features = builder.value.0;
    builder.linear("classifier", plan.net().classes() as usize, "classifier", 0);
    builder.finish(plan.input(), last_features)
}

impl Program {
    /// Numbers that are stored of one image at each norm, with channels in whole blocks.
    pub(crate) fn border_elements(&self, channel_block: usize) -> impl Iterator<Item = usize> {
        let stored = move |(channels, pixels): (usize, usize)| channels.next_multiple_of(channel_block) * pixels;
        self.borders.iter().map(move |maps| maps.map(stored).iter().sum())
    }

    /// The convolution of an operation that multiplies, on maps of some size and channels. A fully connected layer is one as
    /// large as its map.
    pub(crate) fn convolution(&self, op: &Op, (size, channels): (usize, usize)) -> Option<ConvShape> {
        let [out_channels, in_channels, kernel, _] = self.weights[op.weight()?].shape.map(|n| n as u32);
        Some(match *op {
            Op::Conv { stride, padding, .. } => {
                ConvShape { in_channels, out_channels, kernel, stride: stride as u32, padding: padding as u32 }
            }
            Op::Linear { .. } => {
                let (in_channels, kernel) = (channels as u32, size as u32);
                ConvShape { in_channels, out_channels, kernel, stride: 1, padding: 0 }
            }
            _ => ConvShape { in_channels, out_channels, kernel, stride: 1, padding: 0 },
        })
    }

    /// Draws the initial weights: those of the prior, and fully connected layers uniform in ±1/√inputs by `seed`.
    pub(crate) fn draw(
        &self,
        plan: &Plan,
        init: WeightInit,
        weight_seed: Seed,
        seed: Seed,
    ) -> Result<Model, DrawError> {
        let mut convolutions: Vec<_> =
            Prior::draw(plan, init, weight_seed)?.into_convolutions().map(ConvWeights::into_values).collect();
        let weights = self.weights.iter().map(|Weight { name, shape, source }| {
            let values = match *source {
                Source::Prior(index) => convolutions.get_mut(index).map(std::mem::take).unwrap_or_default(),
                Source::Stream(purpose, index) => {
                    let mut values = vec![0.0; shape[0] * shape[1]];
                    let bound = (1.0 / (shape[1] as f64).sqrt()) as f32;
                    seed.stream(purpose, index).fill_uniform(0, -bound, bound, &mut values);
                    values
                }
            };
            Parameter::new(format!("{name}.weight"), shape.to_vec(), values)
        });
        Ok(Model {
            weights: weights.collect(),
            norms: self.norms.iter().map(|(name, channels)| Norm::new(name, *channels)).collect(),
            steps: 0,
        })
    }
}

struct Builder<'a> {
    config: &'a FullConfig,
    segments: Vec<Segment>,
    /// Operations since the last norm.
    ops: Vec<Op>,
    /// Channels and pixels of the current map and of the skip path.
    value: (usize, usize),
    skip: (usize, usize),
    borders: Vec<[(usize, usize); 2]>,
    weights: Vec<Weight>,
    norms: Vec<(String, usize)>,
    /// Convolutions of the stages so far.
    convolutions: usize,
}

impl<'a> Builder<'a> {
    fn new(config: &'a FullConfig, input: ImageShape) -> Self {
        let value = (input.channels as usize, input.height as usize * input.width as usize);
        Self {
            config,
            segments: Vec::new(),
            ops: Vec::new(),
            value,
            skip: (0, 0),
            borders: Vec::new(),
            weights: Vec::new(),
            norms: Vec::new(),
            convolutions: 0,
        }
    }

    fn stage(&mut self, index: usize, stage: &Stage) {
        let output = stage.output;
        let channels = output.channels as usize;
        let map = (channels, output.height as usize * output.width as usize);
        let name = |part: &str| format!("encoder.{index}.{part}");
        let shapes: Vec<ConvShape> = stage.weights().collect();
        let first = self.convolutions;
        self.convolutions += shapes.len();
        match (stage.layer, &shapes[..]) {
            (Layer::Conv { .. }, [conv]) => {
                let op = self.conv(name("conv"), first, conv);
                self.ops.push(op);
                self.value = map;
                self.norm(&name("norm"), channels);
                self.ops.push(Op::Relu);
            }
            (Layer::Residual { .. }, [a, b, projection @ ..]) => {
                let input_channels = a.in_channels as usize;
                if projection.is_empty() {
                    self.ops.push(Op::Fork);
                    self.skip = self.value;
                }
                self.norm(&name("norm_a"), input_channels);
                self.ops.push(Op::Relu);
                if let [projection] = projection {
                    let weight = self.convolution(name("projection"), first + 2, projection);
                    self.ops.push(Op::Project { weight });
                    self.skip = map;
                }
                let op = self.conv(name("conv_a"), first, a);
                self.ops.push(op);
                self.value = map;
                self.norm(&name("norm_b"), channels);
                let op = self.conv(name("conv_b"), first + 1, b);
                self.ops.extend([Op::Relu, op, Op::Join]);
                self.skip = (0, 0);
            }
            (Layer::MaxPool { size, stride }, _) => {
                self.ops.push(Op::MaxPool { size: size as usize, stride: stride as usize });
                self.value = map;
            }
            // Not reached: the stages of a plan are encoder layers, and a prior has the weights of each.
            _ => {}
        }
    }

    fn conv(&mut self, name: String, index: usize, conv: &ConvShape) -> Op {
        let (stride, padding) = (conv.stride as usize, conv.padding as usize);
        Op::Conv { weight: self.convolution(name, index, conv), stride, padding }
    }

    fn convolution(&mut self, name: String, index: usize, conv: &ConvShape) -> usize {
        let [out, input, kernel] = [conv.out_channels, conv.in_channels, conv.kernel].map(|n| n as usize);
        self.weight(name, [out, input, kernel, kernel], Source::Prior(index))
    }

    /// A fully connected layer.
    fn linear(&mut self, name: &str, units: usize, purpose: &'static str, index: u64) {
        let weight = self.weight(name.to_owned(), [units, self.value.0, 1, 1], Source::Stream(purpose, index));
        self.ops.push(Op::Linear { weight });
        self.value = (units, 1);
    }

    fn weight(&mut self, name: String, shape: [usize; 4], source: Source) -> usize {
        self.weights.push(Weight { name, shape, source });
        self.weights.len() - 1
    }

    /// Ends a segment, unless normalisation is off.
    fn norm(&mut self, name: &str, channels: usize) {
        if self.config.norm_epsilon > 0.0 {
            self.segments.push(Segment { ops: std::mem::take(&mut self.ops) });
            self.borders.push([self.value, self.skip]);
            self.norms.push((name.to_owned(), channels));
        }
    }

    fn finish(mut self, input: ImageShape, last_features: usize) -> Program {
        self.segments.push(Segment { ops: self.ops });
        let Self { segments, borders, weights, norms, value: (classes, _), .. } = self;
        Program { input, segments, borders, last_features, classes, weights, norms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_grammar::Net;

    fn with_drop_out(drop_out: f32) -> FullConfig {
        let mut config = FullConfig::paper(Seed(1));
        config.probe.drop_out = drop_out;
        config
    }

    fn built(net: &str, config: &FullConfig) -> (Program, Model) {
        let plan = net.parse::<Net>().unwrap().plan(ImageShape::square(2, 6)).unwrap();
        let program = build(&plan, config);
        let model = program.draw(&plan, WeightInit::KaimingNormal, Seed(1), config.probe.seed).unwrap();
        (program, model)
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
        let elements: Vec<usize> = program.border_elements(1).collect();
        assert_eq!(elements, [3 * 36, 3 * 9, 2 * 4 * 9, 2 * 4 * 9, 2 * 4 * 9, 5]);
        assert_eq!(program.border_elements(16).collect::<Vec<_>>(), [16 * 36, 16 * 9, 32 * 9, 32 * 9, 32 * 9, 16]);
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

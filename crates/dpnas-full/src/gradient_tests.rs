//! Gradients of a mini-batch, compared with those of burn's autodiff on the whole mini-batch at once.

use crate::batch::{Batch, BatchResult};
use crate::burn_device::{BurnDevice, read};
use crate::cpu::Cpu;
use crate::device::{Device, Place};
use crate::machine::Machine;
use crate::model::Model;
use crate::pass::{Pass, State};
use crate::program::{Program, build};
use burn::backend::Autodiff;
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use dpnas_grammar::{ImageShape, Net};
use dpnas_kernels::{Level, Precision};
use dpnas_prior::{Images, WeightInit};
use dpnas_seed::Seed;
use dpnas_train::{Examples, FullConfig};

const NETS: [&str; 6] = [
    "[C(3,3,1,1,1), P(2,2,0,0), C(5,3,2,1,1), SM(4)]",
    "[C(4,3,1,1,0), C(4,3,1,1,0), P(3,2,0,0), C(6,3,1,1,0), SM(4)]",
    "[C(3,5,2,2,1), C(4,1,1,0,1), C(4,1,1,1,1), FC(6), FC(5), SM(4)]",
    "[P(2,1,0,0), C(4,4,1,3,1), P(2,2,0,0), C(4,3,1,1,0), FC(3), SM(4)]",
    "[C(5,3,1,1,1), C(5,3,1,1,0), C(7,3,1,1,0), P(2,2,0,0), SM(4)]",
    "[FC(7), SM(4)]",
];

const IMAGES: usize = 8;

fn with_drop_out(drop_out: f32) -> FullConfig {
    let mut config = FullConfig::paper(Seed(1));
    config.probe.drop_out = drop_out;
    config
}

struct Case {
    program: Program,
    model: Model,
    config: FullConfig,
    pixels: Vec<f32>,
    labels: Vec<u32>,
}

impl Case {
    fn new(net: &str, config: FullConfig) -> Self {
        let plan = net.parse::<Net>().unwrap().plan(ImageShape::square(2, 7)).unwrap();
        let program = build(&plan, &config);
        let mut model = program.draw(&plan, WeightInit::KaimingNormal, Seed(3), config.probe.seed).unwrap();
        // Different scales and shifts.
        for (index, norm) in model.norms.iter_mut().enumerate() {
            let stream = Seed(5).stream("test norms", index as u64);
            stream.fill_uniform(0, 0.5, 1.5, &mut norm.scale.values);
            stream.fill_uniform(1000, -0.3, 0.3, &mut norm.shift.values);
        }
        let mut pixels = vec![0.0; IMAGES * 2 * 49];
        Seed(7).stream("test images", 0).fill_uniform(0, 0.0, 1.0, &mut pixels);
        let labels = (0..IMAGES as u32).map(|image| image * 7 % 4).collect();
        Self { program, model, config, pixels, labels }
    }

    fn ours<B: Backend>(&self, block: usize, lanes: usize, held: impl Fn(usize) -> bool) -> BatchResult {
        let device = BurnDevice::<B> { program: &self.program, device: &Default::default() };
        self.on(device, block, lanes, held)
    }

    fn on<D: Device>(&self, device: D, block: usize, lanes: usize, held: impl Fn(usize) -> bool) -> BatchResult {
        let images = Images::new(self.program.input, &self.pixels).unwrap();
        let machine = Machine {
            program: &self.program,
            device,
            norm_epsilon: self.config.norm_epsilon,
            block,
            lanes,
            held: (0..self.model.norms.len()).map(held).collect(),
        };
        let rows: Vec<usize> = (0..IMAGES).rev().collect();
        let drop_out =
            (self.config.probe.drop_out > 0.0).then(|| (Seed(1).stream("drop-out", 0), self.config.probe.drop_out));
        let batch = Batch { examples: Examples::new(images, &self.labels).unwrap(), rows: &rows, drop_out };
        machine.gradient(&self.model, &batch).unwrap().unwrap()
    }

    /// Loss and gradients by autodiff, with the whole mini-batch at once and in the order of the set.
    fn by_autodiff<B: Backend>(&self) -> (f64, Vec<Vec<f32>>) {
        type Tracked<B> = Autodiff<B>;
        let device = Default::default();
        let upload = |values: &[f32], shape: Vec<usize>| -> Tensor<Tracked<B>, 4> {
            Tensor::from_data(TensorData::new(values.to_vec(), shape), &device).require_grad()
        };
        let weights: Vec<_> = self.model.weights.iter().map(|w| upload(&w.values, w.shape.clone())).collect();
        let norms: Vec<_> = self
            .model
            .norms
            .iter()
            .map(|n| [&n.scale, &n.shift].map(|p| upload(&p.values, vec![1, p.values.len(), 1, 1])))
            .collect();
        let shape = vec![IMAGES, 2, 7, 7];
        let images = Tensor::from_data(TensorData::new(self.pixels.clone(), shape), &device);
        let pass =
            Pass { device: &BurnDevice { program: &self.program, device: &device }, weights: &weights, mask: None };
        let mut state = State::new(images);
        for (index, segment) in self.program.segments.iter().enumerate() {
            if let Some(index) = index.checked_sub(1) {
                let [scale, shift] = norms[index].clone();
                let mean = |x: Tensor<Tracked<B>, 4>| x.mean_dim(0).mean_dim(2).mean_dim(3);
                let centred = state.value.clone() - mean(state.value.clone());
                let deviation = (mean(centred.clone() * centred.clone()) + self.config.norm_epsilon).sqrt();
                state.value = centred / deviation * scale + shift;
            }
            for (op, kind) in segment.ops.iter().enumerate() {
                state = kind.forward(Place { segment: index, op }, state, None, &pass).0;
            }
        }
        let [n, classes, ..] = state.value.dims();
        let labels: Vec<i64> = self.labels.iter().map(|&label| label.into()).collect();
        let labels = Tensor::<Tracked<B>, 2, Int>::from_data(TensorData::new(labels, [n, 1]), &device);
        let loss = -log_softmax(state.value.reshape([n, classes]), 1).gather(1, labels).mean();
        let gradients = loss.backward();
        let all = weights.into_iter().chain(norms.into_iter().flatten());
        let gradients = all.map(|tensor| read(tensor.grad(&gradients).unwrap()).unwrap()).collect();
        (f64::from(read(loss).unwrap()[0]), gradients)
    }
}

fn flat(result: &BatchResult) -> Vec<Vec<f32>> {
    result.gradient.weights.iter().chain(result.gradient.norms.iter().flatten()).cloned().collect()
}

/// The largest difference, relative to the largest number of the array.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-6f32, |largest, x| largest.max(x.abs()));
    a.iter().zip(b).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / largest
}

fn agrees_with_autodiff<B: Backend>(epsilon: f64) {
    agrees::<B>(epsilon, |case, block| case.ours::<B>(block, 1, |_| true));
}

/// Compares the gradients of blocks of some images with those of autodiff on the whole mini-batch.
fn agrees<B: Backend>(epsilon: f64, gradients: impl Fn(&Case, usize) -> BatchResult) {
    for net in NETS {
        let case = Case::new(net, FullConfig { norm_epsilon: epsilon, ..FullConfig::paper(Seed(1)) });
        let (loss, expected) = case.by_autodiff::<B>();
        for block in [3, 8] {
            let ours = gradients(&case, block);
            assert!((ours.loss / IMAGES as f64 - loss).abs() < 1e-5 * loss, "{net}: {} {loss}", ours.loss);
            let names: Vec<String> = case.model.clone().parameters_mut().map(|p| p.name.clone()).collect();
            for ((name, ours), expected) in names.iter().zip(flat(&ours)).zip(&expected) {
                let distance = distance(&ours, expected);
                assert!(distance < 2e-4, "{net}, blocks of {block}, {name}: {distance}\n{ours:?}\n{expected:?}");
            }
        }
    }
}

#[test]
fn gradients_are_those_of_autodiff_on_the_whole_mini_batch() {
    agrees_with_autodiff::<Flex>(1e-3);
    agrees_with_autodiff::<NdArray>(1e-3);
}

#[test]
fn gradients_without_normalisation_are_those_of_autodiff() {
    agrees_with_autodiff::<Flex>(0.0);
}

#[test]
fn gradients_of_the_kernels_are_those_of_autodiff() {
    for level in Level::available(Precision::F32) {
        for epsilon in [1e-3, 0.0] {
            agrees::<Flex>(epsilon, |case, block| {
                case.on(Cpu::new(level, &case.program, (block, IMAGES)), block, 1, |_| true)
            });
        }
    }
}

#[test]
fn blocks_of_three_and_of_eight_give_the_same_update_of_eight_images() {
    for net in NETS {
        let case = Case::new(net, with_drop_out(0.3));
        let whole = case.ours::<Flex>(8, 1, |_| true);
        let parts = case.ours::<Flex>(3, 1, |_| true);
        assert_eq!(whole.correct, parts.correct);
        for (a, b) in flat(&whole).iter().zip(&flat(&parts)) {
            assert!(distance(a, b) < 1e-5, "{net}: {}", distance(a, b));
        }
    }
}

#[test]
fn neither_the_blocks_computed_at_once_nor_the_held_maps_change_a_bit() {
    for net in NETS {
        let case = Case::new(net, with_drop_out(0.3));
        let expected = case.ours::<Flex>(2, 1, |_| true);
        for lanes in [1, 2, 4] {
            let held: [fn(usize) -> bool; 4] = [|_| true, |_| false, |norm| norm % 2 == 0, |norm| norm % 3 == 1];
            for held in held {
                let other = case.ours::<Flex>(2, lanes, held);
                assert_eq!(other.gradient, expected.gradient, "{net}");
                assert_eq!((other.loss, other.correct), (expected.loss, expected.correct));
                assert_eq!(other.moments, expected.moments);
            }
        }
    }
}

#[test]
fn statistics_are_those_of_the_whole_mini_batch() {
    let case = Case::new("[C(3,3,1,1,1), SM(4)]", FullConfig::paper(Seed(1)));
    let images =
        Tensor::<Flex, 4>::from_data(TensorData::new(case.pixels.clone(), [IMAGES, 2, 7, 7]), &Default::default());
    let weight = &case.model.weights[0];
    let weights =
        vec![Tensor::from_data(TensorData::new(weight.values.clone(), weight.shape.clone()), &Default::default())];
    let device = &BurnDevice { program: &case.program, device: &Default::default() };
    let (pass, at) = (Pass { device, weights: &weights, mask: None }, Place { segment: 0, op: 0 });
    let (state, _) = case.program.segments[0].ops[0].forward(at, State::new(images), None, &pass);
    let value = state.value.swap_dims(0, 1).reshape([3, IMAGES * 49]);
    let (variance, mean) = value.var_mean(1);
    let unbiased = case.ours::<Flex>(3, 1, |_| true).moments[0].unbiased_stats();
    assert!(distance(&unbiased.mean, &read(mean).unwrap()) < 1e-5);
    assert!(distance(&unbiased.variance, &read(variance).unwrap()) < 1e-5);
    // Running averages move by a tenth towards them.
    let mut norm = case.model.norms[0].clone();
    norm.update(&case.ours::<Flex>(3, 1, |_| true).moments[0]);
    for channel in 0..3 {
        assert!((norm.running.mean[channel] - 0.1 * unbiased.mean[channel]).abs() < 1e-6);
        assert!((norm.running.variance[channel] - 0.9 - 0.1 * unbiased.variance[channel]).abs() < 1e-6);
    }
}

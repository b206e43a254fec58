//! Evolution whose children are ranked by a surrogate.

use crate::{Evolution, History, Proposal, Space, Strategy};
use dpnas_grammar::{Layer, Net, Plan};
use dpnas_seed::Rng;

/// Evolution that makes many children and draws the one with the largest predicted reward. The prediction is a ridge regression
/// on numbers of the plan and their squares, fitted anew to the youngest architectures.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Predictor {
    /// What makes children.
    pub evolution: Evolution,
    /// Children that are ranked.
    pub children: usize,
}

impl Default for Predictor {
    fn default() -> Self {
        Self { evolution: Evolution::default(), children: 32 }
    }
}

/// Fewest architectures to fit.
const FEWEST: usize = 12;
/// Youngest architectures that are fitted.
const YOUNGEST: usize = 400;
/// λ of the regression, for standardised numbers.
const LAMBDA: f64 = 3.0;

impl Strategy for Predictor {
    fn name(&self) -> String {
        format!("{}, the best of {} by a ridge regression on plans", self.evolution.name(), self.children)
    }

    fn propose(&self, space: &Space, history: &History<'_>, rng: &mut Rng) -> Option<Proposal> {
        let known: Vec<(&[f64], f64)> = history
            .scored_members()
            .rev()
            .take(YOUNGEST)
            .filter_map(|member| {
                let plan = || Some(numbers(&member.net.plan(space.input()).ok()?));
                Some((member.numbers.get_or_init(plan).as_deref()?, member.value))
            })
            .collect();
        let model = (known.len() >= FEWEST).then(|| Model::fit(&known)).flatten();
        let Some(model) = model else { return self.evolution.propose(space, history, rng) };
        let predicted =
            |net: &Net| net.plan(space.input()).map_or(f64::NEG_INFINITY, |plan| model.predict(&numbers(&plan)));
        let children = (0..self.children.max(1)).filter_map(|_| self.evolution.propose(space, history, rng));
        let fresh = children.filter(|child| !history.has_drawn(&child.net));
        fresh.map(|child| (predicted(&child.net), child)).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, child)| child)
    }
}

/// Numbers of a plan that may tell good architectures from bad ones.
fn numbers(plan: &Plan) -> Vec<f64> {
    // Of this library, which gives the same bits on every platform.
    let log = |value: u64| libm::log2(value.max(1) as f64);
    let (mut convolutions, mut pools, mut padded, mut kernels) = (0.0, 0.0, 0.0, 0.0f64);
    let (mut field, mut jump, mut first, mut last, mut narrowest) = (1.0, 1.0, 0.0, 0.0, f64::INFINITY);
    for layer in plan.net().layers() {
        let (features, kernel, stride, times) = match *layer {
            Layer::Conv { features, kernel, stride, padding } => {
                padded += f64::from(u8::from(padding > 0));
                (Some(features), kernel, stride, 1.0)
            }
            Layer::Residual { features } => (Some(features), 3, 1, 2.0),
            Layer::MaxPool { size, stride } => (None, size, stride, 1.0),
            Layer::Linear { .. } | Layer::Softmax { .. } => continue,
        };
        field += f64::from(kernel.saturating_sub(1)) * jump * times;
        jump *= f64::from(stride);
        match features {
            Some(features) => {
                let width = log(u64::from(features));
                first = if convolutions == 0.0 { width } else { first };
                (last, narrowest) = (width, narrowest.min(width));
                convolutions += times;
                kernels += f64::from(kernel) * times;
            }
            None => pools += 1.0,
        }
    }
    let map = plan.stages().last().map_or(1, |stage| u64::from(stage.output.height) * u64::from(stage.output.width));
    vec![
        log(plan.features()),
        log(plan.multiply_adds()),
        log(plan.parameters()),
        log(map),
        convolutions,
        pools,
        padded,
        kernels / f64::max(convolutions, 1.0),
        libm::log2(field),
        libm::log2(jump),
        first,
        last,
        if narrowest.is_finite() { narrowest } else { 0.0 },
    ]
}

/// A ridge regression on standardised numbers and their squares.
struct Model {
    /// Mean and deviation of each number.
    scales: Vec<(f64, f64)>,
    weights: Vec<f64>,
    mean: f64,
}

impl Model {
    fn fit(known: &[(&[f64], f64)]) -> Option<Self> {
        let rows = known.len() as f64;
        let mean = known.iter().map(|(_, reward)| reward).sum::<f64>() / rows;
        let scale = |place: usize| {
            let mean = known.iter().map(|(numbers, _)| numbers[place]).sum::<f64>() / rows;
            let square = known.iter().map(|(numbers, _)| (numbers[place] - mean).powi(2)).sum::<f64>() / rows;
            (mean, square.sqrt().max(1e-9))
        };
        let scales: Vec<(f64, f64)> = (0..known.first()?.0.len()).map(scale).collect();
        let features: Vec<Vec<f64>> = known.iter().map(|(numbers, _)| features(numbers, &scales)).collect();
        let size = features[0].len();
        let mut system: Vec<Vec<f64>> = (0..size).map(|i| vec![0.0; i + 1]).collect();
        for row in &features {
            for (sums, value) in system.iter_mut().zip(row) {
                sums.iter_mut().zip(row).for_each(|(sum, other)| *sum += value * other);
            }
        }
        (0..size).for_each(|i| system[i][i] += LAMBDA);
        let side = |i: usize| features.iter().zip(known).map(|(row, (_, reward))| row[i] * (reward - mean)).sum();
        Some(Self { weights: solve(system, (0..size).map(side).collect())?, scales, mean })
    }

    fn predict(&self, numbers: &[f64]) -> f64 {
        let features = features(numbers, &self.scales);
        self.mean + features.iter().zip(&self.weights).map(|(value, weight)| value * weight).sum::<f64>()
    }
}

/// Standardised numbers and their squares about 1, the mean of a square.
fn features(numbers: &[f64], scales: &[(f64, f64)]) -> Vec<f64> {
    let standard =
        numbers.iter().zip(scales).map(|(value, (mean, deviation))| ((value - mean) / deviation).clamp(-3.0, 3.0));
    standard.clone().chain(standard.map(|value| value * value - 1.0)).collect()
}

/// Solves a positive definite system, given by its lower triangle, by Cholesky's method.
fn solve(mut system: Vec<Vec<f64>>, mut side: Vec<f64>) -> Option<Vec<f64>> {
    let size = side.len();
    for i in 0..size {
        for j in 0..=i {
            let rest = system[i][j] - (0..j).map(|k| system[i][k] * system[j][k]).sum::<f64>();
            system[i][j] = if i == j { rest.sqrt() } else { rest / system[j][j] };
        }
        if !(system[i][i] > 0.0 && system[i][i].is_finite()) {
            return None;
        }
        side[i] = (side[i] - (0..i).map(|k| system[i][k] * side[k]).sum::<f64>()) / system[i][i];
    }
    for i in (0..size).rev() {
        side[i] = (side[i] - (i + 1..size).map(|k| system[k][i] * side[k]).sum::<f64>()) / system[i][i];
    }
    Some(side)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SpaceSettings;
    use dpnas_grammar::ImageShape;
    use dpnas_seed::Seed;

    #[test]
    fn a_system_is_solved() {
        let solution = solve(vec![vec![4.0], vec![2.0, 5.0], vec![0.0, 1.0, 3.0]], vec![8.0, 13.0, 5.0]).unwrap();
        for (found, expected) in solution.iter().zip([1.0, 2.0, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "{solution:?}");
        }
        assert_eq!(solve(vec![vec![-1.0]], vec![1.0]), None);
    }

    #[test]
    fn rewards_that_follow_from_the_plan_are_predicted() {
        let space = SpaceSettings::small().check(ImageShape::square(1, 28), 10).unwrap();
        let known: Vec<(Vec<f64>, f64)> = (0..200)
            .map(|index| space.net(&space.uniform_walk(&mut Seed(1).stream("t", index).rng())).unwrap())
            .map(|net| numbers(&net.plan(space.input()).unwrap()))
            .map(|numbers| (numbers.clone(), 0.5 + 0.02 * numbers[0] - 0.01 * (numbers[8] - 3.0).powi(2)))
            .collect();
        let known: Vec<(&[f64], f64)> = known.iter().map(|(numbers, reward)| (&numbers[..], *reward)).collect();
        let (fitted, others) = known.split_at(100);
        let model = Model::fit(fitted).unwrap();
        let mean = others.iter().map(|(_, reward)| reward).sum::<f64>() / 100.0;
        let error: f64 = others.iter().map(|(numbers, reward)| (model.predict(numbers) - reward).powi(2)).sum();
        let spread: f64 = others.iter().map(|(_, reward)| (reward - mean).powi(2)).sum();
        assert!(error < 0.2 * spread, "{error} of {spread}");
    }
}

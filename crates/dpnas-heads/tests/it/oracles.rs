//! Heads beside slower ways to the same numbers.

use crate::{empty, of_all, rows};
use dpnas_heads::{FixedPoint, HeadError, Lambda, Projection, RowKernel, Statistics, ridge};
use dpnas_seed::Seed;
use faer::linalg::solvers::DenseSolveCore as _;
use faer::{Col, Mat};

/// Design matrix with a column of ones.
fn design(values: &[f32], features: usize) -> Mat<f64> {
    Mat::from_fn(values.len() / features, features + 1, |row, column| {
        if column == features { 1.0 } else { f64::from(values[row * features + column]) }
    })
}

#[test]
fn recursive_least_squares_arrives_at_the_ridge() {
    let (features, count, start, lambda) = (12, 300, 40, 0.7);
    let (values, labels) = rows(4, count, features);
    let design = design(&values, features);
    let targets = Mat::from_fn(count, 3, |row, class| f64::from(labels[row] == 5 * class as u32));
    // The solution of the first rows, then one update for each further row (Sherman and Morrison).
    let first = design.subrows(0, start);
    let mut system = first.transpose() * first;
    (0..features).for_each(|i| system[(i, i)] += lambda);
    let mut inverse = system.partial_piv_lu().inverse();
    let mut weights = &inverse * (first.transpose() * targets.subrows(0, start));
    for row in start..count {
        let x: Col<f64> = design.row(row).transpose().to_owned();
        let gain = &inverse * &x;
        let length: f64 = x.iter().zip(gain.iter()).map(|(x, gain)| x * gain).sum();
        let gain = &gain * faer::Scale(1.0 / (1.0 + length));
        let error = targets.row(row) - x.transpose() * &weights;
        weights += gain.as_mat() * error.as_mat();
        inverse = &inverse - gain.as_mat() * (x.transpose() * &inverse).as_mat();
    }
    for mut statistics in
        [Statistics::float(features).unwrap(), Statistics::exact(FixedPoint::of_rows(&values, features).unwrap())]
    {
        let tolerance = if statistics.grid().is_some() { 2e-3 } else { 1e-8 };
        statistics.add(&values, &labels).unwrap();
        let head = ridge(&statistics, Lambda::Fixed(lambda)).unwrap().head;
        for class in 0..3 {
            for feature in 0..features {
                let found = head.weights()[class * features + feature];
                assert!((found - weights[(feature, class)]).abs() < tolerance, "{found}");
            }
            assert!((head.biases()[class] - weights[(features, class)]).abs() < tolerance);
        }
    }
}

#[test]
fn leave_one_out_depends_on_no_number_of_threads() {
    for (count, features) in [(700, 60), (90, 200)] {
        let (values, labels) = rows(5, count, features);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| of_all(&values, features, &labels).unwrap())
        };
        assert!(on(1) == on(3));
    }
}

#[test]
fn products_of_rows_add_up_to_the_features_side_by_side() {
    for (count, features) in [(60, 7), (40, 90)] {
        let (values, labels) = rows(6, count, features);
        let cut = features / 3;
        let part = |from: usize, to: usize| -> Vec<f32> {
            values.chunks_exact(features).flat_map(|row| row[from..to].to_vec()).collect()
        };
        let of = |from: usize, to: usize| RowKernel::of(&part(from, to), to - from).unwrap();
        let joint = of(0, cut).beside(&of(cut, features)).unwrap();
        let (error, accuracy) = joint.leave_one_out(&labels).unwrap();
        let expected = of_all(&values, features, &labels).unwrap();
        assert!((error / expected.error - 1.0).abs() < 1e-8, "{error} {}", expected.error);
        assert_eq!((accuracy, joint.features()), (expected.accuracy, features));
    }
    let two = RowKernel::of(&[1.0, 2.0], 1).unwrap();
    assert!(matches!(two.leave_one_out(&[1]), Err(HeadError::Empty)));
    assert!(two.beside(&RowKernel::of(&[1.0, 2.0, 3.0], 1).unwrap()).is_err());
    assert!(RowKernel::of(&[f32::NAN, 1.0], 1).is_err() && RowKernel::of(&[], 1).is_err());
}

#[test]
fn a_class_of_one_row_and_rows_that_are_all_equal_have_heads() {
    let [mut statistics, _] = empty(3);
    statistics.add(&[1.0, 2.0, 3.0], &[9]).unwrap();
    for lambda in [Lambda::Gcv, Lambda::Fixed(1.0)] {
        assert_eq!(ridge(&statistics, lambda).unwrap().head.predict(&[0.0; 3]).unwrap(), [9]);
    }
    statistics.add(&[1.0, 2.0, 3.0], &[4]).unwrap();
    let head = dpnas_heads::lda(&statistics, dpnas_heads::Shrinkage::Oas).unwrap().head;
    assert_eq!(head.predict(&[1.0, 2.0, 3.0]).unwrap(), [4], "the first of equal scores");
    assert_eq!(of_all(&[1.0; 6], 2, &[0, 0, 1]).unwrap().head.classes(), [0, 1]);
}

#[test]
fn cross_validation_chooses_as_explicit_residuals_do_with_fewer_rows_than_features_too() {
    for (count, features) in [(30, 60), (61, 60), (45, 200), (400, 20)] {
        let (values, labels) = rows(9, count, features);
        let mut statistics = Statistics::float(features).unwrap();
        statistics.add(&values, &labels).unwrap();
        let found = ridge(&statistics, Lambda::Gcv).unwrap().lambda;

        let rows = Mat::from_fn(count, features, |row, feature| f64::from(values[row * features + feature]));
        let mean = |feature: usize| rows.col(feature).iter().sum::<f64>() / count as f64;
        let means: Vec<f64> = (0..features).map(mean).collect();
        let centred = Mat::from_fn(count, features, |row, feature| rows[(row, feature)] - means[feature]);
        let kernel = &centred * centred.transpose();
        let unit = (0..count).map(|row| kernel[(row, row)]).sum::<f64>() / features as f64;
        let targets = Mat::from_fn(count, 3, |row, class| f64::from(labels[row] == 5 * class as u32));
        let score = |lambda: f64| {
            let shifted = Mat::from_fn(count, count, |i, j| kernel[(i, j)] + if i == j { lambda } else { 0.0 });
            let inverse = shifted.partial_piv_lu().inverse();
            // I − H: λ times the inverse, without the part of the bias.
            let rest = Mat::from_fn(count, count, |i, j| lambda * inverse[(i, j)] - 1.0 / count as f64);
            let trace: f64 = (0..count).map(|row| rest[(row, row)]).sum();
            count as f64 * (rest * &targets).squared_norm_l2() / trace.powi(2)
        };
        let grid: Vec<f64> = (0..21).map(|place| unit * 10f64.powf(2.0 - 0.5 * f64::from(place))).collect();
        let best = grid.iter().copied().map(score).fold(f64::INFINITY, f64::min);
        assert!(score(found) < best * 1.001, "{count} rows, {features} features: λ {found:e} of {grid:?}");
        assert!(grid.iter().any(|lambda| (lambda / found - 1.0).abs() < 1e-9));
    }
}

#[test]
fn leave_one_out_finds_the_smallest_error_of_the_grid() {
    for (seed, count, features) in [(9, 30, 60), (10, 61, 60), (11, 45, 200), (12, 400, 20), (13, 150, 100)] {
        let (values, labels) = rows(seed, count, features);
        let found = of_all(&values, features, &labels).unwrap();
        let design = Mat::from_fn(count, features, |row, feature| f64::from(values[row * features + feature]));
        let mean = |feature: usize| design.col(feature).iter().sum::<f64>() / count as f64;
        let means: Vec<f64> = (0..features).map(mean).collect();
        let centred = Mat::from_fn(count, features, |row, feature| design[(row, feature)] - means[feature]);
        let targets = Mat::from_fn(count, 3, |row, class| f64::from(labels[row] == 5 * class as u32));
        let eigen = (&centred * centred.transpose()).self_adjoint_eigen(faer::Side::Lower).unwrap();
        let error = |lambda: f64| {
            // What is left of the targets: shrunk, and without the mean. That is the direction of the least eigenvalue, unless
            // fewer features leave others without products.
            let (mean_is_first, values) = (features >= count, eigen.S().column_vector());
            let shrunk = Mat::from_fn(count, count, |i, j| {
                if mean_is_first && j == 0 { 0.0 } else { eigen.U()[(i, j)] * lambda / (values[j].max(0.0) + lambda) }
            });
            let mean = if mean_is_first { 0.0 } else { 1.0 / count as f64 };
            let rest = shrunk * eigen.U().transpose();
            let rest = Mat::from_fn(count, count, |i, j| rest[(i, j)] - mean);
            let residuals = &rest * &targets;
            let of_row = |row: usize| residuals.row(row).squared_norm_l2() / rest[(row, row)].powi(2);
            (0..count).map(of_row).sum::<f64>() / count as f64
        };
        let unit = centred.squared_norm_l2() / features as f64;
        let grid: Vec<f64> = (0..21).map(|place| unit * 10f64.powf(2.0 - 0.5 * f64::from(place))).collect();
        assert!(grid.iter().any(|lambda| (lambda / found.lambda - 1.0).abs() < 1e-9));
        let best = grid.iter().copied().map(error).fold(f64::INFINITY, f64::min);
        assert!((found.error / error(found.lambda) - 1.0).abs() < 1e-6, "{} {}", found.error, error(found.lambda));
        assert!(found.error < best * 1.000_001, "{count} rows, {features} features: {} {best}", found.error);
    }
}

#[test]
fn a_sample_chooses_lambda_and_all_rows_give_the_error() {
    let (count, features) = (5000, 7);
    let (values, labels) = rows(14, count, features);
    let found = of_all(&values, features, &labels).unwrap();
    let mut statistics = Statistics::float(features).unwrap();
    statistics.add(&values, &labels).unwrap();
    let (mut error, mut correct) = (0.0, 0);
    for (row, &label) in values.chunks_exact(features).zip(&labels) {
        let mut one = Statistics::float(features).unwrap();
        one.add(row, &[label]).unwrap();
        let mut others = statistics.clone();
        others.subtract(&one).unwrap();
        let head = ridge(&others, Lambda::Fixed(found.lambda)).unwrap().head;
        let scores = head.scores(row).unwrap();
        correct += usize::from(head.predict(row).unwrap() == [label]);
        let squares =
            head.classes().iter().zip(&scores).map(|(class, score)| (f64::from(*class == label) - score).powi(2));
        error += squares.sum::<f64>();
    }
    assert!((found.error / (error / count as f64) - 1.0).abs() < 1e-6, "{} {}", found.error, error / count as f64);
    assert_eq!(found.accuracy, f64::from(correct as u32) / count as f64);
}

#[test]
fn a_factorisation_that_fails_takes_the_next_lambda_and_says_so() {
    let (count, features) = (40, 2);
    // The second feature is the first: without a λ that is not lost beside 10⁹, the matrix is singular.
    let values: Vec<f32> = (0..count).flat_map(|row| [1e9 * row as f32, 1e9 * row as f32]).collect();
    let labels: Vec<u32> = (0..count).map(|row| u32::from(row > 20)).collect();
    let mut statistics = Statistics::float(features).unwrap();
    statistics.add(&values, &labels).unwrap();
    let solution = ridge(&statistics, Lambda::Fixed(1e-6)).unwrap();
    assert!(solution.failed.first() == Some(&1e-6) && solution.lambda > 1e-6, "{solution:?}");
    assert!(solution.residual.is_finite());
}

#[test]
fn a_projected_row_depends_on_itself_alone() {
    let (values, _) = rows(6, 50, 30);
    let projection = Projection::new(Seed(7), 30, 700).unwrap();
    let all = projection.apply(&values).unwrap();
    for (row, expected) in values.chunks_exact(30).zip(all.chunks_exact(700)) {
        assert!(projection.apply(row).unwrap() == expected);
    }
    assert!(all.iter().all(|&value| value >= 0.0) && all.contains(&0.0));
    // Of independent normal sums half are positive.
    let positive = all.iter().filter(|&&value| value > 0.0).count() as f64 / all.len() as f64;
    assert!((0.4..0.6).contains(&positive), "{positive}");
    assert!(Projection::new(Seed(8), 30, 700).unwrap() != projection);
}

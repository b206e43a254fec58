//! Random matrices with orthonormal rows or columns.

use dpnas_seed::Stream;

/// A random `rows` × `columns` matrix, row-major, whose shorter side is orthonormal.
///
/// It takes twelve bytes for each number of the matrix.
///
/// Gram–Schmidt in `f64`, twice for each vector, on the shorter side's vectors of a normal matrix. The result is the Q of a
/// QR decomposition whose R has a positive diagonal, so it is uniformly distributed (Mezzadri 2007).
pub(crate) fn orthogonal(stream: &Stream, start: u64, rows: usize, columns: usize) -> Vec<f32> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut normal = vec![0.0f32; rows * columns];
    stream.fill_normal(start, &mut normal);
    let mut vectors: Vec<Vec<f64>> =
        normal.chunks_exact(length).take(count).map(|vector| vector.iter().map(|&x| f64::from(x)).collect()).collect();
    drop(normal);
    for i in 0..count {
        let (done, rest) = vectors.split_at_mut(i);
        let vector = &mut rest[0];
        for _ in 0..2 {
            for other in done.iter() {
                let overlap = dot(other, vector);
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= overlap * y);
            }
        }
        let norm = dot(vector, vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
    }
    if rows <= columns {
        return vectors.into_iter().flatten().map(|x| x as f32).collect();
    }
    (0..rows).flat_map(|row| vectors.iter().map(move |column| column[row] as f32)).collect()
}

/// Dot product over eight fixed partial sums, so that the order of additions does not depend on the machine.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_seed::Seed;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_shorter_side_is_orthonormal(seed: u64, rows in 1usize..24, columns in 1usize..40) {
            let matrix = orthogonal(&Seed(seed).stream("t", 0), 0, rows, columns);
            let side = |i: usize| -> Vec<f32> {
                if rows <= columns { matrix[i * columns..][..columns].to_vec() }
                else { (0..rows).map(|row| matrix[row * columns + i]).collect() }
            };
            for i in 0..rows.min(columns) {
                for j in 0..=i {
                    let product: f64 = side(i).iter().zip(side(j)).map(|(x, y)| f64::from(*x) * f64::from(y)).sum();
                    let expected = f64::from(u8::from(i == j));
                    prop_assert!((product - expected).abs() < 1e-5, "{i} {j} {product}");
                }
            }
        }
    }
}

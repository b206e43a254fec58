//! Transforms of Winograd convolutions, before and after the products.
//!
//! Six points of a side: an input tile of 6×6 pixels and a kernel of 3×3 (5×5) pixels give 4×4 (2×2) output pixels with 36
//! products a pair of channels instead of 144 (100). Seven points give 5×5 (3×3) with 49, eight 6×6 (4×4) with 64. The
//! points are 0, ±1, ±2, then ½, then −½, and ∞.

use super::lanes::Lanes;
use crate::layout::Layout;
use std::marker::PhantomData;

/// One transform of some tiles.
///
/// The maker guarantees that the maps hold the tiles' images in whole vectors, that `products` holds `points`² times
/// `pitch` numbers and `pitch` the `count` tiles of all stored channels, that `points` points give `out` pixels, that a tile's
/// first pixel and its corner lie in the bordered input, that the skip path has the output's stored channels and its `size`,
/// and that scale and shift have the output's channels.
#[derive(Clone, Copy)]
pub(crate) struct TileJob<'a, E> {
    /// The input, or the output.
    pub(crate) map: *mut E,
    pub(crate) layout: Layout,
    /// The skip path, which is added to the output.
    pub(crate) skip: Option<(*const E, Layout)>,
    /// Transformed tiles, `[points²][tile][channel]`.
    pub(crate) products: *mut f32,
    /// Numbers from one of the products to the next.
    pub(crate) pitch: usize,
    /// Points of a side, and so input pixels of a tile's side.
    pub(crate) points: usize,
    /// Rows and columns from the pixels of an output tile to those of its input.
    pub(crate) corner: (usize, usize),
    /// Tiles of a side, of an image.
    pub(crate) side: usize,
    /// Of all tiles of the group.
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// Output pixels of a tile's side.
    pub(crate) out: usize,
    /// Output pixels of a side, before pooling.
    pub(crate) size: usize,
    /// Output pixels of a pooling window's side; divides `out`.
    pub(crate) window: usize,
    pub(crate) scale: *const f32,
    pub(crate) shift: *const f32,
    pub(crate) floor: f32,
    pub(crate) borrowed: PhantomData<&'a mut E>,
}

/// `a + factor · b`.
#[inline(always)]
unsafe fn plus<L: Lanes>(a: L::Sums, factor: f32, b: L::Sums) -> L::Sums {
    // SAFETY: passed on from the caller.
    unsafe { L::affine(b, L::splat(factor), a) }
}

/// The values of the numbers' polynomial at the points, in the order 0, 1, −1, 2, −2, ½, −½, ∞.
#[inline(always)]
unsafe fn before<L: Lanes, const P: usize>(d: [L::Sums; P]) -> [L::Sums; P] {
    let mut at = d;
    // SAFETY: passed on from the caller.
    unsafe {
        if P == 8 {
            // Even and odd parts of the polynomials without ±1, ±2 and ±½.
            let pairs = [(-4.25, 1.0, 1.0, 1), (-1.25, 0.25, 2.0, 3), (-5.0, 4.0, 0.5, 5)];
            for (a, b, point, index) in pairs {
                let even = plus::<L>(plus::<L>(d[6], a, d[4]), b, d[2]);
                let odd = plus::<L>(plus::<L>(d[5], a, d[3]), b, d[1]);
                at[index] = plus::<L>(even, point, odd);
                at[index + 1] = plus::<L>(even, -point, odd);
            }
            at[0] = plus::<L>(plus::<L>(plus::<L>(d[6], -5.25, d[4]), 5.25, d[2]), -1.0, d[0]);
            at[7] = plus::<L>(plus::<L>(plus::<L>(d[7], -5.25, d[5]), 5.25, d[3]), -1.0, d[1]);
            return at;
        }
        // The seventh point is a factor of the polynomials of the other points.
        let mut e = d;
        if P == 7 {
            for index in 0..6 {
                e[index] = plus::<L>(d[index + 1], -0.5, d[index]);
            }
            at[5] = plus::<L>(plus::<L>(d[5], -5.0, d[3]), 4.0, d[1]);
        }
        let (even, odd) = (plus::<L>(e[4], -4.0, e[2]), plus::<L>(e[3], -4.0, e[1]));
        let (half_even, half_odd) = (plus::<L>(e[4], -1.0, e[2]), plus::<L>(e[3], -1.0, e[1]));
        at[0] = plus::<L>(plus::<L>(e[4], -5.0, e[2]), 4.0, e[0]);
        at[1] = plus::<L>(even, 1.0, odd);
        at[2] = plus::<L>(even, -1.0, odd);
        at[3] = plus::<L>(half_even, 2.0, half_odd);
        at[4] = plus::<L>(half_even, -2.0, half_odd);
        at[P - 1] = plus::<L>(plus::<L>(e[5], -5.0, e[3]), 4.0, e[1]);
    }
    at
}

/// `OUT` outputs from the products at the points.
#[inline(always)]
unsafe fn after<L: Lanes, const P: usize, const OUT: usize>(m: [L::Sums; P]) -> [L::Sums; OUT] {
    // SAFETY: passed on from the caller.
    unsafe {
        let (one, minus_one) = (plus::<L>(m[1], 1.0, m[2]), plus::<L>(m[1], -1.0, m[2]));
        let (two, minus_two) = (plus::<L>(m[3], 1.0, m[4]), plus::<L>(m[3], -1.0, m[4]));
        let (mut half, mut minus_half) = (m[P - 2], m[P - 2]);
        if P == 8 {
            (half, minus_half) = (plus::<L>(m[5], 1.0, m[6]), plus::<L>(m[5], -1.0, m[6]));
        }
        let mut out = [plus::<L>(plus::<L>(m[0], 1.0, one), 1.0, two); OUT];
        let (mut power, mut inverse) = (1.0, 1.0);
        for (index, out) in out.iter_mut().enumerate() {
            let is_odd = index % 2 == 1;
            if index > 0 {
                *out = if is_odd { plus::<L>(minus_one, power, minus_two) } else { plus::<L>(one, power, two) };
            }
            if P > 6 {
                *out = plus::<L>(*out, inverse, if is_odd { minus_half } else { half });
            }
            power *= 2.0;
            inverse *= 0.5;
        }
        out[OUT - 1] = plus::<L>(out[OUT - 1], 1.0, m[P - 1]);
        out
    }
}

/// Transforms input tiles; beyond the map's border there are zeros.
///
/// # Safety
/// As [`Lanes`] and [`TileJob`] say.
#[inline(always)]
pub(crate) unsafe fn input<L: Lanes, const P: usize>(job: &TileJob<'_, L::Scalar>) {
    let layout = job.layout;
    let padded = layout.size + 2 * layout.halo;
    for index in 0..job.count {
        let tile = job.first + index;
        let (image, place) = (tile / (job.side * job.side), tile % (job.side * job.side));
        let (y, x) = (place / job.side * job.out + job.corner.0, place % job.side * job.out + job.corner.1);
        // A tile starts at an output pixel, a part within the kernel, so both start within the map and its border.
        let (rows, columns) = (P.min(padded - y), P.min(padded - x));
        let corner = layout.at(image, y, x);
        let mut channel = 0;
        while channel < layout.stride {
            // SAFETY: rows and columns end with the map, and the transformed tiles have room for each tile and channel.
            unsafe {
                let zero = L::splat(0.0);
                let mut square = [[zero; P]; P]; // [column][point]
                for (dx, column) in square.iter_mut().enumerate().take(columns) {
                    let from = job.map.cast_const().add(corner + channel + dx * layout.stride);
                    *column = before::<L, P>(read::<L, P>(from, layout.row(), rows));
                }
                let to = job.products.add(index * layout.stride + channel);
                for point in 0..P {
                    let mut line = [zero; P];
                    for (value, column) in line.iter_mut().zip(&square) {
                        *value = column[point];
                    }
                    let to = to.add(point * P * job.pitch);
                    for (dx, value) in before::<L, P>(line).into_iter().enumerate() {
                        L::store(to.add(dx * job.pitch), value);
                    }
                }
            }
            channel += L::LANES;
        }
    }
}

/// The first `count` of some vectors that lie `pitch` numbers apart; the others are zero.
#[inline(always)]
unsafe fn read<L: Lanes, const P: usize>(from: *const L::Scalar, pitch: usize, count: usize) -> [L::Sums; P] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut values = [L::splat(0.0); P];
        if count == P {
            for (index, value) in values.iter_mut().enumerate() {
                *value = L::read(from.add(index * pitch));
            }
        } else {
            for (index, value) in values.iter_mut().enumerate() {
                if index < count {
                    *value = L::read(from.add(index * pitch));
                }
            }
        }
        values
    }
}

/// Transforms products back, adds the skip path, pools, scales, shifts and rectifies.
///
/// # Safety
/// As [`Lanes`] and [`TileJob`] say; `P` and `OUT` are the job's `points` and `out`.
#[inline(always)]
pub(crate) unsafe fn output<L: Lanes, const P: usize, const OUT: usize>(job: &TileJob<'_, L::Scalar>) {
    let layout = job.layout;
    for index in 0..job.count {
        let tile = job.first + index;
        let (image, place) = (tile / (job.side * job.side), tile % (job.side * job.side));
        let (y, x) = (place / job.side * OUT, place % job.side * OUT);
        let mut channel = 0;
        while channel < layout.stride {
            // SAFETY: pixels are only read and written where they lie in the output, and there are products for each
            // tile and channel.
            unsafe {
                let from = job.products.add(index * layout.stride + channel);
                let zero = L::splat(0.0);
                let mut square = [[zero; OUT]; P]; // [column][row]
                for (column, rows) in square.iter_mut().enumerate() {
                    let from = from.add(column * job.pitch);
                    let mut m = [zero; P];
                    for (point, m) in m.iter_mut().enumerate() {
                        *m = L::load(from.add(point * P * job.pitch));
                    }
                    *rows = after::<L, P, OUT>(m);
                }
                let mut pixels = [[zero; OUT]; OUT];
                for (row, pixels) in pixels.iter_mut().enumerate() {
                    let mut m = [zero; P];
                    for (m, column) in m.iter_mut().zip(&square) {
                        *m = column[row];
                    }
                    *pixels = after::<L, P, OUT>(m);
                }
                if let Some((skip, from)) = job.skip {
                    let skip = skip.add(from.inside(image, y, x) + channel);
                    for dy in 0..OUT {
                        for dx in 0..OUT {
                            if y + dy < job.size && x + dx < job.size {
                                let value = L::read(skip.add(dy * from.row() + dx * from.stride));
                                pixels[dy][dx] = plus::<L>(pixels[dy][dx], 1.0, value);
                            }
                        }
                    }
                }
                let (scale, shift) = (L::load(job.scale.add(channel)), L::load(job.shift.add(channel)));
                match job.window {
                    1 => finish::<L, OUT, 1>(job, &pixels, (image, y, x), channel, scale, shift),
                    2 => finish::<L, OUT, 2>(job, &pixels, (image, y, x), channel, scale, shift),
                    3 => finish::<L, OUT, 3>(job, &pixels, (image, y, x), channel, scale, shift),
                    _ => finish::<L, OUT, OUT>(job, &pixels, (image, y, x), channel, scale, shift),
                }
            }
            channel += L::LANES;
        }
    }
}

/// Pools windows of `W` × `W` pixels and stores the pixels that lie in the output.
#[inline(always)]
unsafe fn finish<L: Lanes, const OUT: usize, const W: usize>(
    job: &TileJob<'_, L::Scalar>,
    pixels: &[[L::Sums; OUT]; OUT],
    (image, y, x): (usize, usize, usize),
    channel: usize,
    scale: L::Sums,
    shift: L::Sums,
) {
    let layout = job.layout;
    let pixel = layout.inside(image, y / W, x / W) + channel;
    for dy in 0..OUT / W {
        for dx in 0..OUT / W {
            if y / W + dy < layout.size && x / W + dx < layout.size {
                // SAFETY: the pixel lies in the output.
                unsafe {
                    let mut best = pixels[dy * W][dx * W];
                    for inner in 1..W * W {
                        best = L::max(best, pixels[dy * W + inner / W][dx * W + inner % W]);
                    }
                    let value = L::max(L::splat(job.floor), L::affine(best, scale, shift));
                    L::write(job.map.add(pixel + dy * layout.row() + dx * layout.stride), value);
                }
            }
        }
    }
}

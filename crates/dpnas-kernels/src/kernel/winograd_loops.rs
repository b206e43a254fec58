//! Convolutions by six-point polynomial products: the transforms before and after the products.
//!
//! An input tile of 6×6 pixels and a kernel of 3×3 (5×5) pixels give 4×4 (2×2) output pixels with 36 products a pair of
//! channels instead of 144 (100). The points are 0, ±1, ±2 and ∞.

use super::lanes::Lanes;
use crate::layout::Layout;
use std::marker::PhantomData;

/// Points of a side, and numbers of a transformed tile.
pub(crate) const POINTS: usize = 6;
pub(crate) const SQUARE: usize = POINTS * POINTS;

/// One transform of some tiles.
///
/// Whoever makes a job vouches that the maps hold the tiles' images in whole vectors, that `products` holds 36 times
/// `pitch` numbers and `pitch` the tiles, and that scale and shift have the output's channels.
#[derive(Clone, Copy)]
pub(crate) struct TileJob<'a, E> {
    /// The input, or the output.
    pub(crate) map: *mut E,
    pub(crate) layout: Layout,
    /// What is added to the output.
    pub(crate) skip: Option<(*const E, Layout)>,
    /// Transformed tiles, `[36][tile][channel]`.
    pub(crate) products: *mut f32,
    /// Numbers from one of the 36 to the next.
    pub(crate) pitch: usize,
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

/// The values of six numbers' polynomial at the points, in the order 0, 1, −1, 2, −2, ∞.
#[inline(always)]
unsafe fn before<L: Lanes>(d: [L::Sums; POINTS]) -> [L::Sums; POINTS] {
    // SAFETY: passed on from the caller.
    unsafe {
        let (even, odd) = (plus::<L>(d[4], -4.0, d[2]), plus::<L>(d[3], -4.0, d[1]));
        let (half_even, half_odd) = (plus::<L>(d[4], -1.0, d[2]), plus::<L>(d[3], -1.0, d[1]));
        [
            plus::<L>(plus::<L>(d[4], -5.0, d[2]), 4.0, d[0]),
            plus::<L>(even, 1.0, odd),
            plus::<L>(even, -1.0, odd),
            plus::<L>(half_even, 2.0, half_odd),
            plus::<L>(half_even, -2.0, half_odd),
            plus::<L>(plus::<L>(d[5], -5.0, d[3]), 4.0, d[1]),
        ]
    }
}

/// `OUT` outputs from the products at the points.
#[inline(always)]
unsafe fn after<L: Lanes, const OUT: usize>(m: [L::Sums; POINTS]) -> [L::Sums; OUT] {
    // SAFETY: passed on from the caller.
    unsafe {
        let (one, minus_one) = (plus::<L>(m[1], 1.0, m[2]), plus::<L>(m[1], -1.0, m[2]));
        let (two, minus_two) = (plus::<L>(m[3], 1.0, m[4]), plus::<L>(m[3], -1.0, m[4]));
        let mut out = [plus::<L>(plus::<L>(m[0], 1.0, one), 1.0, two); OUT];
        let mut power = 2.0;
        for (index, out) in out.iter_mut().enumerate().skip(1) {
            *out = match index % 2 {
                1 => plus::<L>(minus_one, power, minus_two),
                _ => plus::<L>(one, power, two),
            };
            power *= 2.0;
        }
        out[OUT - 1] = plus::<L>(out[OUT - 1], 1.0, m[5]);
        out
    }
}

/// Transforms input tiles; beyond the map's border there are zeros.
///
/// # Safety
/// As [`Lanes`] and [`TileJob`] say.
#[inline(always)]
pub(crate) unsafe fn input<L: Lanes>(job: &TileJob<'_, L::Element>) {
    let layout = job.layout;
    let padded = layout.size + 2 * layout.halo;
    for index in 0..job.count {
        let tile = job.first + index;
        let (image, place) = (tile / (job.side * job.side), tile % (job.side * job.side));
        let (y, x) = (place / job.side * job.out, place % job.side * job.out);
        let (rows, columns) = (POINTS.min(padded - y), POINTS.min(padded - x));
        let corner = layout.at(image, y, x);
        let mut channel = 0;
        while channel < layout.stride {
            // SAFETY: rows and columns end with the map, and the transformed tiles have room for each tile and channel.
            unsafe {
                let from = job.map.add(corner + channel).cast_const();
                let mut square = [[L::splat(0.0); POINTS]; POINTS]; // [column][point]
                if rows == POINTS && columns == POINTS {
                    for (dx, column) in square.iter_mut().enumerate() {
                        *column = before::<L>(read::<L>(from.add(dx * layout.stride), layout.row(), POINTS));
                    }
                } else {
                    for (dx, column) in square.iter_mut().enumerate().take(columns) {
                        *column = before::<L>(read::<L>(from.add(dx * layout.stride), layout.row(), rows));
                    }
                }
                let to = job.products.add(index * layout.stride + channel);
                for point in 0..POINTS {
                    let row = before::<L>([
                        square[0][point],
                        square[1][point],
                        square[2][point],
                        square[3][point],
                        square[4][point],
                        square[5][point],
                    ]);
                    let to = to.add(point * POINTS * job.pitch);
                    for (dx, value) in row.into_iter().enumerate() {
                        L::store(to.add(dx * job.pitch), value);
                    }
                }
            }
            channel += L::LANES;
        }
    }
}

/// The first `count` of six vectors that lie `pitch` numbers apart; the others are zero.
#[inline(always)]
unsafe fn read<L: Lanes>(from: *const L::Element, pitch: usize, count: usize) -> [L::Sums; POINTS] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut values = [L::splat(0.0); POINTS];
        if count == POINTS {
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
/// As [`Lanes`] and [`TileJob`] say; `OUT` is the job's `out`.
#[inline(always)]
pub(crate) unsafe fn output<L: Lanes, const OUT: usize>(job: &TileJob<'_, L::Element>) {
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
                let mut square = [[zero; OUT]; POINTS]; // [column][row]
                for column in 0..POINTS {
                    let from = from.add(column * job.pitch);
                    let mut m = [zero; POINTS];
                    for (point, m) in m.iter_mut().enumerate() {
                        *m = L::load(from.add(point * POINTS * job.pitch));
                    }
                    square[column] = after::<L, OUT>(m);
                }
                let mut pixels = [[zero; OUT]; OUT];
                for (row, pixels) in pixels.iter_mut().enumerate() {
                    *pixels = after::<L, OUT>([
                        square[0][row],
                        square[1][row],
                        square[2][row],
                        square[3][row],
                        square[4][row],
                        square[5][row],
                    ]);
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
                    _ => finish::<L, OUT, OUT>(job, &pixels, (image, y, x), channel, scale, shift),
                }
            }
            channel += L::LANES;
        }
    }
}

/// Pools windows of `W` × `W` pixels and stores what lies in the output.
#[inline(always)]
unsafe fn finish<L: Lanes, const OUT: usize, const W: usize>(
    job: &TileJob<'_, L::Element>,
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

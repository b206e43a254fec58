//! Blocks of outputs, and the windows of a map that their tiles cover.

use super::matrix_loops::TILE;
use std::collections::HashMap;
use std::ops::Range;

/// Outputs that are computed together, and their tiles.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) outputs: Range<usize>,
    pub(super) tiles: Range<usize>,
}

/// Outputs of each block of about `rows` rows: whole rows of the map unless they are too long.
pub(super) fn blocks(outputs: usize, (side, window): (usize, usize), rows: usize) -> Vec<Range<usize>> {
    let line = side * window;
    let step = match line <= 2 * rows {
        true => side * (rows / line).max(1),
        false => (rows / window).max(1),
    };
    (0..outputs).step_by(step).map(|first| first..(first + step).min(outputs)).collect()
}

/// Tiles of windows that lie in the map at a constant distance.
pub(super) struct Mapped {
    pub(super) starts: Vec<usize>,
    pub(super) blocks: Vec<Block>,
    pub(super) rows: Vec<usize>,
    pixels: usize,
}

impl Mapped {
    /// Covers the windows of each block. A tile starts at the first window that is not covered yet.
    pub(super) fn new(windows: &[usize], ranges: &[Range<usize>], window: usize, pitch: usize) -> Self {
        let mut mapped = Self { starts: Vec::new(), blocks: Vec::new(), rows: Vec::new(), pixels: 0 };
        for outputs in ranges {
            let block = &windows[outputs.start * window..outputs.end * window];
            let mut positions = block.to_vec();
            positions.sort_unstable();
            positions.dedup();
            let (first, mut rows) = (mapped.starts.len(), HashMap::new());
            for start in &positions {
                if rows.contains_key(start) {
                    continue;
                }
                let tile = mapped.starts.len() - first;
                for row in 0..TILE {
                    let position = start + row * pitch;
                    if positions.binary_search(&position).is_ok() {
                        rows.entry(position).or_insert(tile * TILE + row);
                    }
                }
                mapped.starts.push(*start);
            }
            mapped.pixels += positions.len();
            mapped.rows.extend(block.iter().map(|position| rows[position]));
            mapped.blocks.push(Block { outputs: outputs.clone(), tiles: first..mapped.starts.len() });
        }
        mapped
    }

    /// Fraction of the tiles' rows that are windows.
    pub(super) fn filled(&self) -> f64 {
        self.pixels as f64 / (self.starts.len() * TILE).max(1) as f64
    }
}

//! Memory layout of feature maps.

use crate::scalar::Scalar;

/// The stored channels of a pixel are a multiple of this, so that vectors of every level end with a pixel.
pub const CHANNEL_BLOCK: usize = 16;

/// Square maps of several images, `[image, row, column, channel]`, each with a border of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Rows and columns, without the border.
    pub(crate) size: usize,
    /// Channels of the map.
    pub(crate) channels: usize,
    /// Channels that are stored; those beyond `channels` are zero.
    pub(crate) stride: usize,
    /// Width of the border, in pixels.
    pub(crate) halo: usize,
}

impl Layout {
    /// A map whose pixels are padded to whole vectors.
    pub(crate) fn padded(size: usize, channels: usize, halo: usize) -> Self {
        Self { size, channels, stride: channels.next_multiple_of(CHANNEL_BLOCK), halo }
    }

    /// A map without padding between the pixels.
    pub(crate) fn dense(size: usize, channels: usize, halo: usize) -> Self {
        Self { size, channels, stride: channels, halo }
    }

    /// Numbers of a row with its border.
    pub(crate) fn row(&self) -> usize {
        (self.size + 2 * self.halo) * self.stride
    }

    /// Numbers of an image with its border.
    pub(crate) fn image(&self) -> usize {
        (self.size + 2 * self.halo) * self.row()
    }

    /// Length of a buffer for `images` images of `image` numbers each; kernels may read past the last image.
    pub(crate) fn room(image: usize, images: usize) -> usize {
        images * image + CHANNEL_BLOCK
    }

    /// Position of a pixel. Rows and columns count from the border's corner.
    pub(crate) fn at(&self, image: usize, y: usize, x: usize) -> usize {
        image * self.image() + y * self.row() + x * self.stride
    }

    /// Position of a pixel. Rows and columns count from the map's corner.
    pub(crate) fn inside(&self, image: usize, y: usize, x: usize) -> usize {
        self.at(image, y + self.halo, x + self.halo)
    }

    /// Pixels of one image, without the border.
    pub(crate) fn pixels(&self) -> usize {
        self.size * self.size
    }

    /// Writes zeros to the border of the first `images` images.
    pub(crate) fn clear_halo<E: Scalar>(&self, map: &mut [E], images: usize) {
        if self.halo == 0 {
            return;
        }
        let side = self.halo * self.stride;
        for image in map[..images * self.image()].chunks_exact_mut(self.image()) {
            let edge = self.halo * self.row();
            let inner = edge + self.size * self.row();
            image[..edge].fill(E::default());
            for row in image[edge..inner].chunks_exact_mut(self.row()) {
                row[..side].fill(E::default());
                let right = row.len() - side;
                row[right..].fill(E::default());
            }
            image[inner..].fill(E::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_is_cleared_and_nothing_else() {
        let layout = Layout { size: 3, channels: 2, stride: 2, halo: 2 };
        let mut map = vec![1.0f32; Layout::room(layout.image(), 2)];
        layout.clear_halo(&mut map, 2);
        for image in 0..2 {
            for y in 0..7 {
                for x in 0..7 {
                    let inside = (2..5).contains(&y) && (2..5).contains(&x);
                    let at = layout.at(image, y, x);
                    assert_eq!(map[at..at + 2], [f32::from(u8::from(inside)); 2], "{image} {y} {x}");
                }
            }
        }
        assert_eq!(layout.inside(1, 0, 0), layout.at(1, 2, 2));
        assert_eq!(map.iter().filter(|x| **x == 1.0).count(), 2 * 9 * 2 + CHANNEL_BLOCK);
    }
}

//! The colour map of rewards.

/// Nine samples of viridis, equally spaced from 0 to 1.
///
/// # Source
/// Nathaniel Smith and Stéfan van der Walt, "A better default colormap for matplotlib", SciPy 2015; released CC0.
const VIRIDIS: [[u8; 3]; 9] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x2d, 0x7b],
    [0x3b, 0x52, 0x8b],
    [0x2c, 0x72, 0x8e],
    [0x21, 0x91, 0x8c],
    [0x28, 0xae, 0x80],
    [0x5e, 0xc9, 0x62],
    [0xad, 0xdc, 0x30],
    [0xfd, 0xe7, 0x25],
];

/// The colour at `t` of the perceptually uniform map viridis; `t` is limited to 0..=1.
pub(crate) fn viridis(t: f64) -> String {
    let position = t.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (position as usize).min(VIRIDIS.len() - 2);
    let part = position - below as f64;
    let [r, g, b] = [0, 1, 2].map(|channel| {
        let (low, high) = (f64::from(VIRIDIS[below][channel]), f64::from(VIRIDIS[below + 1][channel]));
        (low + (high - low) * part).round() as u8
    });
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Distinct colours for a few things, also for colour-blind readers.
///
/// # Source
/// Masataka Okabe and Kei Ito, "Color Universal Design", 2008; without yellow, which is too light on white paper. From the
/// seventh on: Paul Tol, "Colour Schemes", 2021, muted.
pub(crate) const DISTINCT: [&str; 12] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8a5a00", "#332288", "#882255", "#44aa99", "#999933",
    "#6e7781", "#e69f00",
];

/// A colour for each of several things in order: distinct for a few, from [`viridis`] for more.
pub(crate) fn palette(index: usize, count: usize) -> String {
    match DISTINCT.get(index) {
        Some(colour) if count <= DISTINCT.len() => (*colour).to_owned(),
        _ => viridis(0.93 * index as f64 / (count.max(2) - 1) as f64),
    }
}

/// The offsets from 0 to 1 between which [`viridis`] is linear, with their colours.
pub(crate) fn stops() -> impl Iterator<Item = (f64, String)> {
    (0..VIRIDIS.len()).map(|i| i as f64 / (VIRIDIS.len() - 1) as f64).map(|t| (t, viridis(t)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_those_of_viridis() {
        assert_eq!(viridis(0.0), "#440154");
        assert_eq!(viridis(0.5), "#21918c");
        assert_eq!(viridis(1.0), "#fde725");
    }

    #[test]
    fn values_outside_the_map_take_the_colour_of_its_end() {
        assert_eq!(viridis(-3.0), viridis(0.0));
        assert_eq!(viridis(7.0), viridis(1.0));
    }

    #[test]
    fn brightness_rises_along_the_map() {
        let brightness = |t: f64| {
            let number = u32::from_str_radix(&viridis(t)[1..], 16).unwrap();
            let channel = |shift: u32| f64::from(number >> shift & 0xff);
            0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
        };
        let values: Vec<f64> = (0..=20).map(|i| brightness(f64::from(i) / 20.0)).collect();
        assert!(values.windows(2).all(|pair| pair[1] > pair[0]), "{values:?}");
    }
}

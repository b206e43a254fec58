//! The plot as pixels.

use crate::common::{plot, search};
use dpnas_report::{PlotOptions, ReportError, reward_plot};
use resvg::tiny_skia::Pixmap;

/// How many pixels of an area are darker than middle gray.
fn dark(picture: &Pixmap, left: u32, top: u32, right: u32, bottom: u32) -> usize {
    let is_dark = |x, y| {
        picture.pixel(x, y).is_some_and(|p| u32::from(p.red()) + u32::from(p.green()) + u32::from(p.blue()) < 380)
    };
    (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))).filter(|(x, y)| is_dark(*x, *y)).count()
}

#[test]
fn the_png_has_the_picture_times_the_scale_in_pixels() {
    let svg = plot(&[(1.0, 30)]);
    for (scale, width, height) in [(1.0, 960, 540), (2.0, 1920, 1080), (0.5, 480, 270)] {
        let picture = Pixmap::decode_png(&svg.to_png(scale).unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), (width, height));
    }
    let options = PlotOptions { width: 10, height: 1_000_000, ..PlotOptions::titled("") };
    let svg = reward_plot(&search(&[(1.0, 30)]), &options).unwrap();
    let picture = Pixmap::decode_png(&svg.to_png(1.0).unwrap()).unwrap();
    assert_eq!((picture.width(), picture.height()), (480, 8000));
}

#[test]
fn names_titles_and_epsilons_are_drawn_as_letters() {
    let picture = Pixmap::decode_png(&plot(&[(1.0, 30), (0.5, 10)]).to_png(1.0).unwrap()).unwrap();
    // The name of the upright axis stands along the left edge, the title at the top.
    assert!(dark(&picture, 8, 60, 26, 460) > 300, "{}", dark(&picture, 8, 60, 26, 460));
    assert!(dark(&picture, 300, 8, 660, 32) > 100);
    // Without a title the same area stays paper.
    let untitled = reward_plot(&search(&[(1.0, 30)]), &PlotOptions::titled("")).unwrap();
    let untitled = Pixmap::decode_png(&untitled.to_png(1.0).unwrap()).unwrap();
    assert_eq!(dark(&untitled, 300, 0, 660, 12), 0);
    assert!(dark(&untitled, 0, 0, 960, 540) > 1000);
}

#[test]
fn the_paper_is_white_and_opaque() {
    let picture = Pixmap::decode_png(&plot(&[(1.0, 30)]).to_png(1.0).unwrap()).unwrap();
    for (x, y) in [(0, 0), (959, 0), (0, 539), (959, 539)] {
        let pixel = picture.pixel(x, y).unwrap();
        assert_eq!((pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()), (255, 255, 255, 255));
    }
}

#[test]
fn a_scale_without_a_picture_is_an_error() {
    let svg = plot(&[(1.0, 30)]);
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-6, 18.0] {
        assert!(matches!(svg.to_png(scale), Err(ReportError::Scale { .. })), "{scale}");
    }
    assert_eq!(
        svg.to_png(-1.0).unwrap_err().to_string(),
        "a scale of -1 makes no PNG of a picture of 960x540: choose one that gives 1 to 16384 pixels a side and at most \
         64 million in all"
    );
}

//! What the property tests draw: layers, nets, inputs and texts.

use dpnas_grammar::{ImageShape, Layer, Net};
use proptest::prelude::*;

/// A number that must be positive: mostly small, now and then up to `u32::MAX`.
pub(crate) fn positive() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 1..=5u32, 4 => 1..=64u32, 1 => 1..=70_000u32, 1 => u32::MAX - 2..=u32::MAX]
}

/// A padding.
fn padding() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 0..=3u32, 2 => 0..=70_000u32, 1 => u32::MAX - 2..=u32::MAX]
}

/// A layer of the encoder, with any numbers.
fn encoder_layer() -> impl Strategy<Value = Layer> {
    prop_oneof![
        4 => (positive(), positive(), positive(), padding())
            .prop_map(|(features, kernel, stride, padding)| Layer::Conv { features, kernel, stride, padding }),
        2 => positive().prop_map(|features| Layer::Residual { features }),
        1 => (positive(), positive()).prop_map(|(size, stride)| Layer::MaxPool { size, stride }),
    ]
}

/// The layers of a net with up to `most` encoder layers.
fn layers(most: usize) -> impl Strategy<Value = Vec<Layer>> {
    let encoder = prop::collection::vec(encoder_layer(), 0..=most);
    let linear = prop::collection::vec(positive().prop_map(|units| Layer::Linear { units }), 0..=5);
    (encoder, linear, positive()).prop_map(|(mut layers, linear, classes)| {
        layers.extend(linear);
        layers.push(Layer::Softmax { classes });
        layers
    })
}

/// Any net of at most 64 layers.
pub(crate) fn net() -> impl Strategy<Value = Net> {
    prop_oneof![4 => layers(6), 1 => layers(58)].prop_map(|layers| Net::new(layers).expect("the order is right"))
}

/// A square image, small or with any numbers.
pub(crate) fn square_image() -> impl Strategy<Value = ImageShape> {
    prop_oneof![
        6 => (1..=4u32, 1..=64u32).prop_map(|(channels, size)| ImageShape::square(channels, size)),
        1 => (positive(), positive()).prop_map(|(channels, size)| ImageShape::square(channels, size)),
    ]
}

/// Any layer at all, zeros included.
fn any_layer() -> impl Strategy<Value = Layer> {
    let number = prop_oneof![6 => 1..=9u32, 1 => Just(0)];
    let padding = 0..=3u32;
    prop_oneof![
        (number.clone(), number.clone(), number.clone(), padding)
            .prop_map(|(features, kernel, stride, padding)| Layer::Conv { features, kernel, stride, padding }),
        number.clone().prop_map(|features| Layer::Residual { features }),
        (number.clone(), number.clone()).prop_map(|(size, stride)| Layer::MaxPool { size, stride }),
        number.clone().prop_map(|units| Layer::Linear { units }),
        number.prop_map(|classes| Layer::Softmax { classes }),
    ]
}

/// Layers in any order, often not those of a net.
pub(crate) fn any_layers() -> impl Strategy<Value = Vec<Layer>> {
    prop_oneof![8 => prop::collection::vec(any_layer(), 0..5), 1 => prop::collection::vec(any_layer(), 60..70)]
}

/// Runs of white space, some of them empty.
pub(crate) fn spaces() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[ \t\r\n\u{a0}\u{2003}]{0,3}", 1..24)
}

/// The text with white space between any two tokens, taken from `spaces` in turn.
pub(crate) fn spaced(text: &str, spaces: &[String]) -> String {
    let mut gaps = spaces.iter().cycle();
    let mut spaced = String::new();
    let mut previous = ' ';
    for c in text.chars() {
        let inside = previous.is_ascii_alphanumeric() && c.is_ascii_alphanumeric();
        if !inside {
            spaced.push_str(gaps.next().expect("spaces are never empty"));
        }
        spaced.push(c);
        previous = c;
    }
    spaced + gaps.next().expect("spaces are never empty")
}

/// Texts that are probably not nets: any characters, any bytes, shuffled tokens, damaged nets.
pub(crate) fn hostile_text() -> impl Strategy<Value = String> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let token = prop::sample::select(vec![
        "[",
        "]",
        "(",
        ")",
        ",",
        " ",
        "\n",
        "C",
        "P",
        "FC",
        "SM",
        "GAP",
        "S{",
        "}",
        "0",
        "1",
        "3",
        "4294967296",
        "-",
        "é",
        "C(3,3,1,1,0)",
        "C(8,5,1,2,1)",
        "P(2,2,0,0)",
        "FC(3)",
        "SM(2)",
        "\u{202e}",
        "\t",
    ]);
    prop_oneof![
        any::<String>(),
        "\\PC{0,200}",
        bytes.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat()),
        damaged_net(),
    ]
}

/// The text of a net with a few characters replaced, inserted or removed.
fn damaged_net() -> impl Strategy<Value = String> {
    let character =
        prop_oneof![4 => "[\\[\\](),A-Z0-9 ]", 1 => "[\n\t\r{}é☃\u{200b}-]", 1 => any::<char>().prop_map(String::from)];
    let damage = (any::<prop::sample::Index>(), 0..=2usize, prop::option::weighted(0.7, character));
    (net(), spaces(), prop::collection::vec(damage, 1..4)).prop_map(|(net, spaces, damages)| {
        let mut text: Vec<char> = spaced(&net.to_string(), &spaces).chars().collect();
        for (place, removed, inserted) in damages {
            let start = place.index(text.len() + 1);
            let end = (start + removed).min(text.len());
            text.splice(start..end, inserted.iter().flat_map(|inserted| inserted.chars()));
        }
        text.into_iter().collect()
    })
}

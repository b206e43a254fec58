//! Texts and nets: parsing inverts printing, and no text does harm.

use crate::strategies::{any_layers, hostile_text, net, spaced, spaces};
use dpnas_grammar::{Layer, MAX_LAYERS, MAX_TEXT_BYTES, Net, NetError, ParseError, ParseErrorKind, Prefix};
use proptest::prelude::*;

/// Checks what holds for every error: its span, and a message of three lines whose carets stand under the span.
fn check_error(text: &str, error: &ParseError) -> Result<(), TestCaseError> {
    let span = error.span();
    prop_assert!(text.get(span.clone()).is_some(), "{:?} of {:?}", span, text);
    prop_assert!(!error.expected().is_empty());
    let message = error.to_string();
    let lines: Vec<&str> = message.split('\n').collect();
    let [headline, shown, carets] = lines[..] else { panic!("{message}") };
    prop_assert!(message.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", message);
    prop_assert!(shown.chars().count() <= 80, "{}", message);

    let indent = carets.len() - carets.trim_start().len();
    let carets = carets.len() - indent;
    prop_assert!(carets > 0 && indent + carets <= shown.chars().count() + 1, "{}", message);
    let under: String = shown.chars().skip(indent).take(carets).collect();
    let marked = text[span.clone()].lines().next().unwrap_or("");
    if marked.is_empty() {
        prop_assert_eq!(carets, 1, "{}", message);
    } else if marked.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        prop_assert!(marked.starts_with(&under), "{}", message);
        prop_assert!(under == marked || shown.ends_with('…'), "{}", message);
    }

    let before = &text[..span.start];
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    let place = format!("line {line}, column {column}: ");
    prop_assert!(headline.starts_with(&place), "{}", message);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn parsing_inverts_printing(net in net()) {
        let text = net.to_string();
        prop_assert_eq!(text.parse::<Net>(), Ok(net));
    }

    #[test]
    fn white_space_between_tokens_changes_nothing(net in net(), spaces in spaces()) {
        let text = spaced(&net.to_string(), &spaces);
        // 64 layers of large numbers with much white space may exceed the size limit.
        prop_assume!(text.len() <= MAX_TEXT_BYTES);
        prop_assert_eq!(text.parse::<Net>(), Ok(net));
    }

    #[test]
    fn every_beginning_of_a_net_is_a_prefix(net in net(), cut in any::<prop::sample::Index>()) {
        let layers = net.layers()[..cut.index(net.layers().len() + 1)].to_vec();
        let prefix = Prefix::new(layers.clone()).unwrap();
        prop_assert_eq!(prefix.layers(), layers.as_slice());
        prop_assert_eq!(prefix.to_string().parse(), Ok(prefix.clone()));
        prop_assert_eq!(Net::try_from(prefix.clone()).is_ok(), layers.len() == net.layers().len());
        prop_assert_eq!(Prefix::from(net.clone()) == prefix, layers.len() == net.layers().len());
    }

    #[test]
    fn layers_parse_exactly_if_they_make_a_net(layers in any_layers()) {
        let tokens: Vec<String> = layers.iter().map(Layer::to_string).collect();
        let text = format!("[{}]", tokens.join(", "));
        match (Net::new(layers.clone()), text.parse::<Net>()) {
            (Ok(net), parsed) => {
                prop_assert_eq!(net.layers(), layers.as_slice());
                prop_assert_eq!(net.to_string(), text);
                prop_assert_eq!(parsed, Ok(net));
            }
            (Err(expected), Err(error)) => match error.kind() {
                ParseErrorKind::Net(found) => {
                    prop_assert_eq!(found, &expected);
                    let token = expected.index().map_or(text.as_str(), |index| &tokens[index]);
                    let marked = &text[error.span()];
                    prop_assert!(marked == token || marked == "0", "{}", error);
                    prop_assert_eq!(marked == "0", matches!(expected, NetError::Zero { .. }));
                }
                found => prop_assert!(false, "{:?}", found),
            },
            (net, parsed) => prop_assert!(false, "{:?} but {:?}", net, parsed),
        }
    }

    #[test]
    fn no_text_does_harm(text in hostile_text()) {
        let net = text.parse::<Net>();
        let prefix = text.parse::<Prefix>();
        match (&net, &prefix) {
            (Ok(net), Ok(prefix)) => {
                prop_assert_eq!(net.layers(), prefix.layers());
                prop_assert_eq!(&net.to_string().parse::<Net>(), &Ok(net.clone()));
            }
            (Err(error), Ok(prefix)) => {
                let kind = error.kind();
                let missing = matches!(kind, ParseErrorKind::Net(NetError::Empty | NetError::MissingSoftmax { .. }));
                prop_assert!(missing, "{}", error);
                prop_assert_eq!(&prefix.to_string().parse::<Prefix>(), &Ok(prefix.clone()));
            }
            (Err(a), Err(b)) => prop_assert_eq!(a, b),
            (Ok(net), Err(error)) => prop_assert!(false, "{} but {}", net, error),
        }
        for error in [net.err(), prefix.err()].into_iter().flatten() {
            check_error(&text, &error)?;
        }
    }

    #[test]
    fn long_lines_are_cut_around_the_span(before in "\\PC{0,150}", after in "\\PC{0,150}", name in "[a-z]{1,120}") {
        // The error is somewhere in the first text, and at the name in the second.
        for text in [format!("{before}{name}{after}"), format!("[SM(3),{}{name}({after}", " ".repeat(before.len()))] {
            check_error(&text, &text.parse::<Net>().unwrap_err())?;
        }
    }
}

#[test]
fn a_text_of_the_greatest_length_parses_and_a_longer_one_does_not() {
    let net = "[SM(10)]";
    let text = format!("{net}{}", " ".repeat(MAX_TEXT_BYTES - net.len()));
    assert_eq!(text.parse::<Net>().unwrap().to_string(), net);

    let text = text + " é";
    let error = text.parse::<Net>().unwrap_err();
    assert_eq!(error.kind(), &ParseErrorKind::TextTooLong { bytes: MAX_TEXT_BYTES + 3 });
    assert_eq!(error.span(), MAX_TEXT_BYTES..MAX_TEXT_BYTES + 3);
    assert_eq!(error.expected(), "at most 16384 bytes");

    // The limit falls into the middle of a character.
    let text = format!("{}é", "[".repeat(MAX_TEXT_BYTES - 1));
    let error = text.parse::<Prefix>().unwrap_err();
    assert_eq!(error.span(), MAX_TEXT_BYTES - 1..MAX_TEXT_BYTES + 1);
}

#[test]
fn the_greatest_number_of_layers_parses_and_one_more_does_not() {
    let text = |layers: usize| format!("[{}SM(2)]", "FC(3),".repeat(layers - 1));
    assert_eq!(text(MAX_LAYERS).parse::<Net>().unwrap().layers().len(), MAX_LAYERS);
    let long = text(MAX_LAYERS + 1);
    let error = long.parse::<Net>().unwrap_err();
    assert_eq!(error.kind(), &ParseErrorKind::Net(NetError::TooManyLayers { layers: MAX_LAYERS + 1 }));
    assert_eq!(&long[error.span()], "SM(2)");
}

#[test]
fn a_prefix_may_be_empty_or_lack_its_classifier() {
    for text in ["[]", "[C(32,5,1,2,1)]", "[P(2,2,0,0), FC(32)]", "[C(32,3,1,1,0), FC(32), SM(10)]"] {
        assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
    }
    assert_eq!(Prefix::default().to_string(), "[]");
    for text in ["[FC(3), P(2,2,0,0)]", "[SM(2), FC(3)]", "[FC(0)]", "[X]", ""] {
        assert!(text.parse::<Prefix>().is_err(), "{text}");
    }
}

#[test]
fn a_net_tells_its_parts_apart() {
    let net: Net = "[C(32,5,1,2,1), P(4,4,0,0), FC(64), FC(32), SM(10)]".parse().unwrap();
    assert_eq!(net.encoder(), &net.layers()[..2]);
    assert_eq!(net.linear_units().collect::<Vec<_>>(), [64, 32]);
    assert_eq!(net.classes(), 10);
}

#[test]
fn serde_has_the_texts() {
    fn check<T: serde::Serialize + serde::de::DeserializeOwned>(value: T, text: &str) {
        let text = toml::Value::from(text);
        assert_eq!(toml::Value::try_from(&value).unwrap(), text);
        assert_eq!(toml::Value::try_from(text.clone().try_into::<T>().unwrap()).unwrap(), text);
        let error = toml::Value::from("[C(0,5)").try_into::<T>().err().unwrap();
        assert!(error.to_string().contains(['^', 'x']), "{error}");
    }
    check("[ SM(2)]".parse::<Net>().unwrap(), "[SM(2)]");
    check(Prefix::default(), "[]");
    check(dpnas_grammar::ImageShape::square(1, 28), "1x28x28");
}

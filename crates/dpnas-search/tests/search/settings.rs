//! Presets, TOML, and settings and values in serde.

use crate::strategies::{settings, two_nets};
use dpnas_search::{Feedback, ImageShape, SPACE_PRESETS, Search, SearchSettings, Seed, SpaceSettings};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[test]
fn every_preset_has_a_name_and_suits_digits_and_larger_images() {
    for name in SPACE_PRESETS {
        let preset = SpaceSettings::named(name).unwrap();
        for size in [8, 28, 32] {
            assert!(preset.clone().check(ImageShape::square(1, size), 10).is_ok(), "{name} {size}");
        }
    }
    assert_eq!(SpaceSettings::named("huge"), None);
}

#[test]
fn without_a_preset_the_paper_is_the_base() {
    assert_eq!(SpaceSettings::from_toml(""), Ok(SpaceSettings::paper()));
    let changed = SpaceSettings::from_toml("preset = \"reference-code\"\nmax_fc = 2").unwrap();
    assert_eq!(changed, SpaceSettings { max_fc: 2, ..SpaceSettings::reference_code() });
}

#[test]
fn wrong_values_are_rejected_by_name() {
    let cases = [
        ("preset = \"large\"", "preset: `large` is not a preset; use one of paper, reference-code, small"),
        ("kernels = []", "kernels: the list is empty; give at least one number"),
        ("features = [16, 0]", "features: 0 is not allowed; every number is at least 1"),
        ("kernels = [3, 1]", "kernels: 3 stands before 1; write the numbers in ascending order, each once"),
        ("pool_sizes = [2, 2]", "pool_sizes: 2 stands before 2; write the numbers in ascending order, each once"),
        ("pool_strides = []", "pool_strides: the list is empty; give at least one number"),
        ("fc_sizes = [0]", "fc_sizes: 0 is not allowed; every number is at least 1"),
        ("large_kernel = 0", "large_kernel: 0 is not allowed; every number is at least 1"),
        ("large_kernel_stride = 0", "large_kernel_stride: 0 is not allowed; every number is at least 1"),
        ("min_depth = 0", "min_depth: 0 is not allowed; every number is at least 1"),
        ("max_final_map = 0", "max_final_map: 0 is not allowed; every number is at least 1"),
        ("max_features = 0", "max_features: 0 is not allowed; every number is at least 1"),
        ("min_depth = 13", "min_depth: 13 is larger than max_depth, 12; exchange or change them"),
        (
            "max_depth = 32",
            "max_depth: 32 convolutions, as many pooling layers and max_fc = 0 make up to 65 layers with the \
             classifier, but a net has at most 64; lower max_depth",
        ),
    ];
    for (text, message) in cases {
        let error = SpaceSettings::from_toml(text).unwrap_err();
        assert_eq!(error.to_string(), format!("space settings: {message}"), "{text}");
    }
    let many: Vec<u32> = (1..=65).collect();
    let error = SpaceSettings::from_toml(&format!("features = {many:?}")).unwrap_err();
    assert_eq!(error.to_string(), "space settings: features: 65 numbers are too many; use at most 64");
    let error = SpaceSettings { max_features: u64::MAX, ..SpaceSettings::paper() }.validate().unwrap_err();
    assert_eq!(
        error.to_string(),
        "space settings: max_features: 18446744073709551615 is too large; use at most 9223372036854775807"
    );
}

#[test]
fn unknown_keys_and_wrong_types_are_rejected_by_name() {
    for (text, name) in [
        ("kernel = [3]", "kernel"),
        ("max_depth = \"deep\"", "max_depth"),
        ("max_depth = -1", "max_depth"),
        ("max_depth = 4294967296", "max_depth"),
        ("features = 16", "features"),
        ("features = [1.5]", "features"),
        ("[kernels]", "kernels"),
    ] {
        let message = SpaceSettings::from_toml(text).unwrap_err().to_string();
        assert!(message.starts_with("space settings: ") && message.contains(name), "{message}");
    }
}

#[test]
fn settings_are_written_one_a_line() {
    let text = toml::to_string(&SpaceSettings::small()).unwrap();
    assert_eq!(text.lines().count(), 12);
    assert!(text.starts_with("kernels = [1, 3, 5]\nfeatures = [16, 32, 64, 128]\nlarge_kernel = 5\n"), "{text}");
}

#[test]
fn what_goes_in_and_out_of_a_search_is_json_and_back() {
    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T, json: &str) {
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(serde_json::from_str::<T>(json).unwrap(), value);
        let extra = json.replacen('{', "{\"more\":1,", 1);
        assert!(extra == json || serde_json::from_str::<T>(&extra).is_err(), "{extra}");
    }
    let settings = SearchSettings { schedule: "1.0:2,0.5:3".parse().unwrap(), ..SearchSettings::paper() };
    round_trip(
        settings.clone(),
        r#"{"q_learning_rate":0.1,"q_discount_factor":1.0,"initial_q":0.15,"replay_number":50,"schedule":"1.0:2,0.5:3"}"#,
    );
    let mut search = Search::new(two_nets(), settings, Seed(5)).unwrap();
    let candidate = search.ask().unwrap().unwrap();
    round_trip(candidate.clone(), &format!(r#"{{"id":0,"net":"{}","epsilon":1.0}}"#, candidate.net));
    round_trip(Feedback::OutOfMemory, r#""out-of-memory""#);
    round_trip(Feedback::Scored { reward: 0.5 }, r#"{"scored":{"reward":0.5}}"#);
    search.tell(candidate.id, Feedback::Rejected).unwrap();
    round_trip(search.progress(), r#"{"counted":0,"total":5,"in_flight":0,"fruitless":1,"epsilon":1.0}"#);
    let row = serde_json::to_string(&search.rows()[0]).unwrap();
    let origin = r#"{"rejected":"refused by the evaluation of candidate 0"}"#;
    assert_eq!(row, format!(r#"{{"epsilon":1.0,"net":"{}","reward":0.0,"origin":{origin}}}"#, candidate.net));
}

#[test]
fn inputs_that_cannot_be_searched_are_rejected() {
    let error = |input, classes| SpaceSettings::small().check(input, classes).unwrap_err().to_string();
    assert_eq!(
        error(ImageShape { channels: 1, height: 28, width: 32 }, 10),
        "input: the search works on square images, and 1x28x32 is not; resize the images"
    );
    assert_eq!(
        error(ImageShape::square(0, 28), 10),
        "input: 0x28x28 images hold nothing; give at least one channel and one pixel"
    );
    assert_eq!(error(ImageShape::square(1, 28), 1), "classes: 1 is too few to classify; give at least 2");
    assert_eq!(
        error(ImageShape::square(1, 1), 10),
        "space settings: kernels: the smallest, 1, is not smaller than the 1x1x1 images, so there is no first layer; \
         add a smaller kernel or use larger images"
    );
}

/// Lines that are close to settings.
fn toml_lines() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("preset"),
        Just("kernels"),
        Just("features"),
        Just("large_kernel"),
        Just("pool_sizes"),
        Just("fc_sizes"),
        Just("min_depth"),
        Just("max_depth"),
        Just("max_fc"),
        Just("max_features"),
        Just("[table]\nx"),
    ];
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (0u32..40).prop_map(|n| n.to_string()),
        prop::collection::vec(0u32..9, 0..5).prop_map(|list| format!("{list:?}")),
        prop_oneof![Just("\"paper\""), Just("\"small\""), Just("true"), Just("1.5"), Just("{"), Just("")]
            .prop_map(String::from),
    ];
    prop::collection::vec((key, value).prop_map(|(key, value)| format!("{key} = {value}")), 0..5)
        .prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn toml_round_trips(settings in settings()) {
        prop_assert_eq!(SpaceSettings::from_toml(&toml::to_string(&settings).unwrap()), Ok(settings));
    }

    #[test]
    fn any_toml_gives_valid_settings_or_an_error(text in prop_oneof![toml_lines(), any::<String>()]) {
        if let Ok(settings) = SpaceSettings::from_toml(&text) {
            prop_assert_eq!(settings.validate(), Ok(()));
            // Even then the images may be too small, which is an error, too.
            if let Ok(space) = settings.check(ImageShape::square(1, 12), 10) {
                prop_assert!(!space.actions(&space.start()).is_empty());
            }
        }
    }
}

//! Runs the named cases of `fixtures/grammar`.

use dpnas_grammar::{ImageShape, Limits, Net, ParseErrorKind, PlanError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;

const GOOD: &str = include_str!("../../../../fixtures/grammar/good.toml");
const BAD: &str = include_str!("../../../../fixtures/grammar/bad.toml");
const UNPLANNABLE: &str = include_str!("../../../../fixtures/grammar/unplannable.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Corpus<T> {
    case: Vec<T>,
}

/// A net and what its plan says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    name: String,
    text: String,
    input: String,
    canonical: String,
    stages: Vec<String>,
    features: u64,
    multiply_adds: u64,
    parameters: u64,
    classifier_parameters: u64,
    peak_activation_bytes: u64,
    verdict: String,
}

/// A text that is not a net.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    name: String,
    text: String,
    kind: String,
    span: (usize, usize),
    message: String,
}

/// A net that cannot be computed on its input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unplannable {
    name: String,
    text: String,
    input: String,
    kind: String,
    layer: isize,
    message: String,
}

fn cases<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let corpus: Corpus<T> = toml::from_str(text).unwrap();
    assert!(!corpus.case.is_empty(), "the corpus is empty");
    corpus.case
}

/// The name of an enum's variant.
fn variant(value: &impl Debug) -> String {
    format!("{value:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

#[test]
fn good_cases_print_and_plan_as_written() {
    for case in cases::<Good>(GOOD) {
        let name = &case.name;
        let net: Net = case.text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(net.to_string(), case.canonical, "{name}");
        let input: ImageShape = case.input.parse().unwrap();
        let plan = net.plan(input).unwrap_or_else(|error| panic!("{name}: {error}"));
        let stages: Vec<String> = plan.stages().iter().map(|stage| stage.output.to_string()).collect();
        assert_eq!(stages, case.stages, "{name}");
        assert_eq!(plan.output().to_string(), *case.stages.last().unwrap_or(&case.input), "{name}");
        assert_eq!(plan.features(), case.features, "{name}");
        assert_eq!(plan.multiply_adds(), case.multiply_adds, "{name}");
        assert_eq!(plan.parameters(), case.parameters, "{name}");
        assert_eq!(plan.classifier_parameters(), case.classifier_parameters, "{name}");
        assert_eq!(plan.peak_activation_bytes(), case.peak_activation_bytes, "{name}");
        assert_eq!(plan.verdict(&Limits::paper()).to_string(), case.verdict, "{name}");
    }
}

#[test]
fn bad_cases_fail_where_and_as_written() {
    for case in cases::<Bad>(BAD) {
        let name = &case.name;
        let error = case.text.parse::<Net>().expect_err(name);
        let kind = match error.kind() {
            ParseErrorKind::Net(error) => variant(error),
            kind => variant(kind),
        };
        assert_eq!(kind, case.kind, "{name}: {error}");
        assert_eq!(error.span(), case.span.0..case.span.1, "{name}: {error}");
        assert!(error.to_string().contains(&case.message), "{name}: {error}");
    }
}

#[test]
fn unplannable_cases_blame_the_layer_as_written() {
    for case in cases::<Unplannable>(UNPLANNABLE) {
        let name = &case.name;
        let net: Net = case.text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let error = net.plan(case.input.parse().unwrap()).expect_err(name);
        assert_eq!(variant(&error), case.kind, "{name}: {error}");
        let layer = match &error {
            PlanError::KernelTooLarge { index, .. }
            | PlanError::WindowTooLarge { index, .. }
            | PlanError::TooLarge { index, .. } => *index as isize,
            _ => -1,
        };
        assert_eq!(layer, case.layer, "{name}: {error}");
        assert!(error.to_string().contains(&case.message), "{name}: {error}");
    }
}

#[test]
fn no_two_cases_have_the_same_name() {
    let good = cases::<Good>(GOOD).into_iter().map(|case| case.name);
    let bad = cases::<Bad>(BAD).into_iter().map(|case| case.name);
    let unplannable = cases::<Unplannable>(UNPLANNABLE).into_iter().map(|case| case.name);
    let mut names = BTreeSet::new();
    for name in good.chain(bad).chain(unplannable) {
        assert!(!name.is_empty(), "a case without a name");
        assert!(names.insert(name.clone()), "two cases are called `{name}`");
    }
    assert!(names.len() >= 70, "only {} cases", names.len());
}

#[test]
fn a_field_that_is_not_known_is_refused() {
    let extra = BAD.replacen("kind = ", "reason = \"\"\nkind = ", 1);
    let error = toml::from_str::<Corpus<Bad>>(&extra).err().map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("unknown field `reason`")));
}

//! The conformance suite of every engine, on both CPU backends.

use crate::plans::plans;
use burn::tensor::backend::Backend;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use dpnas_encoder::BurnEngine;
use dpnas_grammar::Plan;
use dpnas_prior::conformance::{Tolerance, check};
use proptest::prelude::*;
use std::num::NonZeroUsize;

fn conforms<B: Backend>(name: &str, plan: &Plan, seed: u64) -> Result<(), TestCaseError> {
    let engine = BurnEngine::<B>::new(name, B::Device::default());
    check(&engine, plan, seed, Tolerance::F32).map_err(TestCaseError::fail)?;
    let split = engine.split_over_threads(NonZeroUsize::new(2).unwrap());
    check(&split, plan, seed, Tolerance::F32).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn flex_conforms_on_random_plans(plan in plans(), seed: u64) {
        conforms::<Flex>("flex f32", &plan, seed)?;
    }

    #[test]
    fn ndarray_conforms_on_random_plans(plan in plans(), seed: u64) {
        conforms::<NdArray>("ndarray f32", &plan, seed)?;
    }
}

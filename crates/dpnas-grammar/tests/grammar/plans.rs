//! Plans agree with the naive computation, whatever the numbers.

use crate::oracle::{Numbers, numbers};
use crate::strategies::{net, positive, square_image};
use dpnas_grammar::{ConvShape, ImageShape, Layer, Limits, Net, Plan, PlanError, Rejection, Verdict};
use proptest::prelude::*;

fn numbers_of(plan: &Plan) -> Numbers {
    let stages = plan.stages().iter();
    Numbers {
        stages: stages
            .map(|stage| (stage.output, stage.multiply_adds, stage.parameters, stage.activation_bytes))
            .collect(),
        features: plan.features(),
        multiply_adds: plan.multiply_adds(),
        parameters: plan.parameters(),
        classifier_parameters: plan.classifier_parameters(),
        peak_activation_bytes: plan.peak_activation_bytes(),
    }
}

/// Layer and map that an error blames.
fn blamed(error: &PlanError) -> (usize, Layer, ImageShape) {
    match *error {
        PlanError::KernelTooLarge { index, layer, map, .. }
        | PlanError::WindowTooLarge { index, layer, map, .. }
        | PlanError::TooLarge { index, layer, map, .. } => (index, layer, map),
        _ => panic!("no layer to blame: {error}"),
    }
}

fn plan(text: &str, input: ImageShape) -> Plan {
    text.parse::<Net>().unwrap().plan(input).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_plan_equals_the_naive_computation(net in net(), input in square_image()) {
        let plan = net.plan(input);
        prop_assert_eq!(plan.as_ref().ok().map(numbers_of), numbers(&net, input));
        match plan {
            Ok(plan) => {
                prop_assert_eq!(plan.net(), &net);
                prop_assert_eq!(plan.input(), input);
                // Stages follow each other, layer by layer.
                let inputs = [input].into_iter().chain(plan.stages().iter().map(|stage| stage.output));
                prop_assert!(inputs.clone().zip(plan.stages()).all(|(input, stage)| stage.input == input));
                prop_assert_eq!(plan.output(), inputs.last().unwrap());
                prop_assert!(plan.stages().iter().map(|stage| &stage.layer).eq(net.encoder()));
            }
            Err(error) => {
                let (index, layer, map) = blamed(&error);
                prop_assert_eq!(net.layers()[index], layer);
                let message = error.to_string();
                let start = format!("layer {}, `{layer}`", index + 1);
                prop_assert!(message.starts_with(&start) && message.contains(&map.to_string()), "{}", message);
            }
        }
    }

    #[test]
    fn the_weights_of_a_stage_sum_up_to_its_numbers(net in net(), input in square_image()) {
        let Ok(plan) = net.plan(input) else { return Ok(()) };
        for stage in plan.stages() {
            let weights: u64 = stage.weights().map(|conv| conv.weights()).sum();
            prop_assert_eq!(weights, stage.parameters);
            let pixels = u64::from(stage.output.height) * u64::from(stage.output.width);
            prop_assert_eq!(weights * pixels, stage.multiply_adds);
            for conv in stage.weights() {
                prop_assert_eq!(conv.fan_in() * u64::from(conv.out_channels), conv.weights());
                prop_assert_eq!(conv.fan_out() * u64::from(conv.in_channels), conv.weights());
            }
        }
    }

    #[test]
    fn a_kernel_that_the_message_advises_fits(kernel in positive(), size in positive(), padding in 0..70_000u32) {
        let conv = |kernel, padding| {
            Net::new(vec![Layer::Conv { features: 1, kernel, stride: 1, padding }, Layer::Softmax { classes: 2 }])
                .unwrap()
                .plan(ImageShape::square(1, size))
        };
        let Err(error @ PlanError::KernelTooLarge { .. }) = conv(kernel, padding) else { return Ok(()) };
        let message = error.to_string();
        let advice: Vec<u32> = message
            .split("at ")
            .filter_map(|part| part.strip_prefix("most ").or(part.strip_prefix("least ")))
            .map(|part| part.split(' ').next().unwrap().parse().unwrap())
            .collect();
        let [most, least] = advice[..] else { panic!("{message}") };
        prop_assert!(conv(most, padding).is_ok() && conv(most + 1, padding).is_err(), "{}", message);
        // Other numbers may be too large then, but the kernel fits, and just so.
        prop_assert!(!matches!(conv(kernel, least), Err(PlanError::KernelTooLarge { .. })), "{}", message);
        prop_assert!(matches!(conv(kernel, least - 1), Err(PlanError::KernelTooLarge { .. })), "{}", message);
    }
}

#[test]
fn a_residual_block_lists_both_convolutions_and_then_the_projection() {
    let conv = |in_channels, out_channels, kernel, padding| ConvShape {
        in_channels,
        out_channels,
        kernel,
        stride: 1,
        padding,
    };
    let plan = plan("[C(8,5,2,1,1), C(8,3,1,1,0), C(16,3,1,1,0), P(2,2,0,0), SM(2)]", ImageShape::square(3, 9));
    let weights: Vec<Vec<ConvShape>> = plan.stages().iter().map(|stage| stage.weights().collect()).collect();
    assert_eq!(weights[0], [ConvShape { stride: 2, ..conv(3, 8, 5, 1) }]);
    assert_eq!(weights[1], [conv(8, 8, 3, 1), conv(8, 8, 3, 1)]);
    assert_eq!(weights[2], [conv(8, 16, 3, 1), conv(16, 16, 3, 1), conv(8, 16, 1, 0)]);
    assert_eq!(weights[3], []);
}

#[test]
fn fans_count_channels_times_the_kernel_area() {
    let conv = ConvShape { in_channels: 3, out_channels: 32, kernel: 5, stride: 2, padding: 1 };
    assert_eq!((conv.weights(), conv.fan_in(), conv.fan_out()), (2_400, 75, 800));
    let most = u32::MAX;
    let conv = ConvShape { in_channels: most, out_channels: most, kernel: most, stride: 1, padding: 0 };
    assert_eq!((conv.weights(), conv.fan_in(), conv.fan_out()), (u64::MAX, u64::MAX, u64::MAX));
}

#[test]
fn a_residual_block_holds_more_maps_than_a_convolution() {
    // One map is 8 · 4 · 4 values of four bytes.
    let map = 8 * 4 * 4 * 4;
    let bytes = |text, channels| plan(text, ImageShape::square(channels, 4)).stages()[0].activation_bytes;
    assert_eq!(bytes("[C(8,3,1,1,1), SM(2)]", 8), 2 * map);
    assert_eq!(bytes("[P(4,4,0,0), SM(2)]", 8), map + map / 16);
    assert_eq!(bytes("[C(8,3,1,1,0), SM(2)]", 8), 3 * map);
    assert_eq!(bytes("[C(8,3,1,1,0), SM(2)]", 16), 2 * (2 * map) + 2 * map);
}

#[test]
fn limits_are_inclusive_and_the_final_map_comes_first() {
    let limits = Limits::paper();
    let verdict = |channels, size| plan("[SM(2)]", ImageShape::square(channels, size)).verdict(&limits);
    assert_eq!(verdict(1, 8), Verdict::Accepted);
    assert_eq!(verdict(1, 9), Verdict::Rejected(Rejection::FinalMap { size: 9, limit: 8 }));
    assert_eq!(verdict(20_000, 1), Verdict::Accepted);
    assert_eq!(verdict(20_001, 1), Verdict::Rejected(Rejection::Features { features: 20_001, limit: 20_000 }));
    assert_eq!(verdict(20_001, 9).to_string(), "rejected: final map 9x9, at most 8x8");
    assert_eq!(verdict(20_001, 1).to_string(), "rejected: 20001 features, at most 20000");
    assert_eq!(verdict(1, 1).to_string(), "accepted");
    let wide = Limits { max_final_map: 9, max_features: u64::MAX };
    assert_eq!(plan("[SM(2)]", ImageShape::square(20_001, 9)).verdict(&wide), Verdict::Accepted);
}

#[test]
fn an_empty_or_oblong_input_is_refused() {
    let net: Net = "[SM(2)]".parse().unwrap();
    for (channels, height, width) in [(0, 8, 8), (1, 0, 0), (u32::MAX, u32::MAX, 0)] {
        let input = ImageShape { channels, height, width };
        assert_eq!(net.plan(input), Err(PlanError::EmptyInput { input }));
    }
    let input = ImageShape { channels: 3, height: 8, width: 9 };
    assert_eq!(net.plan(input), Err(PlanError::NotSquare { input }));
}

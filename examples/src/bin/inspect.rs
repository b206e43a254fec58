//! Shows an architecture's layers, shapes and cost, or what may follow it in a search.

use anyhow::{Context, Result};
use clap::Parser;
use dpnas::grammar::{ImageShape, Layer, Limits, Net, Plan, Prefix};
use dpnas::heads::Statistics;
use dpnas::search::{Action, Space};
use dpnas_examples::options::SpaceChoice;
use dpnas_examples::program::{self, print};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Shows an architecture's layers, shapes, cost and verdict, or with --actions what may follow it in a search.
#[derive(Parser)]
#[command(version, args_override_self = true, after_help = EXAMPLES)]
struct Arguments {
    /// The architecture; with --actions a prefix of one, `[]` is the start
    #[arg(long, value_name = "NET", allow_hyphen_values = true)]
    net: String,
    /// Channels, height and width of the images
    #[arg(long, value_name = "CxHxW", default_value = "1x28x28")]
    input: ImageShape,
    /// State space with limits and actions: `paper`, `reference-code`, `small`, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "paper")]
    space: String,
    /// List the legal actions after the prefix
    #[arg(long)]
    actions: bool,
    /// Classes of the data set, for --actions
    #[arg(long, value_name = "N", default_value_t = 10)]
    classes: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  inspect --net '[C(32,5,1,2,1), P(4,4,0,0), C(512,3,1,0,1), SM(10)]' --input 1x28x28
  inspect --net '[]' --actions --space reference-code --json";

fn main() -> ExitCode {
    program::run(run)
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    print(&answer(&arguments)?)?;
    Ok(ExitCode::SUCCESS)
}

fn answer(arguments: &Arguments) -> Result<String> {
    let settings = SpaceChoice::Named(arguments.space.clone()).settings()?;
    if arguments.actions {
        let prefix: Prefix = arguments.net.parse()?;
        let space = settings.check(arguments.input, arguments.classes)?;
        return actions(arguments, &prefix, &space);
    }
    let net: Net = arguments.net.parse()?;
    let plan = net.plan(arguments.input)?;
    let limits = Limits { max_final_map: settings.max_final_map, max_features: settings.max_features };
    Ok(if arguments.json { plan_json(&plan, &limits).to_string() } else { plan_text(&plan, &limits) })
}

fn plan_json(plan: &Plan, limits: &Limits) -> Value {
    let triple = |shape: ImageShape| [shape.channels, shape.height, shape.width];
    let stages: Vec<Value> = plan
        .stages()
        .iter()
        .map(|stage| {
            json!({
                "layer": stage.layer.to_string(),
                "output": triple(stage.output),
                "multiply_adds": stage.multiply_adds,
                "parameters": stage.parameters,
                "activation_bytes": stage.activation_bytes,
            })
        })
        .collect();
    json!({
        "net": plan.net().to_string(),
        "input": triple(plan.input()),
        "stages": stages,
        "features": plan.features(),
        "multiply_adds": plan.multiply_adds(),
        "parameters": plan.parameters(),
        "classifier_parameters": plan.classifier_parameters(),
        "ridge_state_bytes": ridge_state_bytes(plan),
        "peak_activation_bytes": plan.peak_activation_bytes(),
        "verdict": plan.verdict(limits).to_string(),
    })
}

/// Bytes of the sums that a ridge head is solved from, with the classes of the net.
fn ridge_state_bytes(plan: &Plan) -> u64 {
    let classes = plan.net().layers().iter().find_map(|layer| match layer {
        Layer::Softmax { classes } => Some(*classes),
        _ => None,
    });
    let features = usize::try_from(plan.features()).unwrap_or(usize::MAX);
    Statistics::bytes_of(features, classes.unwrap_or_default() as usize)
}

fn plan_text(plan: &Plan, limits: &Limits) -> String {
    let mut text = format!("{}\non images of {}\n\n", plan.net(), plan.input());
    text.push_str(&format!(
        "{:<22} {:>14} {:>16} {:>14} {:>14}\n",
        "layer", "output", "multiply-adds", "parameters", "activations"
    ));
    for stage in plan.stages() {
        text.push_str(&format!(
            "{:<22} {:>14} {:>16} {:>14} {:>12} B\n",
            stage.layer.to_string(),
            stage.output.to_string(),
            grouped(stage.multiply_adds),
            grouped(stage.parameters),
            grouped(stage.activation_bytes)
        ));
    }
    text.push_str(&format!(
        "\n{} features into the classifier of {} weights; a ridge head keeps {} bytes of sums; per image {} multiply-adds in \
         the encoder and at most {} bytes of activations\nverdict: {}\n",
        grouped(plan.features()),
        grouped(plan.classifier_parameters()),
        grouped(ridge_state_bytes(plan)),
        grouped(plan.multiply_adds()),
        grouped(plan.peak_activation_bytes()),
        plan.verdict(limits)
    ));
    text
}

fn actions(arguments: &Arguments, prefix: &Prefix, space: &Space) -> Result<String> {
    let state = space.follow(prefix.layers()).with_context(|| format!("{prefix} is no walk of this space"))?;
    let actions: Vec<String> = space.actions(&state).iter().map(Action::to_string).collect();
    if arguments.json {
        let state = json!({
            "layer_type": state.kind.to_string(),
            "depth": state.depth,
            "features": state.features,
            "kernel": state.kernel,
            "stride": state.stride,
            "padding": state.padding,
            "map_size": state.map_size,
            "fc_size": state.fc_size,
            "terminal": state.terminal,
        });
        return Ok(json!({ "net": prefix.to_string(), "state": state, "actions": actions }).to_string());
    }
    let heading = format!("after {prefix} ({state}): {} actions\n", actions.len());
    Ok(actions.iter().fold(heading, |text, action| text + "  " + action + "\n"))
}

/// Thousands apart: 12800 → 12,800.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

//! The Q-table as a CSV file that the published program reads.

use dpnas_search::{Entry, LayerKind, QTable, State};
use std::io::Write;

/// The fields of a state, without their `start_` or `end_`.
const FIELDS: [&str; 9] = [
    "layer_type",
    "layer_depth",
    "filter_depth",
    "filter_size",
    "stride",
    "padding",
    "image_size",
    "fc_size",
    "terminate",
];

/// Writes every action of every state that was met, with its Q-value.
///
/// # Errors
/// If the output fails.
///
/// # Source
/// SPEC §9.
pub fn write_q_values(table: &QTable, output: impl Write) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(output);
    let names = ["start", "end"].iter().flat_map(|side| FIELDS.iter().map(move |field| format!("{side}_{field}")));
    csv.write_record(names.chain(["utility".to_owned()]))?;
    for Entry { state, next, value, .. } in table.entries() {
        csv.write_record(fields(&state).into_iter().chain(fields(&next)).chain([format!("{value:?}")]))?;
    }
    csv.flush()?;
    Ok(())
}

fn fields(state: &State) -> [String; 9] {
    let kind = match state.kind {
        LayerKind::Start => "start",
        LayerKind::Conv => "conv",
        LayerKind::Residual => "wrn",
        LayerKind::MaxPool => "max_pool",
        LayerKind::Linear => "fc",
    };
    [
        kind.to_owned(),
        state.depth.to_string(),
        state.features.to_string(),
        state.kernel.to_string(),
        state.stride.to_string(),
        state.padding.to_string(),
        state.map_size.to_string(),
        state.fc_size.to_string(),
        u8::from(state.terminal).to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpnas_search::{ImageShape, Outcome, Search, SearchSettings, Seed, SpaceSettings};

    #[test]
    fn every_entry_is_a_line_with_both_states_and_the_value() {
        let space = SpaceSettings::small().check(ImageShape::square(1, 8), 10).unwrap();
        let settings = SearchSettings { schedule: "1.0:3".parse().unwrap(), ..SearchSettings::paper() };
        let mut search = Search::new(space, settings, Seed(1)).unwrap();
        while let Some(candidate) = search.ask().unwrap() {
            search.tell(candidate.id, Outcome::Scored { reward: 0.75 }).unwrap();
        }
        let mut output = Vec::new();
        write_q_values(search.q_table(), &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            "start_layer_type,start_layer_depth,start_filter_depth,start_filter_size,start_stride,start_padding,\
             start_image_size,start_fc_size,start_terminate,end_layer_type,end_layer_depth,end_filter_depth,\
             end_filter_size,end_stride,end_padding,end_image_size,end_fc_size,end_terminate,utility"
        );
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), search.q_table().entries().count());
        assert!(lines[0].starts_with("start,0,0,0,0,0,8,0,0,"), "{}", lines[0]);
        assert!(lines.iter().all(|line| line.split(',').count() == 19));
        assert!(lines.iter().any(|line| line.contains(",1,0.")), "a terminal state has its value");
    }
}

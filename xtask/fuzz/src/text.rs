//! Architectures, plans, spaces, settings and tables.

use crate::{Reading, refused};
use dpnas::data::LoadConfig;
use dpnas::grammar::{ImageShape, Limits, Net, Prefix};
use dpnas::search::{SearchSettings, Space, SpaceSettings};
use dpnas::{DeepPriorConfig, ReplayWriter, fixed_nets, read_q_values, read_replay_buffer};
use dpnas_train::FullConfig;
use oracle::{Numbers, numbers};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Display};
use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

#[path = "../../../crates/dpnas-grammar/tests/grammar/oracle.rs"]
mod oracle;

/// What parses is printed as a text that parses to the same.
pub(crate) fn net(bytes: &[u8]) -> Reading {
    fn back<T: FromStr<Err: std::error::Error> + Display + Debug + PartialEq>(text: &str) -> Result<T, String> {
        let value: T = text.parse().map_err(refused)?;
        assert_eq!(value.to_string().parse().ok().as_ref(), Some(&value), "`{value}` is not read as it is printed");
        Ok(value)
    }
    let text = String::from_utf8_lossy(bytes);
    let (net, prefix) = (back::<Net>(&text), back::<Prefix>(&text));
    let net = net?;
    assert_eq!(prefix, Ok(net.into()), "an architecture is a beginning of one");
    Ok(())
}

/// An image's shape in the first line, an architecture after it. The plan is that of the naive computation.
pub(crate) fn plan(bytes: &[u8]) -> Reading {
    let (input, net) = input_and_net(bytes)?;
    let plan = net.plan(input);
    let found = plan.as_ref().ok().map(|plan| Numbers {
        stages: plan.stages().iter().map(|s| (s.output, s.multiply_adds, s.parameters, s.activation_bytes)).collect(),
        features: plan.features(),
        multiply_adds: plan.multiply_adds(),
        parameters: plan.parameters(),
        classifier_parameters: plan.classifier_parameters(),
        peak_activation_bytes: plan.peak_activation_bytes(),
    });
    if input.height == input.width {
        assert_eq!(found, numbers(&net, input), "{net} on {input}");
    }
    plan.map(|plan| drop(plan.verdict(&Limits::paper()).to_string())).map_err(refused)
}

pub(crate) fn input_and_net(bytes: &[u8]) -> Result<(ImageShape, Net), String> {
    let text = String::from_utf8_lossy(bytes);
    let (input, net) = text.split_once('\n').ok_or("one line")?;
    Ok((input.parse().map_err(refused)?, net.parse().map_err(refused)?))
}

/// A space from TOML is read as it is printed, and its first steps can be listed.
pub(crate) fn space(bytes: &[u8]) -> Reading {
    let settings = SpaceSettings::from_toml(&String::from_utf8_lossy(bytes)).map_err(refused)?;
    let text = toml::to_string(&settings).expect("a checked space fits TOML");
    assert_eq!(SpaceSettings::from_toml(&text).as_ref(), Ok(&settings));
    let space = settings.check(ImageShape::square(1, 28), 10).map_err(refused)?;
    for (_, state) in space.steps(&space.start()) {
        space.steps(&state);
    }
    Ok(())
}

/// Settings of the libraries from TOML. They are read as they are printed, and checked.
pub(crate) fn settings(bytes: &[u8]) -> Reading {
    fn back<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, String> {
        let value: T = toml::from_str(text).map_err(refused)?;
        if let Ok(text) = toml::to_string(&value) {
            let again: T = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}\nis not read: {error}"));
            assert_eq!(toml::to_string(&again).ok(), Some(text), "settings change when they are read again");
        }
        Ok(value)
    }
    let text = String::from_utf8_lossy(bytes);
    let search = back::<SearchSettings>(&text).and_then(|settings| settings.validate().map_err(refused));
    let prior = back::<DeepPriorConfig>(&text).and_then(|config| config.probe.check().map_err(refused));
    let full = back::<FullConfig>(&text).and_then(|config| config.check().map_err(refused));
    search.or(prior).or(full).or_else(|message| back::<LoadConfig>(&text).map(drop).map_err(|other| message + &other))
}

/// A replay buffer is read as it is written, but for the fields that round.
pub(crate) fn replay_csv(bytes: &[u8]) -> Reading {
    let path = Path::new("replay_buffer.csv");
    let rows = read_replay_buffer(bytes, path).map_err(|error| named(path, refused(error)))?;
    let _ = fixed_nets(&rows).map_err(refused);
    let mut written = Vec::new();
    let mut writer = ReplayWriter::new(&mut written).expect("memory takes every row");
    rows.iter().for_each(|row| writer.write(row).expect("memory takes every row"));
    drop(writer);
    let again = read_replay_buffer(&written[..], path).expect("what was written is read");
    assert!(
        again.iter().map(|row| &row.net).eq(rows.iter().map(|row| &row.net)),
        "rows change when they are read again"
    );
    Ok(())
}

/// Q-values of a small space.
pub(crate) fn q_csv(bytes: &[u8]) -> Reading {
    static SPACE: LazyLock<Space> = LazyLock::new(|| {
        let space = SpaceSettings::small().check(ImageShape::square(1, 8), 10);
        space.expect("the small space is right")
    });
    let path = Path::new("q_values.csv");
    read_q_values(bytes, path, &SPACE).map(drop).map_err(|error| named(path, refused(error)))
}

/// A message, which names its file.
fn named(path: &Path, message: String) -> String {
    assert!(message.contains(&*path.to_string_lossy()), "a message does not name its file: {message}");
    message
}

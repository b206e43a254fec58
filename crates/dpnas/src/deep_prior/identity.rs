//! Translating identities in journals of earlier versions.

/// Translates an identity of an earlier version to this version's form. Current identities stay the same.
pub(crate) fn current(identity: &str) -> String {
    let identity = engine_version(identity).unwrap_or_else(|| identity.to_owned());
    classifier(&identity).unwrap_or(identity)
}

/// `deep prior vN on ENGINE` became `deep prior on ENGINE vN`, since each engine names its version. Before, N was the
/// version of burn's encoder on every device, and device `cpu` already had its version in its name.
fn engine_version(identity: &str) -> Option<String> {
    let (before, rest) = identity.split_once("deep prior v")?;
    let (version, rest) = rest.split_once(" on ")?;
    let (engine, after) = rest.split_once(';')?;
    version.parse::<u32>().ok()?;
    let version = if engine.starts_with("cpu ") { String::new() } else { format!(" v{version}") };
    Some(format!("{before}deep prior on {engine}{version};{after}"))
}

/// Earlier identities did not name Adam's β and ε, which no program could set, and had the classifier's seed after the
/// calibration images.
fn classifier(identity: &str) -> Option<String> {
    let (before, rest) = identity.split_once("; classifier ")?;
    let (before, seed) = before.rsplit_once(" by seed ")?;
    let end = rest.find(';').unwrap_or(rest.len());
    let (rate, others) = rest[..end].split_once(", decay ")?;
    let adam = "betas 0.9 0.999, epsilon 1e-8";
    Some(format!("{before}; classifier {rate}, {adam}, decay {others}, seed {seed}{}", &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::current;

    #[test]
    fn an_identity_of_an_earlier_version_is_recognised() {
        for (earlier, now) in [
            ("deep prior v2 on cpu avx2 f32 v3; data x; init y", "deep prior on cpu avx2 f32 v3; data x; init y"),
            ("deep prior v2 on flex f32; data x", "deep prior on flex f32 v2; data x"),
            (
                "random: deep prior v2 on flex f32; data x; trained: y",
                "random: deep prior on flex f32 v2; data x; trained: y",
            ),
        ] {
            assert_eq!((current(earlier), current(now)), (now.to_owned(), now.to_owned()));
        }
        assert_eq!(
            current(
                "random: deep prior v2 on flex f32; data x; init y; norm calibrated epsilon 0.0001 on 9 images by seed 7; \
                 classifier 5 epochs of 64 at 0.001, decay 0.0, drop-out 0.0, stop below 0.15 after 10; test z; trained: y"
            ),
            "random: deep prior on flex f32 v2; data x; init y; norm calibrated epsilon 0.0001 on 9 images; \
             classifier 5 epochs of 64 at 0.001, betas 0.9 0.999, epsilon 1e-8, decay 0.0, drop-out 0.0, stop below \
             0.15 after 10, seed 7; test z; trained: y"
        );
        assert_eq!(current("full training v1 on flex f32; data x"), "full training v1 on flex f32; data x");
        assert_ne!(current("deep prior v1 on flex f32; data x"), "deep prior on flex f32 v2; data x");
    }
}

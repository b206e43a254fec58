//! Identities in the journals of earlier versions.

/// The identity that this version gives to an evaluation that an earlier version named.
///
/// `deep prior vN on ENGINE` became `deep prior on ENGINE vN`, since each engine names its version. Before, N was that of
/// burn's encoder on every device; device `cpu` had a version in its name already.
pub(crate) fn current(identity: &str) -> String {
    let parts = || {
        let (before, rest) = identity.split_once("deep prior v")?;
        let (version, rest) = rest.split_once(" on ")?;
        let (engine, after) = rest.split_once(';')?;
        version.parse::<u32>().ok()?;
        let version = if engine.starts_with("cpu ") { String::new() } else { format!(" v{version}") };
        Some(format!("{before}deep prior on {engine}{version};{after}"))
    };
    parts().unwrap_or_else(|| identity.to_owned())
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
                "random: deep prior v2 on flex f32; data x; full: y",
                "random: deep prior on flex f32 v2; data x; full: y",
            ),
        ] {
            assert_eq!((current(earlier), current(now)), (now.to_owned(), now.to_owned()));
        }
        assert_eq!(current("full training v1 on flex f32; data x"), "full training v1 on flex f32; data x");
        assert_ne!(current("deep prior v1 on flex f32; data x"), "deep prior on flex f32 v2; data x");
    }
}

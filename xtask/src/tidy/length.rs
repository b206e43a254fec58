//! Files of Rust code stay short: one idea each, 300 lines the aim, 500 the limit.

use super::{Finding, Tree};

const LIMIT: usize = 500;

/// Finds Rust files with more lines than the limit, tests included.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files = tree.files().filter(|path| path.ends_with(".rs"));
    let lengths = files.filter_map(|path| Some((path, tree.text(path)?.lines().count())));
    let long = lengths.filter(|(_, lines)| *lines > LIMIT);
    let finding = |(path, lines): (&str, usize)| {
        Finding::new(
            path,
            LIMIT + 1,
            format!("{lines} lines of code in one file"),
            "a file holds one idea and is read in one go",
            format!("split it: the aim is 300 lines, the limit {LIMIT}"),
        )
    };
    long.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    #[test]
    fn a_file_over_the_limit_is_found_and_one_at_the_limit_is_not() {
        let lines = |count| "x\n".repeat(count);
        let (short, long) = (lines(LIMIT), lines(LIMIT + 1));
        let fixture = Fixture::new(&[("short.rs", &short), ("long.rs", &long), ("long.md", &long)]);
        let found = check(&fixture.tree);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("long.rs:501: 501 lines of code in one file"));
    }
}

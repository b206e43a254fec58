//! Every path that the architecture page names in backticks exists.

use super::{Finding, Tree};

const FILE: &str = "docs/architecture.md";

/// Endings that make a text with a slash a path.
const ENDINGS: &[&str] = &[".rs", ".md", ".toml", ".py", ".sh", ".yml", ".yaml", ".json", ".csv", ".lock"];

/// Finds paths that do not exist, or the page itself if it is missing.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let why = "a map that names what is gone leads astray";
    let Some(text) = tree.text(FILE) else {
        return vec![Finding::new(FILE, 1, "the page is missing", why, "write it")];
    };
    let ignored = tree.text(".gitignore").unwrap_or_default();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for path in quoted(line).filter_map(|quoted| path_of(quoted, tree)) {
            if !tree.has(path) && !ignored.contains(&path.split('/').next().unwrap_or_default()) {
                let what = format!("`{path}` does not exist");
                findings.push(Finding::new(FILE, index + 1, what, why, "write the path from the workspace root"));
            }
        }
    }
    findings
}

/// The texts in backticks on one line.
pub(super) fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let closed = line.matches('`').count() / 2;
    line.split('`').skip(1).step_by(2).take(closed)
}

/// The path that a text looks like, without a slash at its end and without what follows a `*`.
///
/// A path has a slash, and begins at the workspace root, ends like a file of the tree, or ends with a slash. A page of
/// the root is a path without one.
fn path_of<'a>(text: &'a str, tree: &Tree) -> Option<&'a str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/*".contains(c);
    if text.is_empty() || !text.chars().all(plain) || text.starts_with('/') {
        return None;
    }
    let bare = text.trim_end_matches('/');
    let (first, rest) = bare.split_once('/').unwrap_or((bare, ""));
    let ends_like_a_file = ENDINGS.iter().any(|ending| bare.ends_with(ending));
    let looks = match rest {
        "" => text.ends_with('/') || bare.ends_with(".md"),
        _ => text.ends_with('/') || ends_like_a_file || tree.has(first),
    };
    let known = bare.find('*').map_or(bare, |star| bare[..star].rsplit_once('/').map_or("", |(folder, _)| folder));
    (looks && !known.is_empty()).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    fn found(page: &str) -> Vec<String> {
        let fixture =
            Fixture::new(&[(FILE, page), ("README.md", ""), (".gitignore", "/runs\n"), ("crates/one/src/lib.rs", "")]);
        check(&fixture.tree).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn paths_that_exist_pass() {
        let page =
            "`crates/one/src/lib.rs`, `crates/one/`, `crates/*/src`, `README.md`, `docs`\nand `docs/architecture.md`";
        assert!(found(page).is_empty());
    }

    #[test]
    fn paths_that_do_not_exist_are_found_with_their_line() {
        let found = found("# Map\n`crates/two` and `crate/one/lib.rs`\n`notes/` and `GUIDE.md`");
        let places: Vec<&str> = found.iter().map(|text| text.split(" does").next().unwrap()).collect();
        let expected = ["2: `crates/two`", "2: `crate/one/lib.rs`", "3: `notes`", "3: `GUIDE.md`"];
        assert_eq!(places, expected.map(|place| format!("{FILE}:{place}")));
    }

    #[test]
    fn other_texts_are_no_paths() {
        let page = "`f32/bf16` `burn/std` `Tensor<B, D>` `dpnas_seed::Seed` `runs/` `runs/<time>/log.txt` `settings.toml` \
                    `/usr/bin/` `[n, c, h, w]` `lib.rs` an odd ` backtick/";
        assert!(found(page).is_empty(), "{:?}", found(page));
    }

    #[test]
    fn a_missing_page_is_found() {
        assert!(check(&Fixture::new(&[]).tree)[0].to_string().contains("the page is missing"));
    }
}

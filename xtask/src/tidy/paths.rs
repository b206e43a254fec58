//! Paths in the documents exist, and no file names a path of one machine.

use super::{Files, Finding};

/// Every path in backticks and every relative link of a Markdown page leads to a file.
pub(super) fn in_documents(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The changelog names files of its time.
    for (page, number, line) in files.lines().filter(|(path, ..)| path.ends_with(".md") && *path != "CHANGELOG.md") {
        let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
        let quoted =
            line.split('`').skip(1).step_by(2).filter(|text| looks_like_a_path(text, files)).map(str::to_owned);
        let links = line.split("](").skip(1).filter_map(|rest| joined(folder, rest.split([')', '#']).next()?));
        for path in quoted.chain(links).filter(|path| !files.has(path.trim_end_matches('/'))) {
            findings.push((page.to_owned(), number, format!("`{path}` does not exist")));
        }
    }
    findings
}

/// Whether a text in backticks begins like a path from the root.
fn looks_like_a_path(text: &str, files: &Files) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    text.chars().all(plain) && text.split_once('/').is_some_and(|(first, _)| files.has(first))
}

/// A relative link as a path from the root; `None` for an address and for a place on the same page.
fn joined(folder: &str, link: &str) -> Option<String> {
    if link.is_empty() || link.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            ".." => parts.truncate(parts.len().saturating_sub(1)),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Starts of paths that only a developer's machine has, in two parts so that this file passes.
const MACHINES: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ho", "me/")];

/// No file names a path below a folder of one machine.
pub(super) fn of_one_machine(files: &Files) -> Vec<Finding> {
    let inside = |c: char| c.is_alphanumeric() || "._-~)}]$*".contains(c);
    let absolute = |line: &str, start: &str| line.match_indices(start).any(|(at, _)| !line[..at].ends_with(inside));
    let found = files.lines().filter(|(.., line)| MACHINES.iter().any(|start| absolute(line, start)));
    found.map(|(path, number, _)| (path.to_owned(), number, "a path that only one machine has".to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let files = [("docs/page.md", page), ("README.md", ""), ("crates/one/src/lib.rs", ""), ("docs/other.md", "")];
        in_documents(&Files::new(&files)).into_iter().map(|(_, line, what)| format!("{line}: {what}")).collect()
    }

    #[test]
    fn paths_and_links_that_exist_pass() {
        let page =
            "`crates/one/src/lib.rs`, `crates/one/`, `docs/page.md`, [a](other.md#part), [b](../README.md), [c](#d)";
        assert!(found(page).is_empty(), "{:?}", found(page));
    }

    #[test]
    fn paths_and_links_that_do_not_exist_are_found_with_their_line() {
        let found = found("# Map\n`crates/two` and [a](gone.md)\n![b](../images/b.png)");
        let expected = ["2: `crates/two`", "2: `docs/gone.md`", "3: `images/b.png`"];
        assert_eq!(found, expected.map(|start| format!("{start} does not exist")));
    }

    #[test]
    fn other_texts_are_no_paths() {
        let page = "`f32/bf16` `runs/x/log.txt` `lib.rs` `/usr/bin/` `crates/*/src` [a](https://example.org/x) [b]: c";
        assert!(found(page).is_empty(), "{:?}", found(page));
    }

    #[test]
    fn absolute_paths_of_a_machine_are_found_and_relative_ones_are_not() {
        for start in MACHINES {
            let text = format!("see `one{start}x`\nsee `{start}x`\n");
            let found = of_one_machine(&Files::new(&[("a.md", &text)]));
            assert_eq!(found.iter().map(|(_, line, _)| *line).collect::<Vec<_>>(), [2]);
        }
    }
}

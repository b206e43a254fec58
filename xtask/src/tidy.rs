//! `cargo xtask tidy`: the house rules that no other tool checks.

mod differences;
mod files;
mod paths;

use files::Files;

use anyhow::bail;
use std::path::Path;

/// A broken rule: file, line and what to do.
type Finding = (String, usize, String);

const RULES: [fn(&Files) -> Vec<Finding>; 6] =
    [differences::check, paths::in_documents, paths::of_one_machine, sections, lengths, lints];

/// Applies every rule and prints what it found.
///
/// # Errors
/// If git cannot list the files, or a rule found something.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let files = Files::of_git(root)?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&files)).collect();
    findings.sort();
    for (file, line, what) in &findings {
        eprintln!("{file}:{line}: {what}");
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("tidy found {count} things to change"),
    }
}

const LENGTH: usize = 500;

/// Rust files are short enough to read in one go.
fn lengths(files: &Files) -> Vec<Finding> {
    let sources = files.ending(".rs").map(|(path, text)| (path, text.lines().count()));
    let long = sources.filter(|(_, lines)| *lines > LENGTH);
    long.map(|(path, lines)| {
        (path.to_owned(), LENGTH + 1, format!("{lines} lines: split the file at an idea; {LENGTH} are the limit"))
    })
    .collect()
}

/// Every package inherits the workspace's lints.
fn lints(files: &Files) -> Vec<Finding> {
    let packages = files.ending("Cargo.toml").filter(|(_, text)| text.contains("[package]"));
    let others = packages.filter(|(_, text)| !text.contains("[lints]\nworkspace = true"));
    others.map(|(path, _)| (path.to_owned(), 1, "add `[lints]` with `workspace = true`".to_owned())).collect()
}

const DESCRIPTION: &str = "docs/spec.md";

/// Every `SPEC §n` names a section of the description.
fn sections(files: &Files) -> Vec<Finding> {
    let sections: Vec<&str> =
        files.lines_of(DESCRIPTION).filter_map(|(_, line)| section(line.strip_prefix("## §")?)).collect();
    let mut findings = Vec::new();
    for (path, number, line) in files.lines() {
        for named in line.split('§').skip(1).filter_map(section) {
            if !sections.contains(&named) {
                findings.push((path.to_owned(), number, format!("§{named} is not a section of {DESCRIPTION}")));
            }
        }
    }
    findings
}

/// The digits at the start of a text, if there are any.
fn section(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&Files) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<(String, usize)> {
        rule(&Files::new(files)).into_iter().map(|(path, line, _)| (path, line)).collect()
    }

    #[test]
    fn a_rust_file_over_the_limit_is_found() {
        let (short, long) = ("x\n".repeat(LENGTH), "x\n".repeat(LENGTH + 1));
        let files = [("short.rs", &*short), ("long.rs", &*long), ("long.md", &*long)];
        assert_eq!(found(lengths, &files), [("long.rs".to_owned(), 501)]);
    }

    #[test]
    fn a_package_without_the_lints_is_found() {
        let good = "[package]\n[lints]\nworkspace = true\n";
        let files = [("a/Cargo.toml", good), ("b/Cargo.toml", "[package]\n"), ("Cargo.toml", "[workspace]\n")];
        assert_eq!(found(lints, &files), [("b/Cargo.toml".to_owned(), 1)]);
    }

    #[test]
    fn a_section_that_the_description_lacks_is_found() {
        let page = (DESCRIPTION, "# Title\n## §1 One\n## §12 Two\n");
        let code = concat!("//! SPEC §1, §12.\n//! SPEC ", "§2 and §1\n");
        assert_eq!(found(sections, &[page, ("a.rs", code)]), [("a.rs".to_owned(), 2)]);
    }
}

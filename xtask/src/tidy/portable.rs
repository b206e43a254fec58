//! No tracked file names a developer's machine or a package registry.

use super::{Finding, Tree};

/// Starts of absolute paths that exist on one machine only. Written in two parts, so that this file passes.
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/tm", "p/t-")];

/// Hosts of package registries.
const HOSTS: &[&str] = &[concat!("crates", ".io"), concat!("pypi", ".org"), concat!("npm", "js")];

/// Files that have to name a registry.
const NAMES_HOSTS: &[&str] = &["Cargo.lock", "deny.toml"];

/// Finds both in every text file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in tree.files() {
        let Some(text) = tree.text(path) else { continue };
        for (index, line) in text.lines().enumerate() {
            if let Some(start) = MACHINE.iter().find(|start| has_absolute(line, start)) {
                findings.push(Finding::new(
                    path,
                    index + 1,
                    format!("a path below `{start}`"),
                    "it exists on one machine only",
                    "write the path from the workspace root, or take it as an argument",
                ));
            }
            if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)).filter(|_| !NAMES_HOSTS.contains(&path))
            {
                findings.push(Finding::new(
                    path,
                    index + 1,
                    format!("the registry host `{host}`"),
                    "the packages are not published, and a registry may be mirrored",
                    "leave the host out, or link to the project's own page",
                ));
            }
        }
    }
    findings
}

/// Whether a path that begins with `start` stands in the line, and not as the end of a longer path.
fn has_absolute(line: &str, start: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-~)}]$*".contains(c);
    line.match_indices(start).any(|(at, _)| !line[..at].ends_with(inside))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    fn found(path: &str, line: &str) -> usize {
        check(&Fixture::new(&[(path, line)]).tree).len()
    }

    #[test]
    fn absolute_paths_of_a_machine_are_found_and_relative_ones_are_not() {
        for start in MACHINE {
            assert_eq!(found("a.md", &format!("see `{start}x`")), 1, "{start}");
            assert_eq!(found("a.md", &format!("see `one{start}x`")), 0, "{start}");
        }
    }

    #[test]
    fn hosts_are_found_except_where_they_are_needed() {
        for host in HOSTS {
            let line = format!("https://{host}/x");
            assert_eq!(found("README.md", &line), 1, "{host}");
            assert_eq!(found("Cargo.lock", &line), 0, "{host}");
        }
    }

    #[test]
    fn the_line_is_named_and_binary_files_are_left_out() {
        let bad = format!("one\n{}x\n", MACHINE[0]);
        let fixture = Fixture::new(&[("a.txt", &bad), ("b.bin", &format!("\0{bad}"))]);
        let found = check(&fixture.tree);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("a.txt:2: a path below"));
    }
}

//! `cargo xtask fixtures`: the scripts under `fixtures/` that make golden values.
//!
//! Tests read what the scripts have written; only a change of the golden values needs the scripts and what they import.

use crate::process::Call;
use crate::tidy::Tree;
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::path::Path;

/// What to do with the scripts.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Rerun the scripts instead of listing them
    #[arg(long)]
    run: bool,
    /// Only scripts whose path contains this text
    filter: Option<String>,
}

/// Lists the scripts with what they lack, or reruns those that lack nothing.
///
/// # Errors
/// If no script matches, a script fails, or one that was asked for lacks a module.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let scripts = scripts(&Tree::of_git(root)?, filter);
    if scripts.is_empty() {
        bail!("no Python script under fixtures/ has `{filter}` in its path");
    }
    let mut lacking = Vec::new();
    for script in &scripts {
        let missing = script.missing(root);
        println!("{}: {}", script.path, script.title);
        match (&missing[..], arguments.run) {
            ([], false) => println!("  ready: cargo xtask fixtures --run {}", script.path),
            ([], true) => script.rerun(root)?,
            (missing, _) => {
                println!("  missing: {}", missing.join(", "));
                lacking.push(script.path.as_str());
            }
        }
    }
    if arguments.run {
        let changed = Call::new("git", ["status", "--short", "--", "fixtures"]).output(root)?;
        print!("files under fixtures/ that differ from the last commit:\n{changed}");
        if !lacking.is_empty() {
            bail!("not run, because something is missing: {}", lacking.join(", "));
        }
    }
    Ok(())
}

struct Script {
    path: String,
    /// First line of the module's doc string.
    title: String,
    imports: BTreeSet<String>,
}

impl Script {
    fn parse(path: &str, text: &str) -> Self {
        let doc = text.split("\"\"\"").nth(1).unwrap_or_default().trim();
        let imports = text.lines().flat_map(imported).collect();
        Self { path: path.to_owned(), title: doc.lines().next().unwrap_or_default().to_owned(), imports }
    }

    /// What the script needs and this machine does not have.
    fn missing(&self, root: &Path) -> Vec<String> {
        const PROBE: &str =
            "import importlib.util as u, sys; [print(m) for m in sys.argv[1:] if u.find_spec(m) is None]";
        let arguments = ["-c", PROBE].into_iter().chain(self.imports.iter().map(String::as_str));
        match Call::new("python3", arguments).output(&self.folder(root)) {
            Ok(modules) => modules.lines().map(|module| format!("the Python module {module}")).collect(),
            Err(_) => vec!["python3".to_owned()],
        }
    }

    fn rerun(&self, root: &Path) -> anyhow::Result<()> {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        Call::new("python3", [name]).run(&self.folder(root)).with_context(|| format!("{} failed", self.path))
    }

    fn folder(&self, root: &Path) -> std::path::PathBuf {
        let script = root.join(&self.path);
        script.parent().map(Path::to_owned).unwrap_or(script)
    }
}

fn scripts(tree: &Tree, filter: &str) -> Vec<Script> {
    let paths = tree.files().filter(|path| path.starts_with("fixtures/") && path.ends_with(".py"));
    let wanted = paths.filter(|path| path.contains(filter));
    wanted.filter_map(|path| Some(Script::parse(path, &tree.text(path)?))).collect()
}

/// The top-level modules of an import statement.
fn imported(line: &str) -> Vec<String> {
    let line = line.trim_start();
    let from = line.strip_prefix("from ").filter(|rest| rest.contains(" import "));
    let modules: Vec<&str> = match (line.strip_prefix("import "), from) {
        (Some(modules), _) => modules.split(',').collect(),
        (None, Some(module)) => vec![module],
        (None, None) => vec![],
    };
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    modules.into_iter().map(name).filter(|name: &String| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Fixture;

    const SCRIPT: &str =
        "\"\"\"Golden values of the encoder.\n\nMore.\n\"\"\"\nimport json\nfrom torch.nn import Conv2d\n";

    #[test]
    fn scripts_are_found_with_title_and_imports() {
        let fixture = Fixture::new(&[("fixtures/encoder/golden.py", SCRIPT), ("fixtures/a.toml", ""), ("b.py", "")]);
        let found = scripts(&fixture.tree, "");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "fixtures/encoder/golden.py");
        assert_eq!(found[0].title, "Golden values of the encoder.");
        assert_eq!(found[0].imports.iter().map(String::as_str).collect::<Vec<_>>(), ["json", "torch"]);
        assert!(scripts(&fixture.tree, "other").is_empty());
    }

    #[test]
    fn a_missing_module_or_a_missing_python_is_named() {
        let fixture =
            Fixture::new(&[("fixtures/golden.py", "import json, dpnas_no_such_module\nimport dpnas_other\n")]);
        let missing = scripts(&fixture.tree, "")[0].missing(fixture.tree.root());
        let modules = ["the Python module dpnas_no_such_module", "the Python module dpnas_other"];
        assert!(missing == modules || missing == ["python3"], "{missing:?}");
    }

    #[test]
    fn relative_imports_and_other_lines_name_no_module() {
        assert!(imported("from . import other").is_empty());
        assert!(imported("important = 1").is_empty());
        assert!(imported("from the text of each case").is_empty());
        assert_eq!(imported("    import numpy as np, os.path"), ["numpy", "os"]);
    }
}

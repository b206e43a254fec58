//! The licence of every package below the workspace is on the list of `deny.toml`.
//!
//! cargo-deny reads the same list; this rule needs nothing installed.

use super::spdx::Expression;
use super::{Finding, Metadata, Tree};
use std::collections::BTreeMap;

const FILE: &str = "deny.toml";

/// Finds packages whose licence is missing, malformed or not allowed.
pub(super) fn check(metadata: &Metadata, tree: &Tree) -> Vec<Finding> {
    let list = match List::parse(&tree.text(FILE).unwrap_or_default()) {
        Ok(list) => list,
        Err(error) => {
            let why = "the licences that may be linked are written down once";
            return vec![Finding::new(FILE, 1, error, why, "write `[licenses]` with `allow = [\"MIT\", …]`")];
        }
    };
    let mut findings = Vec::new();
    for package in metadata.foreign() {
        let what = match package.license.as_deref().map(Expression::parse) {
            None => "states no SPDX licence".to_owned(),
            Some(Err(error)) => format!("has a licence that does not parse: {error}"),
            Some(Ok(licence)) if licence.is_allowed(&|name| list.allows(&package.name, name)) => continue,
            Some(Ok(_)) => format!("is under {}", package.license.as_deref().unwrap_or_default()),
        };
        findings.push(Finding::new(
            FILE,
            tree.line_of(FILE, "[licenses]"),
            format!("{} {} {what}", package.name, package.version),
            "what is linked has to be compatible with MIT OR Apache-2.0",
            "choose another package, or argue for the licence in deny.toml",
        ));
    }
    findings
}

/// The licences that are allowed for every package, and those for one package alone.
struct List {
    allow: Vec<String>,
    exceptions: BTreeMap<String, Vec<String>>,
}

impl List {
    fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let licences = table.get("licenses").ok_or("deny.toml or its table `licenses` is missing")?;
        let exceptions = licences.get("exceptions").and_then(toml::Value::as_array).into_iter().flatten();
        let exceptions = exceptions.map(|entry| {
            let name = entry.get("crate").or_else(|| entry.get("name")).and_then(toml::Value::as_str);
            let name = name.ok_or("an entry of `licenses.exceptions` names no crate")?;
            Ok((name.to_owned(), strings(entry, "allow")?))
        });
        Ok(Self { allow: strings(licences, "allow")?, exceptions: exceptions.collect::<Result<_, String>>()? })
    }

    fn allows(&self, package: &str, licence: &str) -> bool {
        let exceptions = self.exceptions.get(package).map_or(&[][..], Vec::as_slice);
        self.allow.iter().chain(exceptions).any(|allowed| allowed == licence)
    }
}

fn strings(table: &toml::Value, key: &str) -> Result<Vec<String>, String> {
    let missing = || format!("`{key}` is not a list of licences");
    let items = table.get(key).and_then(toml::Value::as_array).ok_or_else(missing)?;
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(missing)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::metadata::fixture::{metadata, package};
    use super::*;
    use crate::tidy::Fixture;
    use serde_json::{Value, json};

    const LIST: &str =
        "# Licences\n[licenses]\nallow = [\"MIT\"]\nexceptions = [{ crate = \"odd\", allow = [\"MPL-2.0\"] }]\n";

    fn found(name: &str, licence: Value, list: &str) -> Vec<String> {
        let mut package = package("", name, &[]);
        package["license"] = licence;
        let fixture = Fixture::new(&[("deny.toml", list)]);
        check(&metadata(&[package]), &fixture.tree).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_licence_on_the_list_passes() {
        assert!(found("nom", json!("MIT OR GPL-3.0-only"), LIST).is_empty());
    }

    #[test]
    fn a_licence_that_is_not_on_the_list_is_found_with_the_package() {
        let found = found("nom", json!("GPL-3.0-only"), LIST);
        assert!(found[0].starts_with("deny.toml:2: nom 1.0.0 is under GPL-3.0-only — "), "{found:?}");
    }

    #[test]
    fn a_missing_or_malformed_licence_is_found() {
        assert!(found("nom", Value::Null, LIST)[0].contains("nom 1.0.0 states no SPDX licence"));
        assert!(found("nom", json!("MIT OR"), LIST)[0].contains("does not parse: expected a licence, found the end"));
    }

    #[test]
    fn an_exception_holds_for_its_package_alone() {
        assert!(found("odd", json!("MPL-2.0"), LIST).is_empty());
        assert_eq!(found("even", json!("MPL-2.0"), LIST).len(), 1);
    }

    #[test]
    fn a_list_that_cannot_be_read_is_found() {
        assert!(found("nom", json!("MIT"), "")[0].contains("its table `licenses` is missing"));
        assert!(found("nom", json!("MIT"), "[licenses]\n")[0].contains("`allow` is not a list"));
    }
}

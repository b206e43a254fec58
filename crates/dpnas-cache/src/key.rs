//! The key of a matrix.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An ordered list of named fields that identifies a matrix.
///
/// Keys are equal if they have the same fields with the same texts in the same order. Values are texts, so `7` and
/// `"7"` are equal: use each name with one meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key {
    fields: Vec<(String, String)>,
}

impl Key {
    /// A key without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a field, or gives an existing field of that name the new value.
    ///
    /// A floating-point number becomes the shortest text that parses to the same number.
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        let (name, value) = (name.into(), value.to_string());
        match self.fields.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
        self
    }

    /// Names and values, in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// SHA-256 of the fields, as 64 lower-case hexadecimal digits.
    ///
    /// The hashed bytes are, for every name and value in order, its length in bytes as a little-endian `u64` and its
    /// UTF-8 text. The lengths make the encoding unambiguous.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for text in self.fields.iter().flat_map(|(name, value)| [name, value]) {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The hash names files that outlive the program. A change here empties every cache.
    #[test]
    fn value_stability_of_the_hash() {
        assert_eq!(Key::new().hash(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let key = Key::new().with("net", "[C(32,5,1,2,1), SM(10)]").with("seed", 7);
        assert_eq!(key.hash(), "9165a39432e5b1a4e1976faabb4b22839cb12bab944e7532f3ca8db5b8124941");
    }

    #[test]
    fn fields_keep_their_order_and_a_name_is_there_once() {
        let key = Key::new().with("b", 1).with("a", 0.1f32).with("b", true);
        assert_eq!(key.fields().collect::<Vec<_>>(), [("b", "true"), ("a", "0.1")]);
    }

    #[test]
    fn moving_text_between_fields_changes_the_hash() {
        let variants = [
            Key::new().with("ab", "c"),
            Key::new().with("a", "bc"),
            Key::new().with("abc", ""),
            Key::new().with("a", "b").with("c", ""),
            Key::new().with("a", "").with("b", "c"),
            Key::new().with("c", "").with("a", "b"),
        ];
        let mut hashes: Vec<String> = variants.iter().map(Key::hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), variants.len());
    }

    fn keys() -> impl Strategy<Value = Key> {
        prop::collection::vec(("[ab]{0,2}", "[ab\\PC]{0,2}"), 0..4)
            .prop_map(|fields| fields.into_iter().fold(Key::new(), |key, (name, value)| key.with(name, value)))
    }

    proptest! {
        #[test]
        fn hashes_are_equal_exactly_for_equal_keys(left in keys(), right in keys()) {
            prop_assert_eq!(left == right, left.hash() == right.hash());
        }
    }
}

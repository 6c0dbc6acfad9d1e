//! The names of the tables, and the migrations with their recorded version.

use std::fmt;

use resilient::StoreError;

/// What the names of all tables begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefix(String);

impl Prefix {
    /// What the tables are called unless something else is asked for.
    pub(crate) const DEFAULT: &'static str = "resilient";

    /// Checks a prefix.
    ///
    /// It is the only text from outside that becomes part of a statement, and databases cut names silently at 63 bytes.
    pub(crate) fn new(text: &str) -> Result<Self, StoreError> {
        let mut letters = text.chars();
        let starts = letters.next().is_some_and(|first| first.is_ascii_lowercase());
        let goes_on = letters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_');
        if starts && goes_on && text.len() <= 31 {
            return Ok(Self(text.to_owned()));
        }
        Err(StoreError::permanent(format!(
            "the table prefix {text:?} cannot be used; give a lower-case letter, then at most 30 of a-z, 0-9 and _"
        )))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One step of the schema: the version it leads to, and the script.
pub(crate) type Migration = (i64, &'static str);

/// The steps that are missing in a database whose recorded version is `found`.
///
/// Fails when the database is newer than this code: its replicas go on, and this one must not touch their tables.
pub(crate) fn missing(
    migrations: &'static [Migration],
    prefix: &Prefix,
    found: i64,
) -> Result<&'static [Migration], StoreError> {
    let newest = migrations.last().map_or(0, |(version, _)| *version);
    if found > newest {
        return Err(StoreError::permanent(format!(
            "the tables of `{prefix}` have schema version {found}, and this program knows {newest} at most; \
             run the newer program, or give another table prefix"
        )));
    }
    let done = migrations.partition_point(|(version, _)| *version <= found);
    Ok(migrations.get(done..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_short_lower_case_word() {
        for good in ["resilient", "a", "shop_2", "a2345678901234567890123456789_1"] {
            assert_eq!(Prefix::new(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(32);
        for bad in ["", "Shop", "2shop", "_shop", "a-b", "a b", "a\"; drop", "é", "a\0", &too_long] {
            let error = Prefix::new(bad).unwrap_err();
            assert!(!error.is_transient());
            assert!(error.to_string().contains("table prefix"), "{error}");
        }
    }

    #[test]
    fn only_the_steps_after_the_recorded_version_are_missing() {
        const STEPS: &[Migration] = &[(1, "one"), (2, "two"), (3, "three")];
        let prefix = Prefix::new("shop").unwrap();
        assert_eq!(missing(STEPS, &prefix, 0).unwrap(), STEPS);
        assert_eq!(missing(STEPS, &prefix, 2).unwrap(), &[(3, "three")]);
        assert_eq!(missing(STEPS, &prefix, 3).unwrap(), &[]);
        let error = missing(STEPS, &prefix, 4).unwrap_err().to_string();
        assert!(error.contains("schema version 4, and this program knows 3"), "{error}");
    }
}

//! The number and the length of the names that an archive or a tree may have.

use super::{Error, Rule, error::refused};

/// Most members of one archive or object.
const ENTRIES: usize = 300_000;
/// Most bytes of their names together. A name is kept several times, and compression makes names almost free to send.
const BYTES: usize = 32 << 20;

/// The names that are still admitted.
#[derive(Debug)]
pub(super) struct NameBudget {
    entries: usize,
    bytes: usize,
}

impl NameBudget {
    /// Returns the budget of one archive or object.
    pub(super) const fn whole() -> Self {
        Self::new(ENTRIES, BYTES)
    }

    const fn new(entries: usize, bytes: usize) -> Self {
        Self { entries, bytes }
    }

    /// Counts a member before its path is kept.
    pub(super) fn take(&mut self, path: &str) -> Result<(), Error> {
        let entries = self.entries.checked_sub(1);
        self.entries = entries.ok_or_else(|| refused(path, Rule::TooMany))?;
        self.take_text(path, path)
    }

    /// Counts the target of the link at `path` before it is kept.
    pub(super) fn take_target(&mut self, path: &str, target: &str) -> Result<(), Error> {
        self.take_text(path, target)
    }

    fn take_text(&mut self, path: &str, text: &str) -> Result<(), Error> {
        let bytes = self.bytes.checked_sub(text.len());
        self.bytes = bytes.ok_or_else(|| refused(path, Rule::LongNames))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_paths_and_targets_are_counted() {
        let rule = |refused: Result<(), Error>| match refused {
            Err(Error::Refused { rule, .. }) => Some(rule),
            _ => None,
        };
        let mut budget = NameBudget::new(2, 10);
        budget.take("four").unwrap();
        budget.take_target("four", "more").unwrap();
        assert_eq!(
            rule(budget.take_target("four", "abc")),
            Some(Rule::LongNames)
        );
        budget.take("ab").unwrap();
        assert_eq!(rule(budget.take("")), Some(Rule::TooMany));
        assert_eq!(
            rule(NameBudget::new(2, 3).take("four")),
            Some(Rule::LongNames)
        );
    }
}

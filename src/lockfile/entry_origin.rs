//! Who says what an entry has: a lockfile or a source.

/// It goes wherever the entry goes: nothing that a lockfile says counts as chosen, under its own key or another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EntryOrigin {
    /// A lockfile.
    #[default]
    Read,
    /// A source that devsh has asked itself.
    Chosen,
}

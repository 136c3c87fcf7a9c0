//! The origin of a lock entry: a lockfile, or a source.

/// The origin of an entry, which every copy keeps: an entry that devsh has read never counts as chosen, under whichever
/// key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EntryOrigin {
    /// A lockfile.
    #[default]
    Read,
    /// A source that devsh has asked itself.
    Chosen,
}

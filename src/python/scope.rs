//! The parts of a lockfile that a dev shell selects, such as a group or an extra.

/// A part of a lockfile that dev shells select.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Selected by every dev shell.
    Always,
    /// Selected with a dependency group.
    Group(String),
    /// Selected with an extra.
    Extra(String),
    /// A list of requirements, selected by what includes it.
    List(String),
    /// A list of constraints, selected by what includes it.
    Constraints(String),
}

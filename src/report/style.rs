//! Colour roles. Everything must be understandable without them.

use crate::util::terminal_text::SafeText;

/// The role of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// A hint.
    Hint,
    /// A command or a good state.
    Good,
    /// Less important.
    Dim,
    /// More important.
    Strong,
}

/// The rendering of roles: with escape sequences or as plain text.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    color: bool,
}

impl Style {
    /// Returns a style with colour or without.
    pub const fn new(color: bool) -> Self {
        Self { color }
    }

    /// Returns whether colour is used.
    pub const fn has_color(self) -> bool {
        self.color
    }

    /// Returns `text` in its role.
    pub fn paint(self, role: Role, text: impl Into<SafeText>) -> SafeText {
        let text = text.into();
        if !self.color {
            return text;
        }
        let code = match role {
            Role::Error => "1;31",
            Role::Warning => "1;33",
            Role::Hint => "36",
            Role::Good => "32",
            Role::Dim => "2",
            Role::Strong => "1",
        };
        text.colored(code)
    }
}

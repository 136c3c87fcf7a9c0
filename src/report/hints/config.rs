//! Hints for settings that cannot be used.

use crate::{
    config,
    report::failure::{Excerpt, Failure},
};

impl From<&config::Error> for Failure {
    fn from(error: &config::Error) -> Self {
        match error {
            config::Error::File(error) => Self::from(error),
            config::Error::Invalid {
                file,
                hint,
                span,
                text,
                ..
            } => {
                let mut failure = Self::new(error.to_string());
                failure.excerpt = span.clone().map(|span| Excerpt {
                    file: file.clone(),
                    text: text.clone(),
                    span,
                    label: String::new(),
                });
                hint.iter().cloned().fold(failure, Self::hint)
            }
            config::Error::Exposed { exposure, .. } => {
                let path = exposure.path().display();
                Self::new(error.to_string())
                    .note("your settings decide which servers and projects devsh trusts")
                    .hint(format!(
                        "make `{path}` your own, and run `chmod go-w` on it"
                    ))
            }
            config::Error::Address { .. } => Self::new(error.to_string())
                .hint("write a whole address such as `https://host/path/`"),
        }
    }
}

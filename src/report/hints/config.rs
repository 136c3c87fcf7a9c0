//! Hints for settings that cannot be used.

use crate::{
    config::{
        self,
        ownership::{Exposure, OwnDirectoryExposed},
    },
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

impl From<&OwnDirectoryExposed> for Failure {
    fn from(exposed: &OwnDirectoryExposed) -> Self {
        let quoted = shell_escape::unix::escape(exposed.exposure.path().to_string_lossy());
        let variable = exposed.variable;
        Self::new(exposed.to_string())
            .note("others could change the store, your approvals and downloads")
            .hint(match exposed.exposure {
                Exposure::Foreign { caller: true, .. } => "run devsh without `sudo`".to_owned(),
                Exposure::Everyone(_) | Exposure::Group { .. } => {
                    format!("run `chmod go-w {quoted}`")
                }
                Exposure::Foreign { .. } | Exposure::Links(_) => {
                    format!("remove it, or point `{variable}` at a directory of your own")
                }
            })
    }
}

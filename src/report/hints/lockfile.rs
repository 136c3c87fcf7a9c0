//! Hints for lockfiles that cannot be read or trusted.

use url::{Position, Url};

use crate::{
    lockfile::{self, Problem},
    package::{Tool, Version},
    project::personal::LOCAL_LOCK,
    report::failure::{Excerpt, ExitStatus, Failure},
};

impl From<&lockfile::Error> for Failure {
    fn from(error: &lockfile::Error) -> Self {
        let mut failure = Self::new(error.to_string());
        failure.excerpt = Some(Excerpt {
            file: error.file.clone(),
            text: error.text.clone(),
            span: error.span.clone(),
            label: String::new(),
        });
        match &error.problem {
        Problem::Conflict { .. } => failure.hint(format!(
            "take either side, for example with `git checkout --ours {}`, then run `devsh lock`",
            error.file
        )),
        Problem::Format { found } if *found > 1 => failure.hint("update devsh"),
        _ if error.file.ends_with(LOCAL_LOCK) => {
            failure.hint("remove the file; `devsh sync` makes it again")
        }
        _ => {
            failure.hint("restore the file from version control, or remove it and run `devsh lock`")
        }
    }
    }
}

/// Returns the failure for an address in a lockfile that is not a source of the user.
pub fn untrusted(url: &Url) -> Failure {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path = url.join("./").unwrap_or_else(|_| url.clone());
    let path = path.path();
    Failure::new(format!(
        "the lockfile names `{url}`, which is not a source that you trust"
    ))
    .note("a lockfile is used without approval, so it may only lead to known sources")
    .hint(format!(
        "if you trust the server, add `\"{host}{port}{path}\"` to `sources.hosts` in `config.toml`"
    ))
    .code(ExitStatus::NotAllowed)
}

/// Returns the failure for a file of a release in a lockfile that the settings of the tool do not choose.
pub fn other_release(tool: &Tool, version: &Version, url: &Url) -> Failure {
    Failure::new(format!(
        "the lockfile takes `{tool}` {version} from `{url}`, which is not the file that the manifest asks for"
    ))
    .note("a lockfile is used without approval, so it may only have files that `devsh lock` chooses")
    .hint(format!("lock it again with `devsh lock --upgrade {tool}`"))
    .code(ExitStatus::NotAllowed)
}

/// Returns the failure for an artifact of a tool, its part `part`, that is not at an address of its package and version.
pub fn other_address(tool: &Tool, version: &Version, part: &str, url: &Url) -> Failure {
    let object = if part.is_empty() || part == tool.package.as_str() {
        format!("`{tool}` {version}")
    } else {
        format!("`{part}` of `{tool}` {version}")
    };
    // The name of the file is that of another package and would look like what was used.
    let server = &url[..Position::BeforePath];
    Failure::new(format!(
        "the lockfile takes {object} from an address at `{server}` that is not known as a file of it"
    ))
    .note("a lockfile is used without approval, so each file must be the one that its source has for the package")
    .hint(format!("lock it again with `devsh lock --upgrade {tool}`"))
    .code(ExitStatus::NotAllowed)
}

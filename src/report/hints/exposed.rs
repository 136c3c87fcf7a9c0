//! What to do about files that others could change.

use crate::report::paths::display_path;
use crate::{
    context::Context,
    project::ownership::Exposure,
    report::failure::{ExitStatus, Failure},
};

/// Something that others could change.
pub(super) fn exposed(context: &Context, exposure: &Exposure) -> Failure {
    let home = context.directories.home.as_deref();
    let (text, path) = (exposure.to_string(), exposure.path());
    let shown = text.replace(&path.display().to_string(), &display_path(context, path));
    let failure = Failure::new(shown)
        .note("devsh uses nothing that somebody else could change after you approved it")
        .code(ExitStatus::NotAllowed);
    let quoted = shell_escape::unix::escape(path.to_string_lossy());
    let failure = match exposure {
        Exposure::Links(_) => return failure,
        Exposure::Foreign { caller: true, .. } => {
            return failure.hint("run devsh without `sudo`");
        }
        Exposure::Foreign { .. } => failure,
        Exposure::Everyone(_) => failure.hint(format!("run `chmod o-w {quoted}`")),
        Exposure::Group { .. } => failure.hint(format!("run `chmod g-w {quoted}`")),
    };
    let settings = context.directories.config.join("config.toml");
    let settings = home
        .and_then(|home| settings.strip_prefix(home).ok())
        .map_or_else(
            || settings.display().to_string(),
            |below| format!("~/{}", below.display()),
        );
    failure.hint(format!(
        "if you trust whoever can, list the project's full path in `shared` under `[trust]` in `{settings}`"
    ))
}

//! Installs Python packages while other tools are still downloaded and unpacked.

use std::{
    sync::mpsc::{self, Receiver},
    thread,
};

use super::{
    Builder, Error,
    choose_artifact::{ServedTool, ServedTools},
    python_env::find_interpreter,
    request::{BuildRequest, RequestedTool},
};
use crate::{
    package::{Source, Tool},
    python::PackageSource,
};

impl Builder<'_> {
    /// Gets every tool of a request. The Python packages are installed as soon as Python and uv are ready, if no other
    /// tool can change the result; then it returns the result.
    pub(super) fn serve_and_install(
        &self,
        request: &BuildRequest<'_>,
    ) -> (ServedTools, Option<Result<(), Error>>) {
        let needed = needed_tools(request);
        if needed == 0 {
            return (self.serve(request), None);
        }
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let early = scope.spawn(move || self.install_early(request, needed, &receiver));
            let tools = self.serve_with(request, &|served| {
                if installs_packages(&served.tool) {
                    // The other thread has returned if it has all that it needs.
                    let _received = sender.send(served.clone());
                }
            });
            // The channel ends here: the other thread does not wait for a missing tool.
            drop(sender);
            let early = early
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (tools, early)
        })
    }

    fn install_early(
        &self,
        request: &BuildRequest<'_>,
        needed: usize,
        ready: &Receiver<ServedTool>,
    ) -> Option<Result<(), Error>> {
        let packages = request.python.as_ref()?;
        let mut served: Vec<ServedTool> = ready.iter().take(needed).collect();
        if served.len() < needed {
            return None;
        }
        // They come in the order of their downloads, but the first Python of the request gets the packages.
        served.sort_by_key(|served| {
            let mut tools = request.tools.iter();
            tools.position(|requested| *requested.tool == served.tool)
        });
        let interpreter = find_interpreter(&served).ok()??;
        let pins = packages.pins(Some(&interpreter.version), request.system);
        let mut pins = pins.ok()?.packages.into_iter();
        // A build finds the other tools of the dev shell.
        if pins.any(|pin| pin.source != PackageSource::Index(None)) {
            return None;
        }
        let installed = self.install_selected(request, packages, &served, None);
        Some(installed.map(drop))
    }
}

/// Returns the number of tools that install the packages of a request; 0 if the packages must wait for all tools.
fn needed_tools(request: &BuildRequest<'_>) -> usize {
    let Some(packages) = &request.python else {
        return 0;
    };
    let is_conda = |requested: &RequestedTool<'_>| requested.tool.source == Source::Conda;
    if !packages.builds.is_empty() || request.tools.iter().any(is_conda) {
        return 0;
    }
    let tools = request.tools.iter();
    tools
        .filter(|requested| installs_packages(requested.tool))
        .count()
}

/// Returns whether a tool takes part in the installation of packages.
fn installs_packages(tool: &Tool) -> bool {
    tool.is_interpreter() || tool.is_uv()
}

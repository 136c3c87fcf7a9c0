//! Installs Python packages while other tools are still downloaded and unpacked.

use std::{
    sync::mpsc::{self, Receiver},
    thread,
};

use super::{
    Builder, Error,
    choose_artifact::{ServedTool, ServedTools},
    python_env::ChosenPackages,
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
        let Some(needed) = NeededTools::of(request) else {
            return (self.serve(request), None);
        };
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

    /// Installs the packages as soon as their Python is there, or uv too if devsh cannot install them itself.
    fn install_early(
        &self,
        request: &BuildRequest<'_>,
        needed: NeededTools,
        ready: &Receiver<ServedTool>,
    ) -> Option<Result<(), Error>> {
        let packages = request.python.as_ref()?;
        let mut served: Vec<ServedTool> = Vec::new();
        let is_interpreter = |served: &&ServedTool| served.tool.is_interpreter();
        while served.iter().filter(is_interpreter).count() < needed.interpreters {
            served.push(ready.recv().ok()?);
        }
        // They come in the order of their downloads, but the first Python of the request gets the packages.
        served.sort_by_key(|served| {
            let mut tools = request.tools.iter();
            tools.position(|requested| *requested.tool == served.tool)
        });
        let (interpreter, pins) = self
            .choose_packages(request, packages, &served, None)
            .ok()?;
        // A build finds the other tools of the dev shell.
        if pins
            .packages
            .iter()
            .any(|pin| pin.source != PackageSource::Index(None))
        {
            return None;
        }
        let chosen = ChosenPackages::new(packages, interpreter, pins).ok()?;
        match self.install_without_uv(request, &chosen) {
            Ok(None) => {}
            Ok(Some(_)) => return Some(Ok(())),
            Err(error) => return Some(Err(error)),
        }
        while served.len() < needed.all {
            served.push(ready.recv().ok()?);
        }
        let installed = self.install_with_uv(request, packages, &chosen, &served);
        Some(installed.map(drop))
    }
}

/// The numbers of tools that install the packages of a request.
#[derive(Debug, Clone, Copy)]
struct NeededTools {
    interpreters: usize,
    /// The interpreters and uv.
    all: usize,
}

impl NeededTools {
    /// Returns the tools that install the packages of a request; nothing if the packages must wait for all tools.
    fn of(request: &BuildRequest<'_>) -> Option<Self> {
        let packages = request.python.as_ref()?;
        let is_conda = |requested: &RequestedTool<'_>| requested.tool.source == Source::Conda;
        if !packages.builds.is_empty() || request.tools.iter().any(is_conda) {
            return None;
        }
        let count = |is_counted: fn(&Tool) -> bool| {
            let tools = request.tools.iter();
            tools.filter(|requested| is_counted(requested.tool)).count()
        };
        Some(Self {
            interpreters: count(Tool::is_interpreter),
            all: count(installs_packages),
        })
    }
}

/// Returns whether a tool takes part in the installation of packages.
fn installs_packages(tool: &Tool) -> bool {
    tool.is_interpreter() || tool.is_uv()
}

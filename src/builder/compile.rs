//! Resolves requirements on Python packages to exact ones, by the locked uv, for all platforms at once.

use std::{fs, path::Path};

use super::{Builder, Error, Request, installer::Installer, python::Interpreter};
use crate::{fsx, lock::PythonSet, store};

impl Builder<'_> {
    /// Returns exact packages that answer `requirements`, as a list of requirements with digests.
    ///
    /// What `previous` has and still fits stays. The tools of `request` have python and uv.
    pub fn compile(
        &self,
        request: &Request<'_>,
        requirements: &[String],
        previous: Option<&PythonSet>,
    ) -> Result<String, Error> {
        let lock = Path::new("devshell.lock");
        let needs = |tool| Error::PythonNeeds {
            lock: lock.to_owned(),
            tool,
        };
        let served = self.serve(request)?;
        let interpreter = Interpreter::of(&served)?.ok_or_else(|| needs("python"))?;
        let uv = self.uv(request, &served).ok_or_else(|| needs("uv"))?;
        let parent = self.context.directories.data.join("building");
        fsx::create_private_dir(&parent)?;
        let place = parent.join("resolving");
        let _lock = fsx::lock(&place.with_extension("lock"))?;
        store::remove_tree(&place)?;
        fs::create_dir(&place).map_err(fsx::at("create", &place))?;
        let wanted = place.join("wanted.in");
        fsx::write_atomic(&wanted, requirements.join("\n").as_bytes())?;
        let answer = place.join("requirements.txt");
        if let Some(previous) = previous {
            fsx::write_atomic(&answer, previous.to_requirements().as_bytes())?;
        }
        let meter = self.progress.start("python packages", None);
        meter.phase("resolving");
        let installer = Installer::new(self, &uv, &interpreter, lock);
        let made = installer.compile(&wanted, &answer, &place);
        meter.finish();
        made?;
        let bytes = fsx::read_bounded(&answer, 64 << 20)?.unwrap_or_default();
        store::remove_tree(&place)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

//! Loads an image into the container engine of this machine.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    report::failure::Failure,
    util::{files, vars},
};

use super::{
    build_image::{ImageOptions, build_image, image_name},
    session::Session,
};

/// Builds an image and loads it into the container engine of this machine; returns its name there.
pub fn load_image(
    session: &Session<'_>,
    options: ImageOptions,
    tag: Option<&str>,
) -> Result<String, Failure> {
    let env = &session.context.env;
    let search = env.get(vars::PATH).unwrap_or_default();
    let find = |name: &&str| which::which_in(name, Some(search), Path::new("/")).ok();
    let engines: Vec<PathBuf> = ["docker", "podman"].iter().filter_map(find).collect();
    if engines.is_empty() {
        return Err(Failure::new("there is no docker and no podman on PATH")
            .hint("write the image to a file with `devsh image build -o image.tar`"));
    }
    let project = session.project()?;
    let name = match tag {
        Some(tag) => tag.to_owned(),
        None => format!("{}:latest", image_name(&project, options.name.as_ref())),
    };
    let directory = tempfile::tempdir().map_err(files::at("create", Path::new("a directory")))?;
    let archive = directory.path().join("image.tar");
    build_image(
        session,
        &ImageOptions {
            output: Some(archive.clone()),
            // Engines take the name of a loaded image from here.
            tag: Some(name.clone()),
            ..options
        },
    )?;
    // A docker without its daemon is usual where podman is in use.
    let mut failure = Failure::new("no engine can load the image")
        .hint("start one, or write the image to a file with `devsh image build -o image.tar`");
    for engine in &engines {
        let mut command = Command::new(engine);
        command
            .args(["load", "--quiet", "--input"])
            .arg(&archive)
            .env_clear()
            .envs(env.iter())
            .stdin(Stdio::null());
        let output = command.output().map_err(files::at("run", engine))?;
        if output.status.success() {
            return Ok(name);
        }
        failure = failure.detail(format!("`{}`:", engine.display()));
        let said = String::from_utf8_lossy(&output.stderr);
        failure = said.lines().take(5).fold(failure, Failure::detail);
    }
    Err(failure)
}

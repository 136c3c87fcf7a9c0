//! The configuration of an image: variables, command, user, labels and history.

use std::{collections::BTreeMap, ffi::OsStr};

use crate::{
    builder::BuiltShell,
    env::Change,
    image::{History, ImageConfig, ImageLayer, Platform, Relocation, RootFs, RunConfig},
    manifest::ImageRequest,
    util::vars,
};

use super::{download_base::BaseImage, layers::PROFILE};

/// The PATH of a base that names none.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The time of everything in an image: an image with another one would have another digest.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Returns the configuration: that of the base with the profile in front of PATH and the keys of the manifest.
pub(super) fn image_config(
    request: &ImageRequest,
    base: Option<&BaseImage>,
    layers: &[ImageLayer],
    platform: Platform,
    shell: &ShellVariables<'_>,
) -> ImageConfig {
    let below = base.map(|base| base.config.clone());
    let mut run = below
        .as_ref()
        .map(|config| config.config.clone())
        .unwrap_or_default();
    run.env = Some(shell.merge_into(&run, request));
    if let Some(entrypoint) = &request.entrypoint {
        run.entrypoint = Some(entrypoint.clone());
        // A command of the base is for its own entrypoint.
        run.cmd = None;
    }
    if let Some(cmd) = &request.cmd {
        run.cmd = Some(cmd.clone());
    }
    if let Some(user) = &request.user {
        run.user = Some(user.clone());
    }
    if let Some(workdir) = &request.workdir {
        run.working_dir = Some(workdir.value.as_str().to_owned());
    }
    if !request.expose.is_empty() {
        let ports = run.exposed_ports.get_or_insert_default();
        for port in &request.expose {
            ports.insert(port.as_str().to_owned(), serde_json::json!({}));
        }
    }
    if !request.labels.is_empty() {
        let labels = run.labels.get_or_insert_default();
        labels.extend(request.labels.clone());
    }
    let mut diff_ids = Vec::new();
    let mut history = Vec::new();
    if let Some(below) = below {
        diff_ids = below.rootfs.diff_ids;
        history = below.history;
    }
    for layer in layers {
        diff_ids.push(layer.diff_id.clone());
        history.push(History {
            created: Some(CREATED.to_owned()),
            created_by: Some(format!("devsh: {}", layer.title)),
            ..History::default()
        });
    }
    ImageConfig {
        created: Some(CREATED.to_owned()),
        platform,
        config: run,
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids,
        },
        history,
    }
}

/// The variables of the tools of a dev shell.
pub(super) struct ShellVariables<'a> {
    pub(super) built: &'a BuiltShell,
    pub(super) relocation: &'a Relocation,
}

impl ShellVariables<'_> {
    /// Returns the variables of an image: those of the base, of the tools, and the ones that `[image] env` declares.
    fn merge_into(&self, base: &RunConfig, request: &ImageRequest) -> Vec<String> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for one in base.env.iter().flatten() {
            if let Some((name, value)) = one.split_once('=') {
                all.insert(name.to_owned(), value.to_owned());
            }
        }
        all.entry(vars::PATH.to_owned())
            .or_insert_with(|| USUAL_PATH.to_owned());
        for (name, change) in &self.built.env {
            let name = name.as_str();
            match change {
                Change::Set(value) | Change::Default(value) => {
                    all.insert(name.to_owned(), self.in_image(value));
                }
                Change::Extend { before, after } => {
                    let old = all.remove(name).filter(|old| !old.is_empty());
                    let before = before.iter().map(|value| self.in_image(value));
                    let after = after.iter().map(|value| self.in_image(value));
                    let parts: Vec<String> = before.chain(old).chain(after).collect();
                    all.insert(name.to_owned(), parts.join(":"));
                }
                Change::Unset => drop(all.remove(name)),
            }
        }
        let path = all.remove(vars::PATH).unwrap_or_default();
        all.insert(vars::PATH.to_owned(), format!("{PROFILE}/bin:{path}"));
        for (name, value) in &request.env {
            all.insert(name.as_str().to_owned(), value.clone());
        }
        all.into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    fn in_image(&self, value: &OsStr) -> String {
        let value = self.relocation.text(value.as_encoded_bytes());
        String::from_utf8_lossy(&value).into_owned()
    }
}

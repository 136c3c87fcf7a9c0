//! `devsh image`

use serde_json::json;

use crate::{
    app::{
        build_image::{BuiltImage, BuiltPlatform, ImageOptions, build_image},
        load_image::load_image,
        push_image::push_image,
        session::Session,
    },
    cli::args::{ImageBuildOptions, ImageCommand},
    config::units::bytes,
    image::Platform,
    report::{
        failure::Failure,
        style::Role,
        table::{Cell, Column, Table},
        ui::Ui,
    },
};

pub fn run(session: &Session<'_>, ui: &Ui, command: &ImageCommand) -> Result<(), Failure> {
    match command {
        ImageCommand::Build {
            name,
            output,
            tag,
            expect,
            sbom,
            options,
        } => {
            let built = build_image(
                session,
                &ImageOptions {
                    output: output.clone(),
                    sbom: sbom.clone(),
                    tag: Some(tag.clone()),
                    expect: expect.clone(),
                    ..image_options(name.as_ref(), options)?
                },
            )?;
            print(ui, &built.descriptor.digest)
        }
        ImageCommand::Push {
            reference,
            name,
            options,
        } => {
            let options = image_options(name.as_ref(), options)?;
            let pushed = push_image(session, &options, reference.parse()?)?;
            session.reporter.note(&format!(
                "uploaded {} of {} blobs ({})",
                pushed.uploaded,
                pushed.present + pushed.uploaded,
                bytes(pushed.uploaded_bytes)
            ));
            print(ui, &format!("{}@{}", pushed.reference, pushed.digest))
        }
        ImageCommand::Load { name, tag, options } => {
            let options = image_options(name.as_ref(), options)?;
            print(ui, &load_image(session, options, tag.as_deref())?)
        }
        ImageCommand::Inspect {
            name,
            json,
            options,
        } => {
            let built = build_image(session, &image_options(name.as_ref(), options)?)?;
            if *json {
                return ui.json(&as_json(&built));
            }
            for platform in &built.platforms {
                show(ui, &built, platform)?;
            }
            Ok(())
        }
    }
}

/// Prints a result for scripts to standard output.
fn print(ui: &Ui, line: &str) -> Result<(), Failure> {
    ui.code(format!("{line}\n").as_bytes())
}

fn image_options(
    name: Option<&String>,
    options: &ImageBuildOptions,
) -> Result<ImageOptions, Failure> {
    let systems = options.platforms.iter().map(|text| Platform::parse(text));
    Ok(ImageOptions {
        name: name.map(|name| name.parse()).transpose()?,
        systems: systems.collect::<Result<_, _>>()?,
        labels: options
            .labels
            .iter()
            .map(|label| parse_label(label))
            .collect::<Result<_, _>>()?,
        ..ImageOptions::default()
    })
}

fn parse_label(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => {
            Err(Failure::new(format!("`{text}` is not a label")).hint("write `--label NAME=VALUE`"))
        }
    }
}

fn as_json(built: &BuiltImage) -> serde_json::Value {
    let platforms = built.platforms.iter().map(|one| {
        let layers = one.layers.iter().map(|layer| {
            json!({
                "digest": layer.descriptor.digest,
                "size": layer.descriptor.size,
                "title": layer.title,
            })
        });
        json!({
            "platform": format!("{}/{}", one.platform.os, one.platform.architecture),
            "digest": one.manifest.digest,
            "layers": layers.collect::<Vec<_>>(),
            "config": one.config,
        })
    });
    json!({
        "digest": built.descriptor.digest,
        "base": built.base,
        "layout": built.layout,
        "platforms": platforms.collect::<Vec<_>>(),
    })
}

fn show(ui: &Ui, built: &BuiltImage, platform: &BuiltPlatform) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::new("SIZE").right(),
        Column::new("DIGEST").optional(),
        Column::new("LAYER").wrapped(),
    ]);
    for layer in &platform.layers {
        let digest = layer.descriptor.digest.trim_start_matches("sha256:");
        table.row([
            bytes(layer.descriptor.size).into(),
            Cell::new(Role::Dim, digest.get(..12).unwrap_or(digest)),
            layer.title.as_str().into(),
        ]);
    }
    let layout = ui.layout();
    let mut listing = table.render(layout);
    let total = platform.layers.iter().map(|layer| layer.descriptor.size);
    listing.end_line();
    listing.push(format!(
        "{}/{}  {} in {} layers on {}",
        platform.platform.os,
        platform.platform.architecture,
        bytes(total.sum()),
        platform.layers.len(),
        built.base,
    ));
    listing.end_line();
    listing.push(platform.manifest.digest.as_str());
    listing.end_line();
    ui.listing(&listing)
}

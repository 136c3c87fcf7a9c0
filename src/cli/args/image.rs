//! The options of `devsh image`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::Trust;

/// The commands of `image`.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Build an image
    #[command(after_help = "Example:\n  devsh image build --platform linux/arm64 -o image.tar")]
    Build {
        /// The image, `[images.NAME]` [default: `[image]`]
        name: Option<String>,
        /// A directory for an OCI layout, or a file that ends in `.tar` [default: devsh's cache]
        #[arg(short, long, value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
        output: Option<PathBuf>,
        /// The tag in the layout
        #[arg(long, default_value = "latest")]
        tag: String,
        /// Fail unless the image has this digest
        #[arg(long, value_name = "DIGEST")]
        expect: Option<String>,
        /// Write the bill of materials (CycloneDX JSON) into this file
        #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
        sbom: Option<PathBuf>,
        #[command(flatten)]
        options: ImageBuildOptions,
    },
    /// Build an image and push it to a registry, with its bill of materials
    #[command(after_help = "Example:\n  devsh image push registry.example/team/app:1.0")]
    Push {
        /// The name in the registry
        #[arg(value_name = "REFERENCE")]
        reference: String,
        /// The image, `[images.NAME]` [default: `[image]`]
        name: Option<String>,
        #[command(flatten)]
        options: ImageBuildOptions,
    },
    /// Build an image and load it into docker or podman
    #[command(after_help = "Example:\n  devsh image load --tag app:dev")]
    Load {
        /// The image, `[images.NAME]` [default: `[image]`]
        name: Option<String>,
        /// The name of the loaded image [default: that of the image or project]
        #[arg(long)]
        tag: Option<String>,
        #[command(flatten)]
        options: ImageBuildOptions,
    },
    /// Build an image and show its layers and settings
    #[command(after_help = "Example:\n  devsh image inspect --json")]
    Inspect {
        /// The image, `[images.NAME]` [default: `[image]`]
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        options: ImageBuildOptions,
    },
}

/// Options of every command of `image`.
#[derive(Debug, Args)]
pub struct ImageBuildOptions {
    /// The platform, such as linux/arm64; separate several by `,` [default: that of this machine]
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    pub platforms: Vec<String>,
    /// Add a label, such as org.opencontainers.image.revision=ID, to those of the manifest
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
    #[command(flatten)]
    pub trust: Trust,
}

impl ImageCommand {
    pub const fn options(&self) -> &ImageBuildOptions {
        match self {
            Self::Build { options, .. }
            | Self::Push { options, .. }
            | Self::Load { options, .. }
            | Self::Inspect { options, .. } => options,
        }
    }
}

//! Container images in the OCI format, without a container engine.
//!
//! `layer` writes a layer as a compressed archive, `files` collects what goes into one, `relocate` rewrites the
//! paths of this machine, and `layout` stores blobs and manifests in a directory. `sbom` lists the content.
//!
//! Invariant: an image depends on its inputs alone. Entries are sorted, times and owners are 0, modes are 0644 or
//! 0755, and no file has a path of this machine.

mod error;
mod files;
mod ignore_files;
mod layer;
mod layout;
mod model;
mod relocate;
mod sbom;

pub use error::Error;
pub use files::{CopiedFiles, LayerFiles, ObjectFiles, ProfileFiles};
pub use ignore_files::{IgnoreFiles, WorkTree};
pub use layer::{ImageLayer, LayerWriter};
pub use layout::{EngineImage, ImageLayout, ImageNames, write_archive};
pub use model::{
    Descriptor, History, ImageConfig, ImageIndex, ImageManifest, MediaType, Platform, RootFs,
    RunConfig, digest_of,
};
pub use relocate::Relocation;
pub use sbom::{Component, ComponentType, sbom};

/// The directory of devsh's files in an image.
pub const ROOT: &str = "devsh";

//! The lockfile: for every request the chosen version, and for every system the artifacts.
//!
//! `model` is the content, `document` reads and writes the text with one file for each kind of block (`tool`
//! with `application`, `python`, `conda`, `pin`), `merge` is Git's merge driver.
//!
//! A lockfile holds nothing of a machine: no path, no mirror, no time. The same content has the same bytes.

mod address;
mod application;
mod conda;
mod document;
mod entry_origin;
mod image_base;
mod merge;
mod model;
mod npm_address;
mod pin;
mod problem;
mod python;
mod tool;
mod values;

pub use address::lockable;
pub use application::{Application, runs_on, runs_on_any, wheel_name};
pub use conda::{CondaKey, CondaSet, CondaSets, LockedConda};
pub use document::{parse, print};
pub use entry_origin::EntryOrigin;
pub use image_base::{ImageBase, ImageBases};
pub use merge::merge;
pub use model::{Artifact, LockKey, LockedPackage, Lockfile, Stale, Upgrade, stale};
pub use npm_address::NpmAddress;
pub use pin::{ExtendsPin, ExtendsPins};
pub use problem::{Error, Problem};
pub use python::{
    AskedAddresses, LeftOutPart, LockedPackageFault, LockedRequirement, PythonKey, PythonSet,
    PythonSets, is_plain_marker,
};

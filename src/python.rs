//! Python environments: from a lockfile to installed packages.
//!
//! `lock_formats` reads every lockfile format into one model, `lock`. `select` chooses exact packages with digests
//! for the groups and extras of a dev shell on one interpreter and system. `install` and `compile` run uv,
//! `bytecode` compiles modules, `venv` makes a directory a virtual environment. Nothing here knows the manifest's tools or how they are built: `builder`
//! decides what is made and where.

mod application_lock;
mod application_wheels;
mod bytecode;
mod compile;
mod index_requirements;
mod install;
mod interpreter;
mod lock;
mod lock_formats;
mod locked_wheel;
mod marker;
mod pins;
mod requirement;
mod scope;
mod select;
mod settings;
mod uv;
mod venv;
mod wheel_minors;

#[cfg(test)]
mod tests;

pub use application_lock::{lock_application, oldest_python};
pub use application_wheels::{UnfitApplication, choose_wheels};
pub use bytecode::compile_in_background;
pub use compile::{CompileRequest, CompiledList};
pub use install::{BuiltWheel, EditableInstall, PackageInstall, WheelFiles, build_settings};
pub use interpreter::{Interpreter, minor_version};
pub use lock::{
    ForeignPackage, LooseRequirement, PackageSource, PythonLock, Selection, SelectionPart,
};
pub use lock_formats::{
    LockFiles, PackageWheels, PinnedRequirement, SourceDirectories, decode_list, included_lists,
    named_directories, read_lock, read_pinned, read_pylock_wheels, source_directories,
};
pub use locked_wheel::LockedWheel;
pub use marker::{Marker, TargetEnvironment, normalize};
pub use pins::{PythonPin, PythonPins};
pub use requirement::{PythonRequirement, admitted_packages, find_unmet, is_built_metadata};
pub use scope::Scope;
pub use select::SelectionError;
pub use settings::{PackageSetting, is_of_installation};
pub use uv::{Uv, UvError};
pub use venv::{VirtualEnv, make_venv, venv_settings, write_program};
pub use wheel_minors::WheelMinors;

//! The grammar of the manifest: every table, its keys and the forms of their values.
//!
//! `reader` reads by these types and `schema` prints them as JSON Schema, so neither knows a key that the other
//! does not.

use serde_json::{Value as Json, json};
use toml::Spanned;

use super::{
    AliasName, Error, ExpectedKind, Located,
    document::Node,
    form::{
        EditableList, Form, KeyValue, Named, OneOf, SmallNumber, TableForm, Unset, table_fields,
    },
    image_values::{ImagePath, Port, ProjectPath},
    scalars::{
        CacheAddress, CondaChannelText, CondaPackageText, EnvFilePath, PathEntry, PlatformName,
        PresetName, PublicKeyText, PythonFrom, PythonLockPath, PythonPackage, PythonVariant,
        RustProfile, ServerAddress, SingleShellName, ToolName, ToolPart, ValueTemplate,
    },
};
use crate::{
    env::{HostShell, VarName},
    package::{Glibc, Invalid, MacosVersion, MinisignKey, PackageName, Sha256, System},
};

table_fields! {
    TopField<'n> {
        /// Manifests that this one extends, the lowest layer first: paths, `https://` addresses,
        /// `git+https://…#REVISION:FILE`
        "extends" => Extends(Vec<Located<String>>);
        /// Presets to follow, below all other layers: tools and versions come from the project's own files
        "presets" => Presets(Vec<Located<PresetName>>);
        /// Dev shells by name; a prompt activates `dev`
        "shells" => Shells(Named<'n, SingleShellName, TableForm<'n, ShellField<'n>>>);
        /// The container image of the project
        "image" => Image(TableForm<'n, ImageField<'n>>);
        /// Container images by name; each begins with the keys of `[image]`
        "images" => Images(Named<'n, PackageName, TableForm<'n, ImageField<'n>>>);
        /// Caches that serve what the team's machines download and build
        "caches" => Caches(Vec<CacheForm<'n>>);
        .. Shared(TablesField<'n>);
    }
}

table_fields! {
    ShellField<'n> {
        /// True if the dev shell leaves out the tables of the top level
        "standalone" => Standalone(Located<bool>);
        /// Dev shells that this one builds on, the lowest layer first
        "inherits" => Inherits(Vec<Located<SingleShellName>>);
        .. Shared(TablesField<'n>);
    }
}

table_fields! {
    /// The tables that the top level and every dev shell can have.
    TablesField<'n> {
        /// Tools by short name (`ruff`) or as a package of a source (`pypi:pyrefly`, `npm:prettier`)
        "tools" => Tools(Named<'n, ToolName, ToolForm<'n>>);
        /// The Python packages of the dev shell
        "python" => Python(TableForm<'n, PythonField>);
        /// OS-level packages of conda channels
        "conda" => Conda(TableForm<'n, CondaField>);
        /// Variables; text may refer to others as `${NAME}` and to the project as `${root}`
        "env" => Env(Named<'n, VarName, VariableForm<'n>>);
        /// Files of variables, below the project's root
        "env-files" => EnvFiles(TableForm<'n, EnvFilesField>);
        /// Short commands of the host shell
        "aliases" => Aliases(Named<'n, AliasName, AliasForm<'n>>);
        /// Scripts that run on enter and leave
        "hooks" => Hooks(TableForm<'n, HooksField<'n>>);
        /// Permissions for variables and scripts that can run code
        "grants" => Grants(TableForm<'n, GrantsField>);
    }
}

/// A tool: a table, several versions of python, or a requirement.
pub(super) type ToolForm<'n> =
    OneOf<TableForm<'n, ToolField<'n>>, OneOf<VersionList, Spanned<String>>>;

table_fields! {
    ToolField<'n> {
        /// The requirement: `3.12`, `>=3.11,<3.13`, `^1.4`, `latest`, `stable`
        "version" => Version(Spanned<String>);
        /// Components beyond the profile; only for rust
        "components" => Components(EditableList<ToolPart>);
        /// Further compilation targets; only for rust
        "targets" => Targets(EditableList<ToolPart>);
        /// The set of components to begin with; only for rust
        "profile" => Profile(Located<RustProfile>);
        /// The build of the interpreter; only for python
        "variant" => Variant(Located<PythonVariant>);
        /// The file of a release, for all systems or for each: `tool-{version}-{os}-{arch}.tar.gz`
        "asset" => Asset(TextForSystems<'n>);
        /// The address of the download, for all systems or for each
        "url" => Url(TextForSystems<'n>);
        /// The address of a file with the SHA-256 of the download, for all systems or for each
        "checksums" => Checksums(TextForSystems<'n>);
        /// The publisher's key of minisign: the signature is at the address of the download with `.minisig` after it
        "minisign" => Minisign(Located<MinisignKey>);
        /// The SHA-256 of the download for each system
        "sha256" => Sha256(Named<'n, System, Located<Sha256>>);
        /// The programs, as paths in the archive; of a crate, their names
        "bin" => Bin(Vec<Located<String>>);
        /// The number of directories at the top of the archive that are left out
        "strip" => Strip(SmallNumber);
        /// The text in front of the version in the name of a tag
        "tag-prefix" => TagPrefix(Located<String>);
        /// The repository whose releases are the versions of a plain download: `github:helm/helm`
        "versions" => Versions(Located<String>);
        /// Words for `{os}` and `{arch}`: `macos`, `linux`, `x86_64` and `aarch64`
        "words" => Words(Named<'n, PlatformName, Located<String>>);
        /// Features of a crate
        "features" => Features(Vec<Located<String>>);
        /// False to build a crate without its default features
        "default-features" => DefaultFeatures(Located<bool>);
        /// Removes the tool of the layers below
        "unset" => Unset(Unset) alone;
    }
}

/// A text for each system, or one for all.
pub(super) type TextForSystems<'n> = OneOf<Named<'n, System, Located<String>>, Located<String>>;

/// Versions of python to have next to each other, the first one under the plain name.
#[derive(Debug)]
pub(super) struct VersionList(pub(super) Vec<Spanned<String>>);

impl Form<'_> for VersionList {
    fn accepts(node: &Node<'_>) -> bool {
        Vec::<Spanned<String>>::accepts(node)
    }

    fn read(value: &KeyValue<'_>) -> Result<Self, Error> {
        if value.key != "python" {
            let expected = ExpectedKind::VersionOrTable;
            return Err(value.text.wrong_type(value.key, value.node, expected));
        }
        let versions = Vec::read(value)?;
        if versions.is_empty() {
            return Err(value.error(Invalid::new("a list of versions", "[]")));
        }
        Ok(Self(versions))
    }

    fn schema() -> Json {
        let mut schema = Vec::<Spanned<String>>::schema();
        schema["minItems"] = json!(1);
        schema
    }
}

table_fields! {
    PythonField {
        /// The project's lockfile: `uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`, `Pipfile.lock` or a `.txt`
        "lock" => Lock(Located<PythonLockPath>);
        /// Packages of a project without a lockfile; devshell.lock pins them
        "packages" => Packages(EditableList<PythonPackage>);
        /// Packages of the index that may run their own build where they have no wheel
        "build" => Build(EditableList<PackageName>);
        /// Dependency groups
        "groups" => Groups(EditableList<PackageName>);
        /// Extras of the project
        "extras" => Extras(EditableList<PackageName>);
        /// The source of the interpreter: `python`, or `conda` for that of the conda packages
        "from" => From(Located<PythonFrom>);
        /// False to make no link `.venv` for editors
        "venv-link" => VenvLink(Located<bool>);
    }
}

table_fields! {
    CondaField {
        /// Channels by name or address, the one that wins first; `conda-forge` by default
        "channels" => Channels(EditableList<CondaChannelText>);
        /// Requirements in conda's grammar: `libpq >=16`, `numpy 2.*`
        "packages" => Packages(EditableList<CondaPackageText>);
        /// The oldest glibc that the packages must run with
        "glibc" => Glibc(Located<Glibc>);
        /// The oldest macOS that the packages must run on
        "macos" => Macos(Located<MacosVersion>);
    }
}

/// A variable: a table that says how it changes, or its value.
pub(super) type VariableForm<'n> = OneOf<TableForm<'n, VariableField>, Located<ValueTemplate>>;

table_fields! {
    VariableField [nonempty] {
        /// The value unless the host shell has one
        "default" => Default(Located<ValueTemplate>) alone;
        /// A way to get the value, shown when the host shell has none
        "required" => Required(Located<String>) alone;
        /// Removes the variable
        "unset" => Unset(Unset) alone;
        /// Entries before those of the host shell; relative ones are below the project's root
        "prepend" => Prepend(Vec<Spanned<PathEntry>>);
        /// Entries after those of the host shell; relative ones are below the project's root
        "append" => Append(Vec<Spanned<PathEntry>>);
        /// Entries of the layers below to leave out
        "remove" => Remove(Vec<Located<PathEntry>>);
    }
}

table_fields! {
    EnvFilesField {
        /// Files that must exist
        "load" => Load(EditableList<EnvFilePath>);
        /// Files that may be missing
        "optional" => Optional(EditableList<EnvFilePath>);
    }
}

/// An alias: a table that removes it, or its command.
pub(super) type AliasForm<'n> = OneOf<TableForm<'n, AliasField>, Located<String>>;

table_fields! {
    AliasField [nonempty] {
        /// Removes the alias of the layers below
        "unset" => Unset(Unset) alone;
    }
}

/// One script or a list of scripts.
pub(super) type ScriptsForm = OneOf<EditableList<String>, Located<String>>;

table_fields! {
    HooksField<'n> {
        /// Run on enter, in a separate shell; the variables that it exports become part of the dev shell
        "enter" => Enter(ScriptsForm);
        /// Run on leave
        "leave" => Leave(ScriptsForm);
        /// Run in your own shell; needs `[grants] source`
        "source" => Source(TableForm<'n, SourceField>);
    }
}

table_fields! {
    SourceField {
        /// For bash 5.0 and later
        "bash" => Bash(ScriptsForm);
        /// For zsh
        "zsh" => Zsh(ScriptsForm);
        /// For fish
        "fish" => Fish(ScriptsForm);
    }
}

table_fields! {
    ImageField<'n> {
        /// The dev shell whose tools and packages the image has (`dev`)
        "shell" => Shell(Located<SingleShellName>);
        /// Dependency groups of the Python packages beyond the project's own dependencies; none by default
        "groups" => Groups(Vec<Located<PackageName>>);
        /// The image below: its name in a registry (`debian:12-slim`), or `scratch`
        "base" => Base(Located<String>);
        /// Files of the project and their place in the image
        "copy" => Copy(Vec<CopyForm<'n>>);
        /// The arguments of the entrypoint, or the command without one
        "cmd" => Cmd(Vec<Located<String>>);
        /// The program that always runs
        "entrypoint" => Entrypoint(Vec<Located<String>>);
        /// Ports (`8000`, `53/udp`)
        "expose" => Expose(Vec<Port>);
        /// Variables of the image; everybody who has the image can read them
        "env" => Env(Named<'n, VarName, Located<String>>);
        /// The user, by name or number
        "user" => User(Located<String>);
        /// The working directory
        "workdir" => Workdir(Located<ImagePath>);
        /// Labels
        "labels" => Labels(Named<'n, String, Located<String>>);
    }
}

table_fields! {
    CopyField {
        /// A file or directory, relative to the project's root
        "from" => From(Located<ProjectPath>);
        /// Its absolute path in the image
        "to" => To(Located<ImagePath>);
    }
}

/// A rule to copy files, which needs both of its keys.
#[derive(Debug)]
pub(super) struct CopyForm<'n>(pub(super) TableForm<'n, CopyField>);

impl<'n> Form<'n> for CopyForm<'n> {
    fn accepts(node: &Node<'_>) -> bool {
        TableForm::<CopyField>::accepts(node)
    }

    fn read(value: &KeyValue<'n>) -> Result<Self, Error> {
        TableForm::read(value).map(Self)
    }

    fn schema() -> Json {
        let mut schema = TableForm::<CopyField>::schema();
        schema["required"] = json!(["from", "to"]);
        schema
    }
}

table_fields! {
    CacheField {
        /// Its address: `s3://bucket/prefix`, `oci://registry/repository`, `https://host/path` or `file:///path`
        "url" => Url(Located<CacheAddress>);
        /// Public keys whose built objects are used (`team-1:BASE64`)
        "keys" => Keys(Vec<Located<PublicKeyText>>);
        /// The server of a bucket; AWS by default
        "endpoint" => Endpoint(Located<ServerAddress>);
        /// The region of a bucket
        "region" => Region(Located<String>);
        /// True if addresses have the bucket in the path and not in the host name
        "path-style" => PathStyle(Located<bool>);
    }
}

/// A cache, which needs an address.
#[derive(Debug)]
pub(super) struct CacheForm<'n>(pub(super) TableForm<'n, CacheField>);

impl<'n> Form<'n> for CacheForm<'n> {
    fn accepts(node: &Node<'_>) -> bool {
        TableForm::<CacheField>::accepts(node)
    }

    fn read(value: &KeyValue<'n>) -> Result<Self, Error> {
        TableForm::read(value).map(Self)
    }

    fn schema() -> Json {
        let mut schema = TableForm::<CacheField>::schema();
        schema["required"] = json!(["url"]);
        schema
    }
}

table_fields! {
    GrantsField {
        /// Variables whose values other programs may run as code
        "env" => Env(EditableList<VarName>);
        /// Host shells in which `[hooks] source` may run
        "source" => Source(EditableList<HostShell>);
    }
}

/// Returns the JSON Schema of the manifest, as text.
pub fn schema() -> String {
    let mut schema = TableForm::<TopField<'_>>::schema();
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("devshell.toml");
    schema["description"] = json!("The manifest of a project");
    format!("{schema:#}\n")
}

#[cfg(test)]
mod tests;

//! Releases: an archive of any usual kind, or one program, compressed or not.
//!
//! The programs are those of the settings, else the executables in `bin`, else those at the top of the archive. An
//! archive with a directory `bin` keeps its places; of any other one the files are below `lib/NAME`, and `bin` has links
//! to the programs. Words for the platform are no part of a program's name.
//!
//! The tag in the address and the programs themselves show whether the artifact is what it should be.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Cursor, Read, Seek as _, SeekFrom},
};

use percent_encoding::percent_decode_str;

use super::Tree;
use crate::{
    lockfile::Artifact,
    package::{
        PackageName, ProgramName, ReleaseOptions, System, Version, platform_words::program_of_file,
    },
    store::{
        Error, Rule,
        tree_builder::{Placed, refused},
        unpack::{
            ArchiveFile, decompressed,
            tar::{self, TarKind},
            zip::Zip,
        },
    },
};

/// The number of bytes of a file that show its format.
const HEAD: usize = 512;

/// A release that is unpacked.
pub(super) struct ReleaseRecipe<'a> {
    pub(super) name: &'a PackageName,
    pub(super) version: &'a Version,
    pub(super) options: &'a ReleaseOptions,
}

/// The format of an artifact, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArchiveKind {
    Zip,
    Tar { compressed: bool },
    Program { compressed: bool },
}

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ArchiveMember {
    /// As the archive has it.
    path: String,
    executable: bool,
    directory: bool,
}

/// The places of an archive's members in the object.
#[derive(Debug, Default, PartialEq, Eq)]
struct MemberPlaces {
    /// The directory at the top that is left out, with its `/`.
    stripped: String,
    /// The directory in the object for everything, with its `/`; empty if the archive has `bin`.
    place: String,
    /// The programs by name, as paths without the directory that is left out.
    programs: BTreeMap<String, String>,
}

impl ReleaseRecipe<'_> {
    /// Places the programs of a release and the files that they need.
    pub(super) fn unpack(
        &self,
        artifact: &Artifact,
        file: ArchiveFile<'_>,
        tree: &mut Tree,
    ) -> Result<(), Error> {
        self.check_tag(artifact)?;
        let damaged = |source| Error::Archive {
            member: String::new(),
            source,
        };
        match format(file.silenced()).map_err(damaged)? {
            ArchiveKind::Zip => self.unpack_zip(file, tree),
            ArchiveKind::Tar { compressed } => self.unpack_tar(file, compressed, tree),
            ArchiveKind::Program { compressed } => {
                let mut data = opened(file, compressed).map_err(damaged)?;
                let name = self.name_of_program(artifact);
                place_program(&format!("bin/{name}"), &mut data, tree)
            }
        }
    }

    /// Checks that the tag in the address of a release names the version.
    fn check_tag(&self, artifact: &Artifact) -> Result<(), Error> {
        let path = percent_decode_str(artifact.url.path()).decode_utf8_lossy();
        let Some((repository, below)) = path.split_once("/releases/download/") else {
            return Ok(());
        };
        let tag = below.rsplit_once('/').map_or(below, |(tag, _)| tag);
        let version = self.version.as_str();
        let is_end =
            |before: &str| !before.ends_with(|one: char| one.is_ascii_digit() || one == '.');
        if tag.strip_suffix(version).is_some_and(is_end) {
            return Ok(());
        }
        Err(Error::OtherPackage {
            name: repository.trim_start_matches('/').to_owned(),
            version: tag.to_owned(),
        })
    }

    /// Returns the name of the only program: that of the settings, else the file's without the words for a platform.
    fn name_of_program(&self, artifact: &Artifact) -> String {
        if let Some(path) = self.options.bin().first() {
            return last(path).to_owned();
        }
        let file = percent_decode_str(last(artifact.url.path()))
            .decode_utf8_lossy()
            .into_owned();
        let ends = [".gz", ".xz", ".zst", ".bz2"];
        let stem = ends
            .iter()
            .find_map(|end| file.strip_suffix(end))
            .unwrap_or(&file);
        let name = program_of_file(stem, self.version.as_str());
        if name.parse::<ProgramName>().is_ok() {
            return name;
        }
        last(self.name.as_str()).to_owned()
    }

    fn unpack_zip(&self, file: ArchiveFile<'_>, tree: &mut Tree) -> Result<(), Error> {
        let mut zip = Zip::open(file)?;
        let names = zip.names();
        let mut members = Vec::new();
        for name in &names {
            zip.member(name, |member, _| {
                members.push(ArchiveMember {
                    path: name.trim_end_matches('/').to_owned(),
                    executable: member.executable,
                    directory: member.directory,
                });
                Ok(())
            })?;
        }
        let layout = self.layout(&members)?;
        let programs = layout.program_paths();
        for name in &names {
            let Some(rest) = layout.inside(name.trim_end_matches('/')) else {
                continue;
            };
            let path = format!("{}{rest}", layout.place);
            zip.member(name, |member, data| {
                if member.directory {
                    return tree.directory(&path);
                }
                if programs.contains(rest) {
                    return place_program(&path, data, tree);
                }
                let placed = Placed {
                    executable: member.executable,
                    mtime: None,
                };
                tree.file(&path, placed, data).map(|_| ())
            })?;
        }
        layout.link_programs(tree)
    }

    fn unpack_tar(
        &self,
        file: ArchiveFile<'_>,
        compressed: bool,
        tree: &mut Tree,
    ) -> Result<(), Error> {
        let open = |file| {
            opened(file, compressed).map_err(|source| Error::Archive {
                member: String::new(),
                source,
            })
        };
        let mut members = Vec::new();
        tar::read(&mut open(file.silenced())?, |member, _| {
            members.push(ArchiveMember {
                executable: matches!(
                    member.kind,
                    TarKind::File { executable: true } | TarKind::Link(_) | TarKind::HardLink(_)
                ),
                directory: member.kind == TarKind::Directory,
                path: member.path,
            });
            Ok(())
        })?;
        let layout = self.layout(&members)?;
        let programs = layout.program_paths();
        tar::read(&mut open(file)?, |member, data| {
            let Some(rest) = layout.inside(&member.path) else {
                return Ok(());
            };
            let path = format!("{}{rest}", layout.place);
            match member.kind {
                TarKind::Directory => tree.directory(&path),
                TarKind::Link(target) => tree.link(&path, &target),
                TarKind::HardLink(target) => {
                    let target = layout.inside(&target).unwrap_or_default();
                    let target = format!("{}{target}", layout.place);
                    tree.copy(&path, &target, Placed::default())
                }
                TarKind::File { .. } if programs.contains(rest) => place_program(&path, data, tree),
                TarKind::File { executable } => {
                    let placed = Placed {
                        executable,
                        mtime: None,
                    };
                    tree.file(&path, placed, data).map(|_| ())
                }
            }
        })?;
        layout.link_programs(tree)
    }

    /// Decides where members go and which are programs.
    fn layout(&self, members: &[ArchiveMember]) -> Result<MemberPlaces, Error> {
        let stripped = match self.options.strip() {
            Some(count) => directories_at_top(members, count.into()),
            None => single_directory(members),
        };
        let mut layout = MemberPlaces {
            stripped,
            ..MemberPlaces::default()
        };
        let inside: Vec<(&str, &ArchiveMember)> = members
            .iter()
            .filter(|member| !member.directory)
            .filter_map(|member| Some((layout.inside(&member.path)?, member)))
            .collect();
        let asked = self.options.bin();
        let paths: BTreeSet<String> = if asked.is_empty() {
            self.found_programs(&inside)
        } else {
            let found = asked.iter().map(|path| self.named_program(path, &inside));
            found.collect::<Result<_, _>>()?
        };
        for path in paths {
            let name = program_of_file(last(&path), self.version.as_str());
            layout.programs.insert(name, path);
        }
        if layout.programs.is_empty() {
            return Err(Error::UnclearPrograms {
                package: self.name.clone(),
                found: inside
                    .iter()
                    .map(|(path, _)| (*path).to_owned())
                    .take(20)
                    .collect(),
            });
        }
        let in_bin = layout.programs.values().all(|path| is_in_bin(path));
        if !in_bin {
            layout.place = format!("lib/{}/", last(self.name.as_str()).to_ascii_lowercase());
        }
        Ok(layout)
    }

    /// Returns the path of a program of the settings; words for the platform may be missing there.
    fn named_program(
        &self,
        wanted: &str,
        inside: &[(&str, &ArchiveMember)],
    ) -> Result<String, Error> {
        let plain = |path: &str| {
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            format!(
                "{directory}/{}",
                program_of_file(name, self.version.as_str())
            )
        };
        let same = |path: &str, member: &ArchiveMember| path == wanted || member.path == wanted;
        let exact = inside.iter().find(|(path, member)| same(path, member));
        let found = exact.or_else(|| inside.iter().find(|(path, _)| plain(path) == plain(wanted)));
        found
            .map(|(path, _)| (*path).to_owned())
            .ok_or_else(|| Error::NoSuchProgram {
                program: wanted.to_owned(),
                found: inside
                    .iter()
                    .map(|(path, _)| (*path).to_owned())
                    .take(20)
                    .collect(),
            })
    }

    fn found_programs(&self, inside: &[(&str, &ArchiveMember)]) -> BTreeSet<String> {
        let executable: Vec<&str> = inside
            .iter()
            .filter(|(path, member)| member.executable && is_program_name(last(path)))
            .map(|(path, _)| *path)
            .collect();
        let owned = |paths: Vec<&str>| {
            paths
                .into_iter()
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
        };
        let in_bin: Vec<&str> = executable
            .iter()
            .copied()
            .filter(|path| is_in_bin(path))
            .collect();
        if !in_bin.is_empty() {
            return owned(in_bin);
        }
        let depth = |path: &str| path.matches('/').count();
        if let Some(least) = executable.iter().map(|path| depth(path)).min() {
            return owned(
                executable
                    .into_iter()
                    .filter(|path| depth(path) == least)
                    .collect(),
            );
        }
        // An archive made without modes: the program has the name of the package.
        let own = last(self.name.as_str());
        let version = self.version.as_str();
        let named = inside
            .iter()
            .map(|(path, _)| *path)
            .filter(|path| program_of_file(last(path), version).eq_ignore_ascii_case(own));
        owned(named.collect())
    }
}

impl MemberPlaces {
    /// Returns the path of a member without what is left out; nothing for the rest.
    fn inside<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.stripped.as_str())?;
        let system = rest
            .split('/')
            .any(|name| name == "__MACOSX" || name.starts_with("._"));
        (!rest.is_empty() && !system).then_some(rest)
    }

    /// Returns the paths of the programs, for a search for each of many members.
    fn program_paths(&self) -> BTreeSet<&str> {
        self.programs.values().map(String::as_str).collect()
    }

    /// Adds the links in `bin`.
    fn link_programs(&self, tree: &mut Tree) -> Result<(), Error> {
        for (name, path) in &self.programs {
            let link = format!("bin/{name}");
            let placed = format!("{}{path}", self.place);
            if tree.node(&placed).is_none() {
                return Err(refused(&placed, Rule::NotAsListed));
            }
            if tree.node(&link).is_none() {
                tree.link(&link, &format!("../{placed}"))?;
            }
        }
        Ok(())
    }
}

/// Places a program after a look at the system that it is for.
fn place_program(path: &str, data: &mut dyn Read, tree: &mut Tree) -> Result<(), Error> {
    let mut head = Vec::new();
    data.take(HEAD as u64)
        .read_to_end(&mut head)
        .map_err(|source| Error::Archive {
            member: path.to_owned(),
            source,
        })?;
    if let (Some(built_for), Some(here)) = (built_for(&head), System::current())
        && !built_for.runs_on(here)
    {
        return Err(Error::ForeignProgram {
            program: last(path).to_owned(),
            built_for: built_for.words(),
        });
    }
    let placed = Placed {
        executable: true,
        mtime: None,
    };
    let mut whole = Cursor::new(head).chain(data);
    tree.file(path, placed, &mut whole).map(|_| ())
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn is_in_bin(path: &str) -> bool {
    path.strip_prefix("bin/")
        .is_some_and(|name| !name.contains('/'))
}

/// Returns whether an executable with this name is a program: archives give the bit to texts and libraries too.
fn is_program_name(name: &str) -> bool {
    const TEXTS: [&str; 8] = [
        "AUTHORS",
        "CHANGELOG",
        "CHANGES",
        "COPYING",
        "LICENSE",
        "NOTICE",
        "README",
        "UNLICENSE",
    ];
    const ENDS: [&str; 28] = [
        "1", "5", "7", "8", "a", "bash", "bat", "conf", "dll", "dylib", "elv", "fish", "html",
        "js", "json", "lua", "md", "nu", "png", "ps1", "rst", "sh", "so", "toml", "txt", "yaml",
        "yml", "zsh",
    ];
    let stem = name.split(['.', '-', '_']).next().unwrap_or_default();
    let text = TEXTS.iter().any(|text| stem.eq_ignore_ascii_case(text));
    let end = name.rsplit_once('.').map(|(_, end)| end);
    !text && !end.is_some_and(|end| ENDS.contains(&end)) && name.parse::<ProgramName>().is_ok()
}

/// Returns the directory, with its `/`, that has every member; nothing if that is a usual directory of an installation.
fn single_directory(members: &[ArchiveMember]) -> String {
    let tops = members
        .iter()
        .map(|member| member.path.split('/').next().unwrap_or_default());
    let tops: BTreeSet<&str> = tops
        .filter(|top| !matches!(*top, "__MACOSX") && !top.starts_with("._"))
        .collect();
    let mut tops = tops.into_iter();
    let (Some(top), None) = (tops.next(), tops.next()) else {
        return String::new();
    };
    let is_file = members
        .iter()
        .any(|member| member.path == top && !member.directory);
    if is_file || matches!(top, "bin" | "lib" | "libexec" | "share") {
        return String::new();
    }
    format!("{top}/")
}

/// Returns the path of this many directories at the top, with its `/`, as the first member has them.
fn directories_at_top(members: &[ArchiveMember], count: usize) -> String {
    let deep = members
        .iter()
        .find(|member| member.path.split('/').count() > count);
    let names = deep.map(|member| member.path.split('/').take(count).collect::<Vec<_>>());
    let mut path = names.unwrap_or_default().join("/");
    if !path.is_empty() {
        path.push('/');
    }
    path
}

/// The system that a program was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BuiltFor {
    Linux(Processor),
    Macos(Processor),
    /// Several processors.
    AnyMac,
    Windows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processor {
    X86_64,
    Aarch64,
    Other,
}

impl BuiltFor {
    const fn runs_on(self, system: System) -> bool {
        match self {
            Self::Linux(Processor::X86_64) => matches!(system, System::LinuxX86_64),
            Self::Linux(Processor::Aarch64) => matches!(system, System::LinuxAarch64),
            // Apple silicon translates programs for Intel.
            Self::Macos(Processor::X86_64) | Self::AnyMac => !system.is_linux(),
            Self::Macos(Processor::Aarch64) => matches!(system, System::MacosAarch64),
            Self::Linux(Processor::Other) | Self::Macos(Processor::Other) | Self::Windows => false,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Linux(Processor::X86_64) => "Linux on x86_64",
            Self::Linux(Processor::Aarch64) => "Linux on aarch64",
            Self::Linux(Processor::Other) => "Linux on another processor",
            Self::Macos(Processor::X86_64) => "macOS on x86_64",
            Self::Macos(Processor::Aarch64) => "macOS on aarch64",
            Self::Macos(Processor::Other) | Self::AnyMac => "macOS",
            Self::Windows => "Windows",
        }
    }
}

/// Reads the system from the first bytes of a program; nothing for scripts and unknown formats.
fn built_for(head: &[u8]) -> Option<BuiltFor> {
    match head {
        [0x7f, b'E', b'L', b'F', ..] => {
            let processor = match head.get(18..20)? {
                [62, 0] => Processor::X86_64,
                [183, 0] => Processor::Aarch64,
                _ => Processor::Other,
            };
            Some(BuiltFor::Linux(processor))
        }
        [0xcf, 0xfa, 0xed, 0xfe, processor @ ..] => {
            let processor = match processor.get(..4)? {
                [7, 0, 0, 1] => Processor::X86_64,
                [12, 0, 0, 1] => Processor::Aarch64,
                _ => Processor::Other,
            };
            Some(BuiltFor::Macos(processor))
        }
        [0xca, 0xfe, 0xba, 0xbe, ..] => Some(BuiltFor::AnyMac),
        // Programs of cosmopolitan libc begin like that too, and run everywhere.
        [b'M', b'Z', b'q', b'F', b'p', b'D', ..] => None,
        [b'M', b'Z', ..] => Some(BuiltFor::Windows),
        _ => None,
    }
}

/// Returns the content of an artifact from its beginning.
fn opened(mut file: ArchiveFile<'_>, compressed: bool) -> io::Result<Box<dyn Read + '_>> {
    file.seek(SeekFrom::Start(0))?;
    if compressed {
        decompressed(file)
    } else {
        Ok(Box::new(file))
    }
}

fn format(file: ArchiveFile<'_>) -> io::Result<ArchiveKind> {
    let head = |compressed| -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        opened(file, compressed)?
            .take(HEAD as u64)
            .read_to_end(&mut head)?;
        Ok(head)
    };
    let plain = head(false)?;
    if plain.starts_with(b"PK\x03\x04") {
        return Ok(ArchiveKind::Zip);
    }
    let compressed = plain.starts_with(&[0x1f, 0x8b])
        || plain.starts_with(b"\xfd7zXZ\0")
        || plain.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || plain.starts_with(b"BZh");
    let content = if compressed { head(true)? } else { plain };
    Ok(if is_tar(&content) {
        ArchiveKind::Tar { compressed }
    } else {
        ArchiveKind::Program { compressed }
    })
}

/// Returns whether bytes are the first header of a tar archive: its checksum is right.
fn is_tar(head: &[u8]) -> bool {
    let Some(header) = head.get(..HEAD) else {
        return false;
    };
    let written = std::str::from_utf8(&header[148..156]).ok();
    let written = written.and_then(|text| {
        u32::from_str_radix(text.trim_matches(|one| one == ' ' || one == '\0'), 8).ok()
    });
    let bytes = header.iter().enumerate();
    // The checksum itself counts as spaces.
    let sum: u32 = bytes
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    written == Some(sum) && header[0] != 0
}

#[cfg(test)]
mod tests;

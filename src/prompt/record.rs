//! The activation record: everything a warm activation needs, in one file.
//!
//! It is written when a dev shell is ready and read at the prompt; no manifest, lockfile or index is
//! looked at then. It holds the files it was made from, and is not used when one of them has changed.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    env::{Change, EnvPlan, HostShell, Piece, Template, VarName},
    manifest::{AliasName, ShellName},
    project::{approval::project_key, watch::Watched},
    util::{
        codec::{Damaged, Reader, Writer},
        files,
    },
};

use super::session_var::RecordId;

/// A dev shell that is ready to be loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Files whose change makes the record stale; the approval is one of them.
    pub watched: Vec<Watched>,
    /// Directories that must be there: the profile and the store objects behind it.
    pub objects: Vec<PathBuf>,
    /// Files of those objects by which damage is seen at a glance.
    pub sealed: Vec<Watched>,
    /// Whether a host tool serves whose version is not the locked one.
    pub drifted: bool,
    /// Whether the project itself is in its Python environment, if it belongs there.
    pub whole: bool,
    /// What is loaded.
    pub content: Content,
}

/// What a record loads. Its digest names the record: the same content needs no reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The environment id, hexadecimal.
    pub environment: String,
    /// What is said when it is loaded.
    pub summary: String,
    /// Changes of the environment.
    pub plan: EnvPlan,
    /// Variables that the host shell must have: name, what helps, and where that is asked for.
    pub required: Vec<(VarName, String, String)>,
    /// Aliases.
    pub aliases: Vec<(AliasName, String)>,
    /// Scripts run on enter.
    pub enter: Vec<String>,
    /// Scripts run on leave.
    pub leave: Vec<String>,
    /// Scripts for the host shell itself, in order.
    pub sourced: Vec<(HostShell, String)>,
    /// How long a script may take, in seconds.
    pub timeout: u64,
    /// Whether nothing is said when it is loaded and left.
    pub quiet: bool,
}

/// First field of a record: the version of the form, raised with every change of it.
///
/// The root and the objects follow it in every form, so that the collector of any devsh finds them.
const FORMAT: u64 = 6;
/// Longest record that is read, in bytes.
const LIMIT: u64 = 16 << 20;

impl Record {
    /// Returns where the record of a dev shell is kept.
    pub fn path(state: &Path, root: &Path, shell: &ShellName) -> PathBuf {
        let name = format!("{shell}.record");
        state.join("projects").join(project_key(root)).join(name)
    }

    /// Reads the record of a dev shell, if there is one and everything it was made from is unchanged.
    ///
    /// At `now`, what had just been written when it was recorded may have settled: the record is stored again
    /// so that the next ones need not read those files.
    pub fn fresh(state: &Path, root: &Path, shell: &ShellName, now: SystemTime) -> Option<Self> {
        let mut record = Self::stored(state, root, shell)?;
        let fresh = record.watched.iter().all(Watched::is_unchanged)
            && record.objects.iter().all(|object| object.exists())
            && record.sealed.iter().all(Watched::is_unchanged);
        if !fresh {
            return None;
        }
        let settled: Vec<Watched> = record
            .watched
            .iter()
            .map(|file| file.settled(now))
            .collect();
        if settled != record.watched {
            record.watched = settled;
            // From a read-only home the old one serves as well.
            let _stored = record.store(state, root, shell);
        }
        Some(record)
    }

    /// Reads the record of a dev shell as it was stored, fresh or not.
    pub fn stored(state: &Path, root: &Path, shell: &ShellName) -> Option<Self> {
        let bytes = files::read_private(&Self::path(state, root, shell), LIMIT).ok()??;
        Self::from_bytes(&bytes, root)
    }

    /// Reads all records that there are, each with the root of its project; damaged ones count as none.
    pub fn all(state: &Path) -> Result<Vec<(PathBuf, Self)>, files::Error> {
        let found = read_all(state)?;
        Ok(found
            .iter()
            .filter_map(|bytes| Self::with_root(bytes))
            .collect())
    }

    /// Returns what the records name that a project needs, by whichever devsh they were made; damaged ones count as
    /// none.
    pub fn needs(state: &Path) -> Result<Vec<(PathBuf, Vec<PathBuf>)>, files::Error> {
        let head = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let _format = reader.number()?;
            Ok::<_, Damaged>((reader.path()?, reader.list(Reader::path)?))
        };
        let found = read_all(state)?;
        Ok(found.iter().filter_map(|bytes| head(bytes).ok()).collect())
    }

    fn with_root(bytes: &[u8]) -> Option<(PathBuf, Self)> {
        let mut reader = Reader::new(bytes);
        reader.number().ok().filter(|format| *format == FORMAT)?;
        let root = reader.path().ok()?;
        let record = decode(bytes, &root).ok()?;
        Some((root, record))
    }

    /// Reads a record of the project at `root`; a damaged one counts as none.
    pub fn from_bytes(bytes: &[u8], root: &Path) -> Option<Self> {
        decode(bytes, root).ok()
    }

    /// Stores the record.
    pub fn store(&self, state: &Path, root: &Path, shell: &ShellName) -> Result<(), files::Error> {
        let path = Self::path(state, root, shell);
        files::create_private_dir(path.parent().unwrap_or(state))?;
        files::write_atomic(&path, &encode(self, root))
    }

    /// Returns the record's name.
    pub fn id(&self) -> RecordId {
        let mut writer = Writer::default();
        write_content(&mut writer, &self.content);
        let mut id = RecordId::default();
        id.copy_from_slice(&blake3::hash(&writer.into_bytes()).as_bytes()[..16]);
        id
    }
}

/// Returns the bytes of all records.
fn read_all(state: &Path) -> Result<Vec<Vec<u8>>, files::Error> {
    let mut found = Vec::new();
    for project in files::list(&state.join("projects"))? {
        for path in files::list(&project)? {
            if path.extension().is_some_and(|end| end == "record") {
                found.extend(files::read_bounded(&path, LIMIT)?);
            }
        }
    }
    Ok(found)
}

fn encode(record: &Record, root: &Path) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.number(FORMAT);
    writer.os(root);
    writer.list(record.objects.iter(), Writer::os);
    writer.list(record.watched.iter(), |writer, watched| {
        watched.write(writer);
    });
    writer.list(record.sealed.iter(), |writer, sealed| sealed.write(writer));
    writer.number(u64::from(record.drifted));
    writer.number(u64::from(record.whole));
    write_content(&mut writer, &record.content);
    writer.into_bytes()
}

fn decode(bytes: &[u8], root: &Path) -> Result<Record, Damaged> {
    let mut reader = Reader::new(bytes);
    // The root guards against a record that was copied or a key that collides.
    if reader.number()? != FORMAT || reader.path()? != root {
        return Err(Damaged);
    }
    let record = Record {
        objects: reader.list(Reader::path)?,
        watched: reader.list(Watched::read)?,
        sealed: reader.list(Watched::read)?,
        drifted: reader.number()? != 0,
        whole: reader.number()? != 0,
        content: read_content(&mut reader)?,
    };
    reader.finish()?;
    Ok(record)
}

fn write_content(writer: &mut Writer, content: &Content) {
    writer.bytes(&content.environment);
    writer.bytes(&content.summary);
    writer.list(content.plan.0.iter(), |writer, (name, change)| {
        writer.bytes(name.as_str());
        write_change(writer, change);
    });
    writer.list(content.required.iter(), |writer, (name, help, place)| {
        writer.bytes(name.as_str());
        writer.bytes(help);
        writer.bytes(place);
    });
    writer.list(content.aliases.iter(), |writer, (name, value)| {
        writer.bytes(name.as_str());
        writer.bytes(value);
    });
    writer.list(content.enter.iter(), Writer::bytes);
    writer.list(content.leave.iter(), Writer::bytes);
    writer.list(content.sourced.iter(), |writer, (host, script)| {
        writer.bytes(host.as_str());
        writer.bytes(script);
    });
    writer.number(content.timeout);
    writer.number(u64::from(content.quiet));
}

fn read_content(reader: &mut Reader<'_>) -> Result<Content, Damaged> {
    fn text(reader: &mut Reader<'_>) -> Result<String, Damaged> {
        reader.text().map(str::to_owned)
    }
    fn name(reader: &mut Reader<'_>) -> Result<VarName, Damaged> {
        reader.text()?.parse().map_err(|_| Damaged)
    }
    Ok(Content {
        environment: text(reader)?,
        summary: text(reader)?,
        plan: EnvPlan(
            reader
                .list(|reader| Ok((name(reader)?, read_change(reader)?)))?
                .into_iter()
                .collect(),
        ),
        required: reader.list(|reader| Ok((name(reader)?, text(reader)?, text(reader)?)))?,
        aliases: reader
            .list(|reader| Ok((reader.text()?.parse().map_err(|_| Damaged)?, text(reader)?)))?,
        enter: reader.list(text)?,
        leave: reader.list(text)?,
        sourced: reader
            .list(|reader| Ok((reader.text()?.parse().map_err(|_| Damaged)?, text(reader)?)))?,
        timeout: reader.number()?,
        quiet: reader.number()? != 0,
    })
}

fn write_change(writer: &mut Writer, change: &Change<Template>) {
    match change {
        Change::Unset => writer.number(0),
        Change::Set(value) => {
            writer.number(1);
            write_template(writer, value);
        }
        Change::Default(value) => {
            writer.number(2);
            write_template(writer, value);
        }
        Change::Extend { before, after } => {
            writer.number(3);
            writer.list(before.iter(), write_template);
            writer.list(after.iter(), write_template);
        }
    }
}

fn read_change(reader: &mut Reader<'_>) -> Result<Change<Template>, Damaged> {
    Ok(match reader.number()? {
        0 => Change::Unset,
        1 => Change::Set(read_template(reader)?),
        2 => Change::Default(read_template(reader)?),
        3 => Change::Extend {
            before: reader.list(read_template)?,
            after: reader.list(read_template)?,
        },
        _ => return Err(Damaged),
    })
}

fn write_template(writer: &mut Writer, template: &Template) {
    writer.list(template.0.iter(), |writer, piece| match piece {
        Piece::Text(text) => {
            writer.number(0);
            writer.os(text);
        }
        Piece::Variable { name, fallback } => {
            writer.number(1);
            writer.bytes(name);
            writer.os(fallback);
        }
    });
}

fn read_template(reader: &mut Reader<'_>) -> Result<Template, Damaged> {
    let pieces = reader.list(|reader| {
        Ok(match reader.number()? {
            0 => Piece::Text(reader.os()?),
            1 => Piece::Variable {
                name: reader.text()?.to_owned(),
                fallback: reader.os()?,
            },
            _ => return Err(Damaged),
        })
    })?;
    Ok(Template(pieces))
}

#[cfg(test)]
mod tests;

//! `realised.json`: what a profile is, so that it is found without looking at anything else.
//!
//! Paths need not be UTF-8: bytes that are not, and `%`, are written as `%` and two digits.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Notice, Realised, RealisedTool, ToolOrigin,
    profile_manifest::{self, Files, RECORD, os, text},
};
use crate::{
    env::Change,
    store::{Damage, DamageKind},
    util::files,
};

/// Counts changes in the form of the file.
const FORMAT: u32 = 2;
/// Longest accepted file, in bytes.
const LIMIT: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    id: String,
    profile: String,
    env: Vec<SavedChange>,
    tools: Vec<SavedTool>,
    objects: Vec<String>,
    notices: Vec<SavedNotice>,
    /// What else the profile consists of.
    files: Files,
}

#[derive(Serialize, Deserialize)]
struct SavedChange {
    name: String,
    #[serde(flatten)]
    change: SavedKind,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SavedKind {
    Set(String),
    Default(String),
    Unset(bool),
    Extend {
        before: Vec<String>,
        after: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct SavedTool {
    tool: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
enum SavedNotice {
    HostServes {
        tool: String,
        wanted: Option<String>,
        found: String,
        program: String,
        reason: String,
    },
    Conflict {
        program: String,
        used: String,
        hidden: String,
    },
}

/// Writes the record into a profile that is whole but for it.
pub(super) fn write(directory: &Path, realised: &Realised) -> Result<(), files::Error> {
    let path = directory.join(RECORD);
    let saved = Saved {
        format: FORMAT,
        id: realised.id.to_string(),
        profile: text(&realised.profile),
        env: realised.env.iter().map(save_change).collect(),
        tools: realised.tools.iter().map(save_tool).collect(),
        objects: realised.objects.iter().map(text).collect(),
        notices: realised.notices.iter().map(save_notice).collect(),
        files: profile_manifest::list(directory)?,
    };
    let mut bytes = serde_json::to_vec_pretty(&saved)
        .map_err(|error| files::at("write", &path)(error.into()))?;
    bytes.push(b'\n');
    if bytes.len() as u64 > LIMIT {
        // Who reads it would not take it.
        let error = std::io::Error::other(format!("{} files are too many", saved.files.len()));
        return Err(files::at("write", &path)(error));
    }
    files::write_atomic(&path, &bytes)
}

/// Reads the record of a profile; nothing when there is none that this devsh understands, or the profile is not as it
/// was published.
pub(super) fn read(directory: &Path) -> Option<Realised> {
    let bytes = files::read_bounded(&directory.join(RECORD), LIMIT).ok()??;
    let saved = serde_json::from_slice::<Saved>(&bytes).ok();
    let saved = saved.filter(|saved| saved.format == FORMAT)?;
    let whole = profile_manifest::damage(directory, &saved.files).is_empty();
    whole.then(|| parse(saved))?
}

/// Returns what a profile stands on, by whichever devsh it was made and whatever state its record is in, and more:
/// every path that the record has, or else every one that a link in the profile leads to.
pub(super) fn needs(directory: &Path) -> Result<Vec<PathBuf>, files::Error> {
    let mut texts = Vec::new();
    let bytes = match files::read_bounded(&directory.join(RECORD), LIMIT) {
        Ok(bytes) => bytes,
        // Something else has its name, and that is damage.
        Err(error) if error.source.raw_os_error().is_none() => None,
        Err(error) => return Err(error),
    };
    match bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) {
        Some(value) => collect_texts(value, &mut texts),
        None => texts.extend(profile_manifest::list(directory)?.into_values()),
    }
    let paths = texts.iter().filter_map(|text| {
        let text = text.strip_prefix(profile_manifest::LINK).unwrap_or(text);
        text.starts_with('/').then(|| path(text))
    });
    Ok(paths.filter(|path| path != directory).collect())
}

fn collect_texts(value: Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(all) => all.into_iter().for_each(|one| collect_texts(one, texts)),
        Value::Object(all) => all
            .into_iter()
            .for_each(|(_, one)| collect_texts(one, texts)),
        _ => {}
    }
}

/// Returns what of a profile is not as it was published; nothing of one that another devsh has made.
pub(super) fn damage(directory: &Path) -> Vec<Damage> {
    let fault = match files::read_bounded(&directory.join(RECORD), LIMIT) {
        Err(_) => DamageKind::Unreadable,
        Ok(None) => DamageKind::Missing,
        Ok(Some(bytes)) => match serde_json::from_slice::<Format>(&bytes) {
            Ok(Format { format: FORMAT }) => match serde_json::from_slice::<Saved>(&bytes) {
                Ok(saved) => return profile_manifest::damage(directory, &saved.files),
                Err(_) => DamageKind::Changed,
            },
            Ok(_) => return Vec::new(),
            Err(_) => DamageKind::Changed,
        },
    };
    vec![Damage {
        path: RECORD.to_owned(),
        fault,
    }]
}

/// What every form of the record has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn parse(saved: Saved) -> Option<Realised> {
    Some(Realised {
        id: saved.id.parse().ok()?,
        profile: path(&saved.profile),
        env: saved
            .env
            .into_iter()
            .map(|saved| Some((saved.name.parse().ok()?, load_change(saved.change))))
            .collect::<Option<_>>()?,
        tools: saved.tools.iter().map(load_tool).collect::<Option<_>>()?,
        objects: saved.objects.iter().map(|saved| path(saved)).collect(),
        notices: saved
            .notices
            .into_iter()
            .map(load_notice)
            .collect::<Option<_>>()?,
    })
}

fn save_change((name, change): &(crate::env::VarName, Change)) -> SavedChange {
    let all = |entries: &[std::ffi::OsString]| entries.iter().map(text).collect();
    SavedChange {
        name: name.to_string(),
        change: match change {
            Change::Set(value) => SavedKind::Set(text(value)),
            Change::Default(value) => SavedKind::Default(text(value)),
            Change::Unset => SavedKind::Unset(true),
            Change::Extend { before, after } => SavedKind::Extend {
                before: all(before),
                after: all(after),
            },
        },
    }
}

fn load_change(saved: SavedKind) -> Change {
    let all = |entries: Vec<String>| entries.iter().map(|entry| os(entry)).collect();
    match saved {
        SavedKind::Set(value) => Change::Set(os(&value)),
        SavedKind::Default(value) => Change::Default(os(&value)),
        SavedKind::Unset(_) => Change::Unset,
        SavedKind::Extend { before, after } => Change::Extend {
            before: all(before),
            after: all(after),
        },
    }
}

fn save_tool(tool: &RealisedTool) -> SavedTool {
    let (store, host, seal) = match &tool.origin {
        ToolOrigin::Store(path) => (Some(text(path)), None, None),
        ToolOrigin::Host { program, seal } => (None, Some(text(program)), Some(seal.clone())),
    };
    SavedTool {
        tool: tool.tool.to_string(),
        version: tool.version.to_string(),
        store,
        host,
        seal,
    }
}

fn load_tool(saved: &SavedTool) -> Option<RealisedTool> {
    let origin = match (&saved.store, &saved.host, &saved.seal) {
        (Some(store), None, None) => ToolOrigin::Store(path(store)),
        (None, Some(host), Some(seal)) => ToolOrigin::Host {
            program: path(host),
            seal: seal.clone(),
        },
        _ => return None,
    };
    Some(RealisedTool {
        tool: saved.tool.parse().ok()?,
        version: saved.version.parse().ok()?,
        origin,
    })
}

fn save_notice(notice: &Notice) -> SavedNotice {
    match notice {
        Notice::HostServes {
            tool,
            wanted,
            found,
            program,
            reason,
        } => SavedNotice::HostServes {
            tool: tool.to_string(),
            wanted: wanted.as_ref().map(ToString::to_string),
            found: found.to_string(),
            program: text(program),
            reason: reason.clone(),
        },
        Notice::Conflict {
            program,
            used,
            hidden,
        } => SavedNotice::Conflict {
            program: program.clone(),
            used: used.to_string(),
            hidden: hidden.to_string(),
        },
    }
}

fn load_notice(saved: SavedNotice) -> Option<Notice> {
    Some(match saved {
        SavedNotice::HostServes {
            tool,
            wanted,
            found,
            program,
            reason,
        } => Notice::HostServes {
            tool: tool.parse().ok()?,
            wanted: match wanted {
                Some(wanted) => Some(wanted.parse().ok()?),
                None => None,
            },
            found: found.parse().ok()?,
            program: path(&program),
            reason,
        },
        SavedNotice::Conflict {
            program,
            used,
            hidden,
        } => Notice::Conflict {
            program,
            used: used.parse().ok()?,
            hidden: hidden.parse().ok()?,
        },
    })
}

fn path(text: &str) -> PathBuf {
    os(text).into()
}

//! The facts of a project that the user approves, and their differences between two approvals.
//!
//! Facts have the meaning of files, not their text: comments, white space and the order of keys make no difference.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::env::grant;
use crate::manifest::{
    CacheRequest, DevShell, EnvValue, Located, MANIFEST, Manifest, SOURCE_EFFECT, ShellName,
    ToolRequest,
};
use crate::package::{CachePlace, PackageName, Requirement, Source, Tool};
use crate::util::redact::redact_for_approval;

/// One thing that decides what a dev shell does. Two facts are equal if they mean the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fact {
    /// The value as shown; it leaves out what may be secret.
    pub text: String,
    /// The file that it is from; empty if there is none.
    pub file: String,
    meaning: [u8; 32],
}

/// The facts of a project by their names (`shell dev tool ruff`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(BTreeMap<String, Fact>);

/// Two facts with one name: the approval of one would hide the other.
#[derive(Debug, thiserror::Error)]
#[error("two things that need your approval have the name `{0}`")]
pub struct FactCollision(String);

impl Facts {
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a fact with the name of `fact_name`. The same fact may be added again.
    pub fn add(&mut self, kind: &str, words: &[&str], fact: Fact) -> Result<(), FactCollision> {
        self.insert(fact_name(kind, words), fact)
    }

    /// Adds a fact whose name is complete.
    pub(super) fn insert(&mut self, name: String, fact: Fact) -> Result<(), FactCollision> {
        match self.0.get(&name) {
            Some(known) if *known != fact => Err(FactCollision(name)),
            _ => {
                self.0.insert(name, fact);
                Ok(())
            }
        }
    }

    /// Adds all facts of `other`.
    pub fn join(&mut self, other: Self) -> Result<(), FactCollision> {
        let mut facts = other.0.into_iter();
        facts.try_for_each(|(name, fact)| self.insert(name, fact))
    }

    pub fn get(&self, name: &str) -> Option<&Fact> {
        self.0.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Returns the name of a fact: its kind and words, of which two different lists never give the same name.
pub fn fact_name(kind: &str, words: &[&str]) -> String {
    let is_plain = |one: char| !(one.is_whitespace() || one.is_control() || "\"\\".contains(one));
    let words = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(is_plain) {
            (*word).to_owned()
        } else {
            format!("{word:?}")
        }
    });
    let name: Vec<String> = [kind.to_owned()].into_iter().chain(words).collect();
    name.join(" ")
}

/// Returns the path of a key in a TOML file (`tool.hatch."a.b"`).
pub(super) fn key_path(above: &str, key: &str) -> String {
    let is_bare = |one: char| one.is_ascii_alphanumeric() || "-_".contains(one);
    let key = if !key.is_empty() && key.chars().all(is_bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    };
    if above.is_empty() {
        key
    } else {
        format!("{above}.{key}")
    }
}

impl Fact {
    /// Returns a fact whose text is its meaning.
    pub fn new(text: impl Into<String>, file: &str) -> Self {
        let text = text.into();
        Self::meaning(text.clone(), text.as_bytes(), file)
    }

    /// Returns a fact that means something else than its text shows.
    pub fn meaning(text: impl Into<String>, meaning: &[u8], file: &str) -> Self {
        Self {
            text: text.into(),
            file: file.to_owned(),
            meaning: *blake3::hash(meaning).as_bytes(),
        }
    }
}

impl PartialEq for Fact {
    fn eq(&self, other: &Self) -> bool {
        self.meaning == other.meaning
    }
}

impl Eq for Fact {}

/// The difference of one fact between two approvals.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Difference {
    /// It is new.
    Added(String),
    /// It is gone.
    Removed(String),
    /// Its value changed.
    Changed { before: String, after: String },
}

/// The facts of a summary that are not in the manifest.
pub struct SummaryInput<'a> {
    /// The env files: their variables may be secrets, so the values are left out.
    pub env_files: &'a BTreeSet<&'a str>,
    /// The manifests of the project and the user. Versions that other files name are data, like those of a lockfile.
    pub manifests: &'a BTreeSet<&'a str>,
    /// The groups of Python packages for a dev shell that names none, by its lockfile.
    pub default_groups: &'a dyn Fn(&str) -> Vec<String>,
}

/// Returns the facts of a manifest.
///
/// A dev shell other than `dev` only has the facts in which it differs from `dev`.
pub fn of(manifest: &Manifest, input: &SummaryInput<'_>) -> Result<Facts, FactCollision> {
    let dev = match manifest.shells.get(&ShellName::dev()) {
        Some(shell) => facts_of(shell, input)?,
        None => Facts::new(),
    };
    let mut facts = Facts::new();
    for cache in &manifest.caches {
        facts.add("cache", &[&cache.name()], cache_fact(cache))?;
    }
    for (name, image) in &manifest.images {
        let kind = if name.is_some() { "images" } else { "image" };
        let file = image.origin.as_ref().map_or("", |origin| &*origin.file);
        let name: Vec<&str> = name.iter().map(PackageName::as_str).collect();
        facts.add(kind, &name, Fact::new("can be built", file))?;
        for (key, text) in image.settings() {
            let key = key.iter().map(String::as_str);
            let words: Vec<&str> = name.iter().copied().chain(key).collect();
            facts.add(kind, &words, Fact::new(text, file))?;
        }
    }
    for (name, shell) in &manifest.shells {
        let mut own = facts_of(shell, input)?;
        if *name != ShellName::dev() {
            let absent = dev.names().filter(|fact| own.get(fact).is_none());
            let absent: Vec<String> = absent.map(str::to_owned).collect();
            own.0.retain(|fact, value| dev.get(fact) != Some(value));
            for fact in absent {
                // No value that is there means the same as an absent one.
                own.insert(fact, Fact::meaning("none", b"\0absent", ""))?;
            }
            // If a dev shell equals `dev`, the user approves `dev` only.
            if !own.0.is_empty() {
                facts.add("shell", &[name.as_str()], Fact::new("as dev", ""))?;
            }
        }
        for (fact, value) in own.0 {
            let shell = fact_name("shell", &[name.as_str()]);
            facts.insert(format!("{shell} {fact}"), value)?;
        }
    }
    Ok(facts)
}

/// Returns the differences between the facts of two approvals, by name.
pub fn compare(before: &Facts, after: &Facts) -> BTreeMap<String, Difference> {
    let mut differences = BTreeMap::new();
    for (name, fact) in &after.0 {
        let text = fact.text.clone();
        let difference = match before.get(name) {
            None => Difference::Added(text),
            Some(old) if old == fact => continue,
            Some(old) => Difference::Changed {
                before: old.text.clone(),
                after: if old.text == text {
                    "another value".to_owned()
                } else {
                    text
                },
            },
        };
        differences.insert(name.clone(), difference);
    }
    for (name, fact) in &before.0 {
        if after.get(name).is_none() {
            differences.insert(name.clone(), Difference::Removed(fact.text.clone()));
        }
    }
    differences
}

/// Returns the files whose changes are behind the differences of facts.
///
/// Without a manifest the facts are those of other files, so one that is new or gone is behind facts of theirs too.
pub fn changed_files(before: &Facts, after: &Facts) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let has_manifest = |facts: &Facts| facts.0.values().any(|fact| fact.file == MANIFEST);
    let is_of_manifest = has_manifest(before) != has_manifest(after);
    if is_of_manifest {
        files.insert(MANIFEST.to_owned());
    }
    for name in compare(before, after).into_keys() {
        let [old, new] = [before, after].map(|facts| facts.get(&name).map(|fact| &fact.file));
        if !is_of_manifest || old == new {
            files.extend(new.or(old).cloned());
        }
    }
    files.remove("");
    files
}

fn facts_of(content: &DevShell, input: &SummaryInput<'_>) -> Result<Facts, FactCollision> {
    let mut facts = Facts::new();
    for name in &content.grants {
        let value = content.env.get(&name.value);
        let value = value.map_or_else(String::new, |value| value.value.to_string());
        let effect = grant::effect_of_value(name.value.as_str(), &value).unwrap_or("is set");
        let fact = Fact::new(effect, &name.origin.file);
        facts.add("grant", &[name.value.as_str()], fact)?;
    }
    for shell in &content.source_scripts.grants {
        let name = format!("source.{}", shell.value);
        facts.add(
            "grant",
            &[&name],
            Fact::new(SOURCE_EFFECT, &shell.origin.file),
        )?;
    }
    for (tool, request) in &content.tools {
        facts.add(
            "tool",
            &[&tool.to_string()],
            tool_fact(tool, request, input),
        )?;
    }
    for package in &content.conda.packages {
        let fact = Fact::new("of the conda channels", &package.origin.file);
        facts.add("conda package", &[&package.value], fact)?;
    }
    let mut before: Option<&str> = None;
    for channel in &content.conda.channels {
        // The first channel that has a package serves it.
        let text = before.map_or_else(
            || "is used".to_owned(),
            |before| format!("is used after {before}"),
        );
        before = Some(&channel.value);
        let fact = Fact::meaning(
            redact_for_approval(&text),
            text.as_bytes(),
            &channel.origin.file,
        );
        facts.add("conda channel", &[&channel.value], fact)?;
    }
    for (channel, origin) in content.named_channels() {
        let fact = Fact::new("is used last, a package names it", &origin.file);
        facts.add("conda channel", &[&channel.to_string()], fact)?;
    }
    for package in &content.python.packages {
        let fact = Fact::new("of the index", &package.origin.file);
        facts.add("python package", &[&package.value], fact)?;
    }
    if let Some(lock) = &content.python.lock {
        facts.add("python packages", &[], packages(content, lock, input))?;
    } else if let Some(place) = &content.python.place {
        let fact = Fact::new("of the project", &place.file);
        facts.add("python packages", &[], fact)?;
    }
    if let Some(link) = content.python.venv_link.as_ref().filter(|link| link.value) {
        let fact = Fact::new("links to the environment", &link.origin.file);
        facts.add("file", &[".venv"], fact)?;
    }
    for package in &content.python.build {
        let fact = Fact::new("may run its own build", &package.origin.file);
        facts.add("python build", &[&package.value], fact)?;
    }
    for (name, value) in &content.env {
        facts.add("variable", &[name.as_str()], variable_fact(value, input))?;
    }
    for (name, value) in &content.aliases {
        let fact = Fact::new(value.value.clone(), &value.origin.file);
        facts.add("alias", &[name.as_str()], fact)?;
    }
    let sourced = content.source_scripts.scripts.iter();
    let sourced = sourced.map(|(shell, scripts)| (format!("source script {shell}"), scripts));
    let own = [("enter", &content.enter), ("leave", &content.leave)];
    let own = own.map(|(kind, scripts)| (format!("{kind} script"), scripts));
    for (kind, scripts) in own.into_iter().chain(sourced) {
        for (position, script) in scripts.iter().enumerate() {
            let number = (position + 1).to_string();
            let fact = Fact::new(script.value.clone(), &script.origin.file);
            facts.add(&kind, &[&number], fact)?;
        }
    }
    Ok(facts)
}

fn cache_fact(cache: &CacheRequest) -> Fact {
    let mut text = match cache.keys.as_slice() {
        [] => "serves downloads".to_owned(),
        keys => format!("serves downloads, and builds signed by {}", keys.join(", ")),
    };
    if let CachePlace::S3(place) = &cache.place.value
        && let Some(endpoint) = &place.endpoint
    {
        text = format!("at {}, {text}", redact_for_approval(endpoint.as_str()));
    }
    let meaning = format!("{:?} {:?}", cache.place.value, cache.keys);
    Fact::meaning(text, meaning.as_bytes(), &cache.place.origin.file)
}

fn tool_fact(tool: &Tool, request: &ToolRequest, input: &SummaryInput<'_>) -> Fact {
    let may_compile = tool
        .suppliers()
        .iter()
        .any(|one| one.source == Source::Cargo);
    // Compiling runs code of the crate and its dependencies, and takes minutes.
    let note = if may_compile {
        "  (may be compiled from its crate)"
    } else {
        ""
    };
    let mut parts = String::new();
    for extra in request.components.iter().chain(&request.targets) {
        parts.push_str(" +");
        parts.push_str(extra);
    }
    for option in request.options.iter() {
        parts.push(' ');
        parts.push_str(&option.to_string());
    }
    let requirement = &request.requirement;
    let file = &*requirement.origin.file;
    if input.manifests.contains(file) {
        let text = format!("{}{parts}", requirement.value);
        let shown = format!("{}{note}", redact_for_approval(&text));
        return Fact::meaning(shown, text.as_bytes(), file);
    }
    // The bounds of the project's own files say more than that any version will do.
    let mut bounds: Vec<&Located<Requirement>> = request.constraints().collect();
    bounds.retain(|bound| bound.value.as_str() != "*");
    let mut texts: Vec<&str> = bounds.iter().map(|bound| bound.value.as_str()).collect();
    texts.dedup();
    let mut files: Vec<&str> = bounds.iter().map(|bound| &*bound.origin.file).collect();
    files.dedup();
    let text = if files.is_empty() {
        format!("{}{parts}", requirement.value)
    } else {
        format!("{}{parts}  ({})", texts.join(", "), files.join(", "))
    };
    let shown = format!("{}{note}", redact_for_approval(&text));
    Fact::meaning(shown, parts.as_bytes(), file)
}

fn variable_fact(value: &Located<EnvValue>, input: &SummaryInput<'_>) -> Fact {
    let file = &*value.origin.file;
    let text = if input.env_files.contains(file) {
        format!("from {file}")
    } else {
        value.value.to_string()
    };
    // Values of different kinds can have the same text.
    Fact::meaning(text, format!("{:?}", value.value).as_bytes(), file)
}

/// Returns the lockfile of Python packages with the selected groups and extras: `uv.lock, groups dev, test, extras web`.
fn packages(content: &DevShell, lock: &Located<String>, input: &SummaryInput<'_>) -> Fact {
    let python = &content.python;
    let named = |list: &[Located<String>]| -> Vec<String> {
        list.iter().map(|one| one.value.clone()).collect()
    };
    // A preset chooses one of the project's own files, which is data: `uv lock` makes another one.
    let (chosen, file) = if lock.origin.is_preset {
        ("the project's own", &*lock.value)
    } else {
        (&*lock.value, &*lock.origin.file)
    };
    let list = |lock: &str, groups: Vec<String>| {
        let mut text = lock.to_owned();
        for (kind, list) in [("groups", groups), ("extras", named(&python.extras))] {
            if !list.is_empty() {
                text = format!("{text}, {kind} {}", list.join(", "));
            }
        }
        text
    };
    let (text, meaning) = if python.groups_named {
        let groups = named(&python.groups);
        (list(&lock.value, groups.clone()), list(chosen, groups))
    } else {
        // The default groups are data of the project.
        let mut groups: BTreeSet<String> =
            (input.default_groups)(&lock.value).into_iter().collect();
        groups.extend(named(&python.groups));
        let text = list(&lock.value, groups.into_iter().collect());
        let meaning = list(chosen, named(&python.groups));
        (text, format!("{meaning}, default groups"))
    };
    Fact::meaning(text, meaning.as_bytes(), file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;

    #[test]
    fn differences_are_named_with_their_files() {
        let facts = |facts: &[(&str, &str, &str)]| -> Facts {
            let mut all = Facts::new();
            for (name, value, file) in facts {
                all.add(name, &[], Fact::new(*value, file)).unwrap();
            }
            all
        };
        let before = facts(&[("a", "1", "x"), ("b", "1", "x"), ("c", "1", "y")]);
        let after = facts(&[("a", "1", "z"), ("b", "2", "w"), ("d", "1", "")]);
        let differences: Vec<_> = compare(&before, &after).into_iter().collect();
        assert_eq!(
            differences,
            [
                (
                    "b".to_owned(),
                    Difference::Changed {
                        before: "1".into(),
                        after: "2".into()
                    }
                ),
                ("c".to_owned(), Difference::Removed("1".into())),
                ("d".to_owned(), Difference::Added("1".into())),
            ]
        );
        let files: Vec<String> = changed_files(&before, &after).into_iter().collect();
        assert_eq!(files, ["w", "y"]);
    }

    fn summary(text: &str, default: &str) -> Facts {
        let layer = manifest::parse("m", text).unwrap();
        let manifest = manifest::merge(&[layer]).unwrap();
        let (nothing, manifests) = (BTreeSet::new(), BTreeSet::from(["m"]));
        let input = SummaryInput {
            env_files: &nothing,
            manifests: &manifests,
            default_groups: &|_| vec![default.to_owned()],
        };
        of(&manifest, &input).unwrap()
    }

    #[test]
    fn groups_and_extras_are_shown() {
        for (text, expected) in [
            ("lock = 'poetry.lock'", "poetry.lock, groups dev"),
            ("lock = 'uv.lock'\ngroups = []", "uv.lock"),
            (
                "lock = 'uv.lock'\ngroups = ['a', 'b']\nextras = ['web']",
                "uv.lock, groups a, b, extras web",
            ),
        ] {
            let facts = summary(&format!("[python]\n{text}\n"), "dev");
            let fact = facts.get("shell dev python packages").unwrap();
            assert_eq!(fact.text, expected);
        }
        let text = "[python]\nlock = 'poetry.lock'\n";
        assert_eq!(
            summary(text, "dev"),
            summary(text, "other"),
            "default groups are data"
        );
    }

    #[test]
    fn two_facts_never_share_a_name() {
        let names = [
            fact_name("a", &["b c"]),
            fact_name("a", &["b", "c"]),
            fact_name("a", &["\"b c\""]),
            fact_name("a", &["b", "", "c"]),
            fact_name("a", &["b\u{a0}c"]),
            key_path("a", "b.c"),
            key_path(&key_path("a", "b"), "c"),
        ];
        let distinct: BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        let mut facts = Facts::new();
        facts.add("a", &["b"], Fact::new("1", "")).unwrap();
        facts.add("a", &["b"], Fact::new("1", "")).unwrap();
        let error = facts.add("a", &["b"], Fact::new("2", "")).unwrap_err();
        assert!(error.to_string().contains("`a b`"), "{error}");
    }

    #[test]
    fn the_meaning_counts_and_not_the_text() {
        let first = summary("[env]\nA = '1'\nB = '2'\n[tools]\nruff = '0.12'\n", "");
        let same = summary(
            "# comment\n[tools]\nruff   =   \"0.12\"\n\n[env]\nB = \"2\"\nA = '1' # one\n",
            "",
        );
        assert_eq!(first, same);
        for other in [
            "[env]\nA = '1'\nB = { default = '2' }\n[tools]\nruff = '0.12'\n",
            "[env]\nA = '1'\nB = '2'\n[tools]\nruff = '0.13'\n",
            "[env]\nA = '1'\nB = '2'\n[tools]\n'npm:ruff' = '0.12'\nnode = '20'\n",
            "[env]\nA = '1'\nB = '2'\n[tools]\nruff = '0.12'\n[shells.test]\nenv.A = '2'\n",
            "[env]\nA = '1'\nB = '2'\n[tools]\nruff = '0.12'\n[image]\nbase = 'scratch'\n",
        ] {
            assert_ne!(first, summary(other, ""), "{other}");
        }
        let same = "[env]\nA = '1'\nB = '2'\n[tools]\nruff = '0.12'\n[shells.test]\n";
        assert_eq!(first, summary(same, ""));
        // These look alike.
        let text = |value: &str| summary(&format!("[env]\nA = {value}\n"), "");
        assert_ne!(text("{ default = 'x' }"), text("'x (unless set)'"));
        assert_ne!(text("{ unset = true }"), text("'removed'"));
        // The order of channels decides which of them serves a package.
        let channels = |list: &str| summary(&format!("[conda]\nchannels = {list}\n"), "");
        let (one, other) = ("'https://h.example/a'", "'https://h.example/b'");
        assert_ne!(
            channels(&format!("[{one}, {other}]")),
            channels(&format!("[{other}, {one}]"))
        );
    }
}

//! The arrows between files of the library: the paths that each file names, read from its tokens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::support::repository;

/// A source file, its test code left out.
pub(super) struct SourceFile {
    /// Relative to the repository.
    pub path: String,
    pub text: String,
    /// The module path, for example `store::unpack`; empty for the crate root.
    pub module: String,
    tokens: Vec<TokenTree>,
}

/// The files of `src`, without those that only hold tests.
pub(super) fn library() -> Vec<SourceFile> {
    files("src")
        .into_iter()
        .filter(|path| !is_test(path))
        .map(|path| {
            let text = fs::read_to_string(repository().join(&path)).unwrap();
            let tokens: TokenStream = text.parse().unwrap();
            let module = path.trim_start_matches("src/").trim_end_matches(".rs");
            let module = match module {
                "lib" | "main" => String::new(),
                module => module.replace('/', "::"),
            };
            SourceFile {
                tokens: without_tests(tokens),
                path,
                text,
                module,
            }
        })
        .collect()
}

/// Paths of the Rust files below a directory of the repository, sorted.
pub(super) fn files(directory: &str) -> Vec<String> {
    let mut paths = Vec::new();
    collect(&repository().join(directory), &mut paths);
    let mut paths: Vec<String> = paths
        .iter()
        .map(|path| path.strip_prefix(repository()).unwrap())
        .map(|path| path.display().to_string())
        .collect();
    paths.sort();
    paths
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.ends_with("/fixtures.rs")
}

/// Drops each item behind `#[cfg(test)]`.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::new();
    let mut skipping = false;
    for token in tokens {
        if skipping {
            skipping = match &token {
                TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
                TokenTree::Punct(punct) => punct.as_char() != ';',
                _ => true,
            };
        } else if token.to_string().replace(' ', "") == "[cfg(test)]" {
            kept.pop();
            skipping = true;
        } else {
            kept.push(token);
        }
    }
    kept
}

impl SourceFile {
    /// The top-level module that the file belongs to.
    pub(super) fn top(&self) -> &str {
        self.module.split("::").next().unwrap_or_default()
    }

    /// Paths that the file names, as `crate::…` without the `crate`, each as written.
    pub(super) fn named(&self, modules: &BTreeSet<String>) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        self.walk(&self.tokens, modules, &mut paths);
        paths
    }

    /// Paths of other crates and of `std` that the file names.
    pub(super) fn foreign(&self, name: &str) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        foreign(&self.tokens, name, &mut paths);
        paths
    }

    fn walk(&self, tokens: &[TokenTree], modules: &BTreeSet<String>, paths: &mut BTreeSet<String>) {
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    self.walk(&inner, modules, paths);
                }
                TokenTree::Ident(ident) if !follows_path(tokens, at) => {
                    let start = self.start(&ident.to_string(), modules);
                    if let Some(start) = start.filter(|_| separator(tokens, at + 1)) {
                        tail(tokens, at + 3, &start, paths);
                    }
                }
                _ => {}
            }
        }
    }

    /// Where a path that begins with this word leads from.
    fn start(&self, word: &str, modules: &BTreeSet<String>) -> Option<Vec<String>> {
        let own: Vec<String> = self
            .module
            .split("::")
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        match word {
            "crate" => Some(Vec::new()),
            "self" => Some(own),
            "super" => Some(own[..own.len().saturating_sub(1)].to_vec()),
            child => {
                let path = [own, vec![child.to_owned()]].concat();
                modules.contains(&path.join("::")).then_some(path)
            }
        }
    }
}

/// Returns whether `::` is at this place.
fn separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon =
        |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn follows_path(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && separator(tokens, at - 2)
}

/// Reads the rest of a path, groups of a `use` included.
fn tail(tokens: &[TokenTree], at: usize, start: &[String], paths: &mut BTreeSet<String>) {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => {
            let word = ident.to_string();
            let mut path = start.to_vec();
            match word.as_str() {
                "super" => drop(path.pop()),
                "self" => {}
                _ => path.push(word),
            }
            if separator(tokens, at + 1) {
                tail(tokens, at + 3, &path, paths);
            } else {
                paths.insert(path.join("::"));
            }
        }
        Some(TokenTree::Group(group)) => {
            let inner: Vec<_> = group.stream().into_iter().collect();
            for at in 0..inner.len() {
                let first =
                    at == 0 || matches!(&inner[at - 1], TokenTree::Punct(p) if p.as_char() == ',');
                if first {
                    tail(&inner, at, start, paths);
                }
            }
        }
        // A glob, or the type arguments of a path that has ended.
        _ => drop(paths.insert(start.join("::"))),
    }
}

fn foreign(tokens: &[TokenTree], name: &str, paths: &mut BTreeSet<String>) {
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                foreign(&group.stream().into_iter().collect::<Vec<_>>(), name, paths);
            }
            TokenTree::Ident(ident)
                if ident == name && !follows_path(tokens, at) && separator(tokens, at + 1) =>
            {
                tail(tokens, at + 3, &[name.to_owned()], paths);
            }
            _ => {}
        }
    }
}

/// Which file names which, by module path. A file and its submodules are one unit, so what a file takes from its own
/// submodules does not count.
pub(super) fn graph(library: &[SourceFile]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeSet<String> = library.iter().map(|file| file.module.clone()).collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in library {
        let targets = graph.entry(file.module.clone()).or_default();
        for path in file.named(&modules) {
            let inside = format!("{}::", file.module);
            if let Some(target) = holder(&path, &modules)
                && target != file.module
                && !target.starts_with(&inside)
            {
                targets.insert(target);
            }
        }
    }
    graph
}

/// The module that holds what a path names.
fn holder(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut path = path;
    loop {
        if modules.contains(path) && !path.is_empty() {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// Groups of files that name each other in a circle.
pub(super) fn cycles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph
        .keys()
        .map(|from| {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&String> = graph[from].iter().collect();
            while let Some(next) = open.pop() {
                if seen.insert(next) {
                    open.extend(graph.get(next).into_iter().flatten());
                }
            }
            (from, seen)
        })
        .collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (from, to) in &reach {
        let circle: BTreeSet<String> = to
            .iter()
            .filter(|other| reach.get(*other).is_some_and(|back| back.contains(from)))
            .map(|other| (*other).clone())
            .collect();
        if !circle.is_empty() && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

//! Rewrites the paths of a layer of another directory for the project that extends it.

use super::{
    EnvValue, Layer,
    template::{self, ValuePiece},
};
use crate::util::paths::join_text;

impl Layer {
    /// Rewrites all relative paths and `${root}` of a layer of the directory `base`, a path from this project's
    /// root (`..`), so that they have the same meaning here.
    pub fn rebase(&mut self, base: &str) {
        let path = |path: &str| join_text(base, path);
        let below = |entry: &str| match template::parse(entry).as_deref() {
            Ok([ValuePiece::Text(first), ..]) if !first.starts_with('/') => join_text(base, entry),
            _ => template::rebase(entry, base),
        };
        for tables in self.tables_mut() {
            for entry in tables.env.values_mut() {
                entry.removed = entry.removed.iter().map(|one| below(one)).collect();
                match &mut entry.value.value {
                    EnvValue::Set(text) | EnvValue::Default(text) => {
                        *text = template::rebase(text, base);
                    }
                    EnvValue::Extend { prepend, append } => {
                        for one in prepend.iter_mut().chain(append) {
                            *one = below(one);
                        }
                    }
                    EnvValue::Required(_) | EnvValue::Unset => {}
                }
            }
            for file in &mut tables.env_files {
                file.path.value = path(&file.path.value);
            }
            if let Some(gone) = tables.removed.get_mut("load") {
                *gone = gone.iter().map(|one| path(one)).collect();
            }
            if let Some(lock) = &mut tables.python.lock {
                lock.value = path(&lock.value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::{ShellName, merge, parse};

    #[test]
    fn paths_of_another_directory_are_rewritten() {
        let text = "[env]\nPATH = { prepend = ['./bin', '/opt', '${HOME}/x', '${root}/y'] }\n\
            A = '${root}/a $$'\nB = { default = '${A}' }\n[env-files]\nload = ['.env']\n";
        let mut layer = parse("../devshell.toml", text).unwrap();
        layer.rebase("..");
        let files = layer
            .top
            .env_files
            .iter()
            .map(|file| file.path.value.as_str());
        assert_eq!(files.collect::<Vec<_>>(), ["../.env"]);
        layer.env_files.insert("../.env".to_owned(), Vec::new());
        let dev = &merge(&[layer]).unwrap().shells[&ShellName::dev()];
        let shown = |name: &str| dev.env[&name.parse().unwrap()].value.to_string();
        assert_eq!(shown("PATH"), "../bin:/opt:${HOME}/x:${root/..}/y:…");
        assert_eq!(
            (shown("A"), shown("B")),
            ("${root/..}/a $$".into(), "${A} (unless set)".into())
        );
    }
}

//! Values at dotted keys of a TOML table.

use toml::{Table, Value};

/// Returns the value at a dotted key.
pub(super) fn find<'t>(file: &'t Table, name: &str) -> Option<&'t Value> {
    let mut keys = name.split('.');
    let first = keys.next().and_then(|key| file.get(key))?;
    keys.try_fold(first, |value, key| value.get(key))
}

/// Removes the values at dotted keys, and the tables around them that are empty then.
pub(super) fn remove_all(file: &mut Table, names: &[&str]) {
    for name in names {
        remove(file, name);
    }
}

fn remove(file: &mut Table, name: &str) {
    let Some((first, rest)) = name.split_once('.') else {
        file.remove(name);
        return;
    };
    if let Some(Value::Table(table)) = file.get_mut(first) {
        remove(table, rest);
        if table.is_empty() {
            file.remove(first);
        }
    }
}

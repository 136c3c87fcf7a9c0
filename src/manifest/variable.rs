//! Reads a variable of `[env]`.

use std::{collections::BTreeSet, mem};

use toml::Spanned;

use super::{
    CompositionError, EnvEntry, EnvValue, Error, Located,
    form::{KeyValue, OneOf, TableForm},
    scalars::PathEntry,
    schema::{VariableField, VariableForm},
};

pub(super) fn read(form: VariableForm<'_>, at: &KeyValue<'_>) -> Result<EnvEntry, Error> {
    match form {
        OneOf::First(table) => read_table(&table, at),
        OneOf::Second(value) => Ok(EnvEntry::new(value.map(|value| EnvValue::Set(value.0)))),
    }
}

fn read_table(table: &TableForm<'_, VariableField>, at: &KeyValue<'_>) -> Result<EnvEntry, Error> {
    let (mut prepend, mut append) = (Vec::new(), Vec::new());
    let mut removed = BTreeSet::new();
    let mut alone = None;
    for field in table.fields() {
        match field?.field {
            VariableField::Default(value) => alone = Some(EnvValue::Default(value.value.0)),
            VariableField::Required(help) => alone = Some(EnvValue::Required(help.value)),
            VariableField::Unset(_) => alone = Some(EnvValue::Unset),
            VariableField::Prepend(entries) => prepend = entries,
            VariableField::Append(entries) => append = entries,
            VariableField::Remove(entries) => {
                removed = entries.into_iter().map(|entry| entry.value.0).collect();
            }
        }
    }
    let added = prepend.iter().chain(&append);
    if let Some(both) = added
        .into_iter()
        .find(|one| removed.contains(&one.get_ref().0))
    {
        let entry = both.get_ref().0.clone();
        let kind = CompositionError::AddedAndRemoved { entry };
        return Err(at.text.error(both.span(), kind));
    }
    let texts = |entries: &mut Vec<Spanned<PathEntry>>| {
        let entries = mem::take(entries).into_iter();
        entries.map(|entry| entry.into_inner().0).collect()
    };
    let value = alone.unwrap_or_else(|| EnvValue::Extend {
        prepend: texts(&mut prepend),
        append: texts(&mut append),
    });
    Ok(EnvEntry {
        removed,
        ..EnvEntry::new(Located {
            value,
            origin: at.origin(),
        })
    })
}

//! The form of a list that a layer replaces or changes.

use std::{collections::BTreeSet, fmt};

use serde_json::{Value as Json, json};
use toml::Spanned;

use super::{Form, KeyValue, Located, OneOf, Scalar, TableForm, table_fields};
use crate::manifest::{CompositionError, Error, document::Node};

table_fields! {
    /// The changes of a list.
    EditField {
        /// Entries that the list gains
        "add" => Add(Vec<Spanned<String>>);
        /// Entries that the list of the layers below loses
        "remove" => Remove(Vec<Located<String>>);
    }
}

/// A list, or the entries that the list of the layers below gains and loses.
#[derive(Debug)]
pub(in crate::manifest) struct EditableList<T> {
    pub(in crate::manifest) added: Vec<Located<T>>,
    pub(in crate::manifest) removed: BTreeSet<String>,
}

type ListOrEdit<'n> = OneOf<TableForm<'n, EditField>, Vec<Spanned<String>>>;

impl<'n, T: Scalar + fmt::Display> Form<'n> for EditableList<T> {
    fn accepts(node: &Node<'_>) -> bool {
        ListOrEdit::accepts(node)
    }

    fn read(value: &KeyValue<'n>) -> Result<Self, Error> {
        let (mut written, mut removed) = (Vec::new(), BTreeSet::new());
        match ListOrEdit::read(value)? {
            OneOf::Second(list) => written = list,
            OneOf::First(edit) => {
                for field in edit.fields() {
                    match field?.field {
                        EditField::Add(list) => written = list,
                        EditField::Remove(list) => {
                            removed = list
                                .into_iter()
                                .map(|one| normalized::<T>(one.value))
                                .collect();
                        }
                    }
                }
            }
        }
        let added = written
            .iter()
            .map(|one| {
                let parsed: Located<T> = value.text.parse_spanned(one)?;
                let entry = parsed.value.to_string();
                if removed.contains(&entry) {
                    let kind = CompositionError::AddedAndRemoved { entry };
                    return Err(value.text.error(one.span(), kind));
                }
                Ok(parsed)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { added, removed })
    }

    fn schema() -> Json {
        let list = Vec::<Spanned<T>>::schema();
        let mut edit = TableForm::<EditField>::schema();
        edit["properties"]["add"]["items"] = list["items"].clone();
        json!({ "anyOf": [edit, list] })
    }
}

/// Returns an entry in the spelling that lists have; text that is no entry removes nothing.
fn normalized<T: Scalar + fmt::Display>(entry: String) -> String {
    let parsed = entry.parse::<T>();
    parsed.map_or(entry, |parsed| parsed.to_string())
}

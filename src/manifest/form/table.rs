//! Forms of tables: those with a fixed set of keys, and those whose keys are names.

use std::{marker::PhantomData, rc::Rc};

use serde_json::{Map, Value as Json, json};

use super::{Form, KeyValue, Scalar};
use crate::{
    manifest::{
        Error, ErrorKind, ExpectedKind, Origin, Text,
        document::{Node, NodeEntry, Value},
    },
    util::nearest::nearest,
};

/// A table with the keys of `F`.
#[derive(Debug)]
pub(in crate::manifest) struct TableForm<'n, F> {
    text: &'n Text,
    path: Rc<str>,
    node: &'n Node<'n>,
    ignored: &'static [&'static str],
    fields: PhantomData<F>,
}

/// A key of a table, read, and where it is.
#[derive(Debug)]
pub(in crate::manifest) struct Field<'n, F> {
    pub(in crate::manifest) field: F,
    pub(in crate::manifest) at: KeyValue<'n>,
}

/// The keys that a table can have, a variant for each with the form of its value.
pub(in crate::manifest) trait Fields<'n>: Sized {
    /// The keys that allow no other key in the table.
    const ALONE: &'static [&'static str];
    /// True if the table needs a key.
    const NONEMPTY: bool;

    /// Returns all keys.
    fn keys() -> Vec<&'static str>;

    /// Reads the value of a key, if it is one of this table.
    fn read(value: &KeyValue<'n>) -> Option<Result<Self, Error>>;

    /// Returns the JSON Schema of each key.
    fn properties() -> Map<String, Json>;
}

impl<'n, F: Fields<'n>> TableForm<'n, F> {
    /// Returns the table of a whole file; keys in `ignored` are not the manifest's.
    pub(in crate::manifest) fn root(
        text: &'n Text,
        node: &'n Node<'n>,
        ignored: &'static [&'static str],
    ) -> Self {
        Self {
            text,
            path: "".into(),
            node,
            ignored,
            fields: PhantomData,
        }
    }

    /// Returns the place of the table.
    pub(in crate::manifest) fn origin(&self) -> Origin {
        self.text.origin(self.node.span.start)
    }

    /// Returns the error of a table without the key `key`.
    pub(in crate::manifest) fn lacks(&self, key: &'static str) -> Error {
        let table = self.path.to_string();
        let kind = ErrorKind::MissingKey { key, table };
        self.text.error(self.node.span.clone(), kind)
    }

    /// Reads the keys in the order of the file.
    pub(in crate::manifest) fn fields(&self) -> impl Iterator<Item = Result<Field<'n, F>, Error>> {
        let entries = self.node.entries();
        let known = entries
            .iter()
            .filter(|entry| !self.ignored.contains(&&*entry.key));
        known.map(|entry| {
            let at = KeyValue::new(self.text, self.path.clone(), entry);
            let other = entries.iter().find(|other| other.key != entry.key);
            if let Some(other) = other
                && F::ALONE.contains(&at.key)
            {
                return Err(at.key_error(ErrorKind::NotAlone {
                    key: at.key.to_owned(),
                    other: other.key.to_string(),
                }));
            }
            let field = F::read(&at).unwrap_or_else(|| {
                Err(at.key_error(ErrorKind::UnknownKey {
                    key: at.key.to_owned(),
                    table: self.path.to_string(),
                    suggestion: nearest(at.key, F::keys()),
                }))
            })?;
            Ok(Field { field, at })
        })
    }
}

impl<'n, F: Fields<'n>> Form<'n> for TableForm<'n, F> {
    fn accepts(node: &Node<'_>) -> bool {
        matches!(node.value, Value::Table(_))
    }

    fn read(value: &KeyValue<'n>) -> Result<Self, Error> {
        if !Self::accepts(value.node) {
            return Err(value.wrong_type(ExpectedKind::Table));
        }
        if F::NONEMPTY && value.node.entries().is_empty() {
            return Err(value.key_error(ErrorKind::EmptyTable {
                key: value.key.to_owned(),
                keys: F::keys(),
            }));
        }
        Ok(Self {
            text: value.text,
            path: value.path(),
            node: value.node,
            ignored: &[],
            fields: PhantomData,
        })
    }

    fn schema() -> Json {
        let mut schema = json!({
            "type": "object",
            "properties": F::properties(),
            "additionalProperties": false,
        });
        if F::NONEMPTY {
            schema["minProperties"] = json!(1);
        }
        let alone = F::ALONE.iter();
        let alone: Vec<Json> = alone
            .map(|key| json!({ "if": { "required": [key] }, "then": { "maxProperties": 1 } }))
            .collect();
        if !alone.is_empty() {
            schema["allOf"] = json!(alone);
        }
        schema
    }
}

/// A table whose keys are names of type `K`.
#[derive(Debug)]
pub(in crate::manifest) struct Named<'n, K, V> {
    text: &'n Text,
    path: Rc<str>,
    entries: &'n [NodeEntry<'n>],
    types: PhantomData<(K, V)>,
}

/// A name, its value, and where they are.
#[derive(Debug)]
pub(in crate::manifest) struct NamedValue<'n, K, V> {
    pub(in crate::manifest) name: K,
    pub(in crate::manifest) value: V,
    pub(in crate::manifest) at: KeyValue<'n>,
}

impl<'n, K: Scalar, V: Form<'n>> Named<'n, K, V> {
    /// Reads the names and values in the order of the file.
    pub(in crate::manifest) fn values(
        &self,
    ) -> impl Iterator<Item = Result<NamedValue<'n, K, V>, Error>> {
        self.entries.iter().map(|entry| {
            let at = KeyValue::new(self.text, self.path.clone(), entry);
            let name = K::of_key(&at).map_err(|error: K::Err| {
                if K::WORDS.is_empty() {
                    return at.key_error(error);
                }
                at.key_error(ErrorKind::UnknownKey {
                    key: at.key.to_owned(),
                    table: self.path.to_string(),
                    suggestion: nearest(at.key, K::WORDS.iter().copied()),
                })
            })?;
            let value = V::read(&at)?;
            Ok(NamedValue { name, value, at })
        })
    }
}

impl<'n, K: Scalar, V: Form<'n>> Form<'n> for Named<'n, K, V> {
    fn accepts(node: &Node<'_>) -> bool {
        matches!(node.value, Value::Table(_))
    }

    fn read(value: &KeyValue<'n>) -> Result<Self, Error> {
        if !Self::accepts(value.node) {
            return Err(value.wrong_type(ExpectedKind::Table));
        }
        Ok(Self {
            text: value.text,
            path: value.path(),
            entries: value.node.entries(),
            types: PhantomData,
        })
    }

    fn schema() -> Json {
        if K::WORDS.is_empty() {
            return json!({ "type": "object", "additionalProperties": V::schema() });
        }
        let words = K::WORDS.iter();
        let properties: Map<String, Json> = words
            .map(|word| ((*word).to_owned(), V::schema()))
            .collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

/// Defines the keys of a table: for each the text that editors show, the key, and the form of its value.
///
/// `alone` after a form allows no other key next to it, `[nonempty]` needs a key, and `..` includes the keys of
/// another table.
macro_rules! table_fields {
    (
        $(#[$doc:meta])*
        $name:ident $(<$life:lifetime>)? $([$rule:ident])? {
            $($(#[doc = $about:literal])+ $key:literal => $variant:ident($form:ty) $($alone:ident)?;)*
            $(.. $shared:ident($shared_fields:ty);)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(in crate::manifest) enum $name $(<$life>)? {
            $($variant($form),)*
            $($shared($shared_fields),)?
        }

        impl<'n> $crate::manifest::form::Fields<'n> for $name $(<$life>)? {
            const ALONE: &'static [&'static str] = &[$($(table_fields!(@alone $alone $key),)?)*];
            const NONEMPTY: bool = false $(|| table_fields!(@nonempty $rule))?;

            fn keys() -> Vec<&'static str> {
                let keys = vec![$($key),*];
                $(let keys = [keys, <$shared_fields as $crate::manifest::form::Fields>::keys()].concat();)?
                keys
            }

            fn read(
                value: &$crate::manifest::form::KeyValue<'n>,
            ) -> Option<Result<Self, $crate::manifest::Error>> {
                let field = match value.key {
                    $($key => Some(
                        <$form as $crate::manifest::form::Form>::read(value).map(Self::$variant)
                    ),)*
                    _ => None,
                };
                $(let field = field.or_else(|| {
                    let shared = <$shared_fields as $crate::manifest::form::Fields>::read(value)?;
                    Some(shared.map(Self::$shared))
                });)?
                field
            }

            fn properties() -> serde_json::Map<String, serde_json::Value> {
                let mut properties = serde_json::Map::new();
                $(
                    let mut property = <$form as $crate::manifest::form::Form>::schema();
                    property["description"] = concat!($($about),+).trim().into();
                    properties.insert($key.to_owned(), property);
                )*
                $(properties.extend(
                    <$shared_fields as $crate::manifest::form::Fields>::properties()
                );)?
                properties
            }
        }
    };
    (@alone alone $key:literal) => { $key };
    (@nonempty nonempty) => { true };
}

pub(in crate::manifest) use table_fields;

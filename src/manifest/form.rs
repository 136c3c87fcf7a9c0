//! Forms of values: a form reads a value from a document, with errors at its place, and describes it as JSON Schema.
//!
//! serde cannot do the reading. Its errors are sentences without a kind, and it loses the places of values inside
//! alternatives (`untagged`) and shared tables (`flatten`), which the manifest has everywhere.

use std::{
    collections::BTreeSet, convert::Infallible, fmt, marker::PhantomData, ops::Range, rc::Rc,
    str::FromStr,
};

use serde_json::{Map, Value as Json, json};
use toml::Spanned;

use super::{
    AliasName, CompositionError, Error, ErrorKind, ExpectedKind, Located, Origin, Text,
    document::{Node, NodeEntry, Value},
};
use crate::util::nearest::nearest;
use crate::{
    env::{HostShell, VarName},
    package::{Glibc, MacosVersion, PackageName, Sha256, System},
};

/// A value in a document and the key that has it.
#[derive(Debug, Clone)]
pub(super) struct KeyValue<'n> {
    pub(super) text: &'n Text,
    /// The table of the key as a header names it (`tools.rust`); empty for the top level.
    table: Rc<str>,
    pub(super) key: &'n str,
    pub(super) key_span: Range<usize>,
    pub(super) node: &'n Node<'n>,
}

impl<'n> KeyValue<'n> {
    /// Returns a value of a table called `table`.
    pub(super) fn new(text: &'n Text, table: Rc<str>, entry: &'n NodeEntry<'n>) -> Self {
        Self {
            text,
            table,
            key: &entry.key,
            key_span: entry.key_span.clone(),
            node: &entry.node,
        }
    }

    /// Returns an error at the value.
    pub(super) fn error(&self, kind: impl Into<ErrorKind>) -> Error {
        self.text.error(self.node.span.clone(), kind)
    }

    /// Returns an error at the key.
    pub(super) fn key_error(&self, kind: impl Into<ErrorKind>) -> Error {
        self.text.error(self.key_span.clone(), kind)
    }

    /// Returns the place of the key.
    pub(super) fn key_origin(&self) -> Origin {
        self.text.origin(self.key_span.start)
    }

    /// Returns the place of the value.
    pub(super) fn origin(&self) -> Origin {
        self.text.origin(self.node.span.start)
    }

    fn wrong_type(&self, expected: ExpectedKind) -> Error {
        self.text.wrong_type(self.key, self.node, expected)
    }

    /// The name of the table that the value is.
    fn path(&self) -> Rc<str> {
        if self.table.is_empty() {
            self.key.into()
        } else {
            format!("{}.{}", self.table, self.key).into()
        }
    }
}

/// A form that a value can have.
pub(super) trait Form<'n>: Sized {
    /// Whether the value has the type of this form, which decides between alternatives.
    fn accepts(node: &Node<'_>) -> bool;

    /// Reads a value.
    fn read(value: &KeyValue<'n>) -> Result<Self, Error>;

    /// Returns the form as JSON Schema.
    fn schema() -> Json;
}

/// A text with a type that checks it.
pub(super) trait Scalar: FromStr<Err: Into<ErrorKind>> {
    /// All values, if these are few words.
    const WORDS: &'static [&'static str] = &[];

    /// Reads the key of a value.
    fn of_key(at: &KeyValue<'_>) -> Result<Self, Self::Err> {
        at.key.parse()
    }
}

impl Scalar for String {}
impl Scalar for VarName {}
impl Scalar for AliasName {}
impl Scalar for PackageName {}
impl Scalar for Glibc {}
impl Scalar for MacosVersion {}
impl Scalar for System {
    const WORDS: &'static [&'static str] = &[
        "linux-aarch64",
        "linux-x86_64",
        "macos-aarch64",
        "macos-x86_64",
    ];
}
impl Scalar for Sha256 {}
impl Scalar for HostShell {
    const WORDS: &'static [&'static str] = &["bash", "zsh", "fish"];
}

impl From<Infallible> for ErrorKind {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl<T: Scalar> Form<'_> for Spanned<T> {
    fn accepts(node: &Node<'_>) -> bool {
        matches!(node.value, Value::Text(_))
    }

    fn read(value: &KeyValue<'_>) -> Result<Self, Error> {
        let found = value.text.string(value.key, value.node)?.value;
        let parsed: T = found.parse().map_err(|error: T::Err| value.error(error))?;
        Ok(Self::new(value.node.span.clone(), parsed))
    }

    fn schema() -> Json {
        if T::WORDS.is_empty() {
            json!({ "type": "string" })
        } else {
            json!({ "enum": T::WORDS })
        }
    }
}

impl<T: Scalar> Form<'_> for Located<T> {
    fn accepts(node: &Node<'_>) -> bool {
        Spanned::<T>::accepts(node)
    }

    fn read(value: &KeyValue<'_>) -> Result<Self, Error> {
        Ok(Self {
            value: Spanned::read(value)?.into_inner(),
            origin: value.origin(),
        })
    }

    fn schema() -> Json {
        Spanned::<T>::schema()
    }
}

impl Form<'_> for Located<bool> {
    fn accepts(node: &Node<'_>) -> bool {
        matches!(node.value, Value::Boolean(_))
    }

    fn read(value: &KeyValue<'_>) -> Result<Self, Error> {
        match value.node.value {
            Value::Boolean(found) => Ok(value.text.locate(value.node, found)),
            _ => Err(value.wrong_type(ExpectedKind::Boolean)),
        }
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

/// A number from 0 to 255.
#[derive(Debug)]
pub(super) struct SmallNumber(pub(super) u8);

impl Form<'_> for SmallNumber {
    fn accepts(node: &Node<'_>) -> bool {
        matches!(node.value, Value::Integer(_))
    }

    fn read(value: &KeyValue<'_>) -> Result<Self, Error> {
        let number = match value.node.value {
            Value::Integer(number) => u8::try_from(number).ok(),
            _ => None,
        };
        number
            .map(Self)
            .ok_or_else(|| value.wrong_type(ExpectedKind::SmallNumber))
    }

    fn schema() -> Json {
        json!({ "type": "integer" })
    }
}

/// `unset = true`.
#[derive(Debug)]
pub(super) struct Unset;

impl Form<'_> for Unset {
    fn accepts(node: &Node<'_>) -> bool {
        Located::<bool>::accepts(node)
    }

    fn read(value: &KeyValue<'_>) -> Result<Self, Error> {
        if Located::<bool>::read(value)?.value {
            Ok(Self)
        } else {
            Err(value.error(ErrorKind::UnsetFalse))
        }
    }

    fn schema() -> Json {
        json!({ "const": true })
    }
}

impl<'n, T: Form<'n>> Form<'n> for Vec<T> {
    fn accepts(node: &Node<'_>) -> bool {
        matches!(node.value, Value::List(_))
    }

    fn read(value: &KeyValue<'n>) -> Result<Self, Error> {
        let Value::List(nodes) = &value.node.value else {
            return Err(value.wrong_type(ExpectedKind::ListOfStrings));
        };
        let element = |node| KeyValue {
            node,
            ..value.clone()
        };
        nodes.iter().map(|node| T::read(&element(node))).collect()
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
}

/// One of two forms; a value that fits neither is reported as a wrong second one.
#[derive(Debug)]
pub(super) enum OneOf<A, B> {
    First(A),
    Second(B),
}

impl<'n, A: Form<'n>, B: Form<'n>> Form<'n> for OneOf<A, B> {
    fn accepts(node: &Node<'_>) -> bool {
        A::accepts(node) || B::accepts(node)
    }

    fn read(value: &KeyValue<'n>) -> Result<Self, Error> {
        if A::accepts(value.node) {
            A::read(value).map(Self::First)
        } else {
            B::read(value).map(Self::Second)
        }
    }

    fn schema() -> Json {
        json!({ "anyOf": [A::schema(), B::schema()] })
    }
}

/// A table with the keys of `F`.
#[derive(Debug)]
pub(super) struct TableForm<'n, F> {
    text: &'n Text,
    path: Rc<str>,
    node: &'n Node<'n>,
    ignored: &'static [&'static str],
    fields: PhantomData<F>,
}

/// A key of a table, read, and where it is.
#[derive(Debug)]
pub(super) struct Field<'n, F> {
    pub(super) field: F,
    pub(super) at: KeyValue<'n>,
}

/// The keys that a table can have, a variant for each with the form of its value.
pub(super) trait Fields<'n>: Sized {
    /// The keys that allow no other key in the table.
    const ALONE: &'static [&'static str];
    /// Whether the table needs a key.
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
    pub(super) fn root(
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
    pub(super) fn origin(&self) -> Origin {
        self.text.origin(self.node.span.start)
    }

    /// Returns the error of a table without the key `key`.
    pub(super) fn lacks(&self, key: &'static str) -> Error {
        let table = self.path.to_string();
        let kind = ErrorKind::MissingKey { key, table };
        self.text.error(self.node.span.clone(), kind)
    }

    /// Reads the keys in the order of the file.
    pub(super) fn fields(&self) -> impl Iterator<Item = Result<Field<'n, F>, Error>> {
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
pub(super) struct Named<'n, K, V> {
    text: &'n Text,
    path: Rc<str>,
    entries: &'n [NodeEntry<'n>],
    types: PhantomData<(K, V)>,
}

/// A name, its value, and where they are.
#[derive(Debug)]
pub(super) struct NamedValue<'n, K, V> {
    pub(super) name: K,
    pub(super) value: V,
    pub(super) at: KeyValue<'n>,
}

impl<'n, K: Scalar, V: Form<'n>> Named<'n, K, V> {
    /// Reads the names and values in the order of the file.
    pub(super) fn values(&self) -> impl Iterator<Item = Result<NamedValue<'n, K, V>, Error>> {
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
        pub(super) enum $name $(<$life>)? {
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
pub(super) use table_fields;

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
pub(super) struct EditableList<T> {
    pub(super) added: Vec<Located<T>>,
    pub(super) removed: BTreeSet<String>,
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

impl Text {
    /// Parses a text at its place.
    pub(super) fn parse_spanned<T: FromStr<Err: Into<ErrorKind>>>(
        &self,
        written: &Spanned<String>,
    ) -> Result<Located<T>, Error> {
        let parsed = written.get_ref().parse();
        Ok(Located {
            value: parsed.map_err(|error: T::Err| self.error(written.span(), error))?,
            origin: self.origin(written.span().start),
        })
    }
}

//! Forms of values: a form reads a value from a document, with errors at its place, and describes it as JSON Schema.
//!
//! serde cannot do the reading. Its errors are sentences without a kind, and it loses the places of values inside
//! alternatives (`untagged`) and shared tables (`flatten`), which the manifest has everywhere.

mod editable_list;
mod table;

use std::{convert::Infallible, ops::Range, rc::Rc, str::FromStr};

use serde_json::{Value as Json, json};
use toml::Spanned;

use super::{
    AliasName, Error, ErrorKind, ExpectedKind, Located, Origin, Text,
    document::{Node, NodeEntry, Value},
};
use crate::{
    env::{HostShell, VarName},
    package::{Glibc, MacosVersion, MinisignKey, PackageName, Sha256, System},
};
pub(super) use editable_list::EditableList;
pub(super) use table::{Field, Fields, Named, TableForm, table_fields};

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
    /// Returns whether the value has the type of this form, which decides between alternatives.
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
impl Scalar for MinisignKey {}
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

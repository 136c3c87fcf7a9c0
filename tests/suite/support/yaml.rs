//! YAML as a tree in which every scalar is a text.

use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

/// Parses one document without aliases.
pub(crate) fn parse(text: &str) -> Value {
    let mut parser = Parser::new_from_str(text);
    loop {
        let (event, _) = parser.next().expect("an event").expect("valid YAML");
        if !matches!(event, Event::StreamStart | Event::DocumentStart(_)) {
            return value(&mut parser, event);
        }
    }
}

type Events<'p> = Parser<'p, saphyr_parser::StrInput<'p>>;

fn next<'p>(parser: &mut Events<'p>) -> Event<'p> {
    parser.next().expect("an event").expect("valid YAML").0
}

fn value<'p>(parser: &mut Events<'p>, event: Event<'p>) -> Value {
    match event {
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            loop {
                match next(parser) {
                    Event::SequenceEnd => return Value::Array(list),
                    event => list.push(value(parser, event)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut table = Map::new();
            loop {
                match next(parser) {
                    Event::MappingEnd => return Value::Object(table),
                    Event::Scalar(key, ..) => {
                        let event = next(parser);
                        let content = value(parser, event);
                        let before = table.insert(key.to_string(), content);
                        assert!(before.is_none(), "`{key}` is there twice");
                    }
                    event => panic!("{event:?} is no key"),
                }
            }
        }
        event => panic!("{event:?}"),
    }
}

//! The schema admits what the reader admits.

use std::{fs, path::Path};

use crate::manifest::{ErrorKind, parse, tests::INVALID};

use super::*;

/// Names and texts of which each value of the manifest takes at least one.
const NAMES: &[&str] = &["rust", "python", "x", "gh", "terraform", "cargo-deny"];
const TEXTS: &[&str] = &[
    "3.12",
    "uv.lock",
    "x",
    "/x",
    "8000",
    "github:a/b",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "RWSGOq2NVecA2UPNdBUZykf1CCb147pkmdtYxgb3Ti+JO/wCYvhbAb/U",
];

/// Texts for the keys of tables that are complete or wrong.
const FILLED: [(&str, &str); 5] = [
    ("TEXT-from", "x"),
    ("TEXT-to", "/x"),
    ("TEXT-url", "s3://bucket/x"),
    ("TEXT-endpoint", "https://host/"),
    (
        "TEXT-keys",
        "team-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
];

fn json_schema() -> Json {
    serde_json::from_str(&schema()).unwrap()
}

/// Returns values that the schema admits: each key once in every form, with `NAME` and `TEXT` to fill in.
fn values(schema: &Json) -> Vec<Json> {
    if let Some(forms) = schema["anyOf"].as_array() {
        return forms.iter().flat_map(values).collect();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.clone();
    }
    if !schema["const"].is_null() {
        return vec![schema["const"].clone()];
    }
    match schema["type"].as_str().unwrap() {
        "string" => vec![json!("TEXT")],
        "boolean" => vec![json!(true), json!(false)],
        "integer" => vec![json!(1)],
        "array" => {
            let items = values(&schema["items"]).into_iter();
            items.map(|item| json!([item])).collect()
        }
        "object" => {
            let named = schema["additionalProperties"].is_object();
            if schema["required"].is_array() {
                let properties = schema["properties"].as_object().unwrap().iter();
                let filled = properties.map(|(key, property)| {
                    let text = json!(format!("TEXT-{key}"));
                    let value = match property["type"].as_str() {
                        Some("string") => text,
                        Some("array") => json!([text]),
                        _ => values(property).remove(0),
                    };
                    (key.clone(), value)
                });
                return vec![Json::Object(filled.collect())];
            }
            let named = named.then(|| ("NAME".to_owned(), schema["additionalProperties"].clone()));
            let properties = schema["properties"].as_object().cloned();
            let properties = properties.unwrap_or_default().into_iter().chain(named);
            let mut all = Vec::new();
            for (key, property) in properties {
                for value in values(&property) {
                    all.push(json!({ key.as_str(): value }));
                }
            }
            all
        }
        other => panic!("{other}"),
    }
}

/// Returns whether the schema admits a value; it knows the words of JSON Schema that `schema` uses.
fn admits(schema: &Json, value: &Json) -> bool {
    let object = value.as_object();
    schema
        .as_object()
        .unwrap()
        .iter()
        .all(|(word, rule)| match word.as_str() {
            "anyOf" => rule
                .as_array()
                .unwrap()
                .iter()
                .any(|form| admits(form, value)),
            "allOf" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|form| admits(form, value)),
            "if" => !admits(rule, value) || admits(&schema["then"], value),
            "required" => {
                let mut keys = rule.as_array().unwrap().iter();
                keys.all(|key| value.get(key.as_str().unwrap()).is_some())
            }
            "maxProperties" => object.is_none_or(|one| one.len() as u64 <= rule.as_u64().unwrap()),
            "minProperties" => object.is_none_or(|one| one.len() as u64 >= rule.as_u64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|one| one.len() as u64 >= rule.as_u64().unwrap()),
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "type" => match rule.as_str().unwrap() {
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("{other}"),
            },
            "items" => value
                .as_array()
                .is_none_or(|all| all.iter().all(|one| admits(rule, one))),
            "properties" => {
                let mut known = rule.as_object().unwrap().iter();
                known.all(|(key, form)| value.get(key).is_none_or(|one| admits(form, one)))
            }
            "additionalProperties" => object.is_none_or(|object| {
                let known = &schema["properties"];
                let mut others = object.iter().filter(|(key, _)| known.get(key).is_none());
                others.all(|(_, one)| rule.is_object() && admits(rule, one))
            }),
            "then" | "description" | "title" | "$schema" => true,
            other => panic!("{other}"),
        })
}

/// Returns the reader's results for a value with each name and text filled in.
fn results(value: &Json) -> Vec<Result<(), ErrorKind>> {
    let text = toml::to_string(value).unwrap();
    let mut results = Vec::new();
    for name in NAMES {
        for filling in TEXTS {
            let filled = FILLED.iter();
            let text = filled.fold(text.clone(), |text, (from, to)| text.replace(from, to));
            let text = text.replace("NAME", name).replace("TEXT", filling);
            results.push(parse("m", &text).map(|_| ()).map_err(|error| error.kind));
        }
    }
    results
}

/// Changes the innermost key of a value with one path of keys; names are free, so they stay.
fn misspell(value: &mut Json) {
    let object = value.as_object_mut().unwrap();
    let key = object.keys().next().unwrap().clone();
    let inner = object.get_mut(&key).unwrap();
    if let Some(table) = inner.get_mut(0).filter(|first| first.is_object()) {
        return misspell(table);
    }
    if inner.is_object() && (inner.get("NAME").is_none() || inner["NAME"].is_object()) {
        return misspell(inner);
    }
    let inner = object.remove(&key).unwrap();
    object.insert(format!("{key}zz"), inner);
}

#[test]
fn the_reader_takes_every_key_of_the_schema_and_no_other() {
    let schema = json_schema();
    let all = values(&schema);
    assert!(all.len() > 100, "{}", all.len());
    for mut value in all {
        assert!(admits(&schema, &value), "{value}");
        assert!(results(&value).iter().any(Result::is_ok), "{value}");
        misspell(&mut value);
        if value.to_string().contains("NAMEzz") {
            continue;
        }
        assert!(!admits(&schema, &value), "{value}");
        let results = results(&value);
        let is_unknown = |one: &Result<(), _>| matches!(one, Err(ErrorKind::UnknownKey { .. }));
        assert!(!results.iter().any(Result::is_ok), "{value}");
        assert!(results.iter().any(is_unknown), "{value}: {results:?}");
    }
}

#[test]
fn the_schema_admits_the_examples() {
    let schema = json_schema();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut count = 0;
    for directory in fs::read_dir(examples).unwrap() {
        let Ok(text) = fs::read_to_string(directory.unwrap().path().join("devshell.toml")) else {
            continue;
        };
        assert!(admits(&schema, &toml::from_str(&text).unwrap()), "{text}");
        count += 1;
    }
    assert!(count > 3);
}

#[test]
fn the_schema_refuses_the_forms_that_the_reader_refuses() {
    let schema = json_schema();
    let mut count = 0;
    for (text, ..) in INVALID {
        let Ok(value) = toml::from_str::<Json>(text) else {
            continue;
        };
        let by_form = match parse("m", text).map_err(|error| error.kind) {
            Ok(_) => {
                assert!(admits(&schema, &value), "{text}");
                false
            }
            Err(ErrorKind::WrongType { expected, .. }) => expected != ExpectedKind::VersionOrTable,
            Err(kind) => matches!(
                kind,
                ErrorKind::UnknownKey { .. }
                    | ErrorKind::Unquoted { .. }
                    | ErrorKind::UnsetFalse
                    | ErrorKind::NotAlone { .. }
                    | ErrorKind::EmptyTable { .. }
                    | ErrorKind::MissingKey { .. }
            ),
        };
        if by_form {
            assert!(!admits(&schema, &value), "{text}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

//! The grammar of the manifest as a JSON Schema, for editors. Pure.
//!
//! The types here have no other use: what a manifest means is read by `validate`, which knows places and gives
//! better errors. A test holds both together.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

/// The manifest of a project.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "devshell.toml")]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Manifest {
    /// Manifests that this one stands on, lowest first: paths, `https://` addresses, `git+https://…#REVISION:FILE`
    extends: Option<Vec<String>>,
    /// Named dev shells; `dev` is what a prompt activates
    shells: Option<BTreeMap<String, Shell>>,
}

/// A named dev shell: the top level, then these.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Shell {
    /// Whether the dev shell goes without the tables of the top level
    standalone: Option<bool>,
    /// Dev shells below this one, lowest first
    inherits: Option<Vec<String>>,
}

/// What the top level and every dev shell may have.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Tables {
    /// Tools by short name (`ruff`) or as a package of a source (`pypi:pyrefly`, `npm:prettier`)
    tools: Option<BTreeMap<String, Tool>>,
    /// The Python packages of the dev shell
    python: Option<Python>,
    /// Variables; text may refer to others as `${NAME}` and to the project as `${root}`
    env: Option<BTreeMap<String, Variable>>,
    /// Files of variables, below the project's root
    env_files: Option<EnvFiles>,
    /// Short commands of the host shell
    aliases: Option<BTreeMap<String, Alias>>,
    /// Scripts at entering and leaving
    hooks: Option<Hooks>,
    /// What needs to be granted
    grants: Option<Grants>,
}

/// A requirement, several versions of python, or a table
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only the schema of this type is used")]
enum Tool {
    Requirement(String),
    Versions(#[schemars(length(min = 1))] Vec<String>),
    Unset(Unset),
    Table(ToolTable),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct ToolTable {
    /// The requirement: `3.12`, `>=3.11,<3.13`, `^1.4`, `latest`, `stable`
    version: Option<String>,
    /// Parts beyond the profile; rust only
    components: Option<List>,
    /// Further compilation targets; rust only
    targets: Option<List>,
    /// rust only
    profile: Option<Profile>,
    /// python only
    variant: Option<Variant>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the schema of this type is used")]
enum Profile {
    Minimal,
    Default,
    Complete,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "only the schema of this type is used")]
enum Variant {
    Default,
    Freethreaded,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Python {
    /// The project's lockfile: `uv.lock`, `poetry.lock`, `pylock.toml`, `Pipfile.lock` or a `.txt`
    lock: Option<String>,
    /// Packages for a project without a lockfile of its own; pinned in devshell.lock
    packages: Option<List>,
    /// Dependency groups
    groups: Option<List>,
    /// Extras of the project
    extras: Option<List>,
    /// Whether the project gets a link `.venv` for editors
    venv_link: Option<bool>,
}

/// Text, or a table that says how the variable changes
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only the schema of this type is used")]
enum Variable {
    Value(String),
    Default(Default),
    Required(Required),
    Unset(Unset),
    Paths(Paths),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Default {
    /// The value unless the host shell has one
    default: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Required {
    /// How to get the value; shown when the host shell has none
    required: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Unset {
    /// Takes away what is below
    #[schemars(extend("const" = true))]
    unset: bool,
}

/// A list such as `PATH`; relative entries lie below the root
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Paths {
    /// Entries before the host shell's
    prepend: Option<Vec<String>>,
    /// Entries after the host shell's
    append: Option<Vec<String>>,
    /// Entries of layers below that go
    remove: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct EnvFiles {
    /// Files that must be there
    load: Option<List>,
    /// Files that may be missing
    optional: Option<List>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only the schema of this type is used")]
enum Alias {
    Command(String),
    Unset(Unset),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Hooks {
    /// Run on enter, in a shell of its own; what it exports is part of the dev shell
    enter: Option<Scripts>,
    /// Run on leave
    leave: Option<Scripts>,
    /// Run in the user's own shell; takes `[grants] source`
    source: Option<Source>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Source {
    /// For bash, 5.0 and later
    bash: Option<Scripts>,
    /// For zsh
    zsh: Option<Scripts>,
    /// For fish
    fish: Option<Scripts>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only the schema of this type is used")]
enum Scripts {
    One(String),
    List(List),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Grants {
    /// Variables that may turn what they hold into code
    env: Option<List>,
    /// Host shells in which `[hooks] source` may run
    source: Option<List>,
}

/// A list, or what is added to and removed from the list below
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only the schema of this type is used")]
enum List {
    Entries(Vec<String>),
    Edit(Edit),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema of this type is used")]
struct Edit {
    /// Entries that the list gains
    add: Option<Vec<String>>,
    /// Entries that the list below loses
    remove: Option<Vec<String>>,
}

/// Returns the JSON Schema of the manifest, as text.
pub fn schema() -> String {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft07());
    let tables = Tables::json_schema(&mut generator);
    let _shell = generator.subschema_for::<Shell>();
    if let Some(shell) = generator.definitions_mut().get_mut("Shell") {
        add_properties(shell, &tables);
    }
    let mut whole = generator.into_root_schema_for::<Manifest>().to_value();
    add_properties(&mut whole, &tables);
    without_null(&mut whole);
    let mut text = serde_json::to_string_pretty(&whole).unwrap_or_default();
    text.push('\n');
    text
}

/// Takes out that a key may be null: in TOML it is left out, and editors would offer what cannot be written.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(without_null),
        Value::Object(object) => {
            object.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|one| one != "null");
                if let [one] = &types[..] {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(forms)) = object.get_mut("anyOf") {
                forms.retain(|form| *form != json!({ "type": "null" }));
                if let [form] = &forms[..] {
                    let form = json!([form]);
                    object.remove("anyOf");
                    // A description beside a reference counts only so in this version of the standard.
                    object.insert("allOf".to_owned(), form);
                }
            }
        }
        _ => {}
    }
}

/// Gives a table the keys of another one.
fn add_properties(into: &mut Value, from: &Schema) {
    let Some(more) = from.get("properties").and_then(|found| found.as_object()) else {
        return;
    };
    if let Some(properties) = into
        .get_mut("properties")
        .and_then(|found| found.as_object_mut())
    {
        properties.extend(more.iter().map(|(name, form)| (name.clone(), form.clone())));
    }
}

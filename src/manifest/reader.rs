//! Reads the text of a manifest into a layer; the error is the first one in the file.

use super::{
    CacheRequest, EnvFile, Error, ImageRequest, Layer, Located, ShellSection, Tables, Text, conda,
    form::{EditableList, Named, OneOf, TableForm},
    python,
    scalars::{EnvFilePath, ToolName},
    schema::{
        AliasForm, EnvFilesField, GrantsField, HooksField, ScriptsForm, ShellField, SourceField,
        TablesField, ToolForm, TopField,
    },
    source_scripts::SourceScripts,
    tool, variable,
};
use crate::{
    env::HostShell,
    manifest::{AliasName, ErrorKind},
};

/// Reads a manifest without merging; `file` is its name in messages.
pub fn parse(file: &str, text: &str) -> Result<Layer, Error> {
    let text = Text::new(file, text);
    read_layer(&text, &[])
}

/// Reads a manifest without merging from the bytes of its file.
pub fn parse_bytes(file: &str, bytes: &[u8]) -> Result<Layer, Error> {
    read_layer(&Text::from_bytes(file, bytes)?, &[])
}

/// Reads a whole file; tables in `ignored` are not the manifest's.
pub(super) fn read_layer(text: &Text, ignored: &'static [&'static str]) -> Result<Layer, Error> {
    let root = text.toml()?;
    let mut layer = Layer::new(text.clone());
    for field in TableForm::root(text, &root, ignored).fields() {
        match field?.field {
            TopField::Extends(sources) => layer.extends = sources,
            TopField::Presets(names) => {
                let names = names.into_iter();
                layer.presets = names.map(|name| name.map(|name| name.0)).collect();
            }
            TopField::Shells(shells) => {
                for shell in shells.values() {
                    let shell = shell?;
                    layer
                        .shells
                        .insert(shell.name.0, read_section(&shell.value)?);
                }
            }
            TopField::Image(image) => {
                layer.images.insert(None, ImageRequest::read(&image)?);
            }
            TopField::Images(images) => {
                for image in images.values() {
                    let image = image?;
                    let request = ImageRequest::read(&image.value)?;
                    layer.images.insert(Some(image.name), request);
                }
            }
            TopField::Caches(caches) => {
                let caches = caches.iter().map(CacheRequest::read);
                layer.caches = caches.collect::<Result<_, _>>()?;
            }
            TopField::Shared(field) => read_tables(field, &mut layer.top)?,
        }
    }
    Ok(layer)
}

fn read_section<'n>(shell: &TableForm<'n, ShellField<'n>>) -> Result<ShellSection, Error> {
    let mut section = ShellSection::default();
    for field in shell.fields() {
        match field?.field {
            ShellField::Standalone(standalone) => section.standalone = Some(standalone),
            ShellField::Inherits(names) => {
                let names = names.into_iter();
                section.inherits = names.map(|name| name.map(|name| name.0)).collect();
            }
            ShellField::Shared(field) => read_tables(field, &mut section.tables)?,
        }
    }
    Ok(section)
}

fn read_tables(field: TablesField<'_>, into: &mut Tables) -> Result<(), Error> {
    match field {
        TablesField::Tools(tools) => read_tools(&tools, into),
        TablesField::Python(python) => python::read(&python, into),
        TablesField::Conda(conda) => conda::read(&conda, into),
        TablesField::Env(variables) => {
            for variable in variables.values() {
                let variable = variable?;
                let entry = variable::read(variable.value, &variable.at)?;
                into.env.insert(variable.name, entry);
            }
            Ok(())
        }
        TablesField::EnvFiles(files) => read_env_files(&files, into),
        TablesField::Aliases(aliases) => read_aliases(&aliases, into),
        TablesField::Hooks(hooks) => read_hooks(&hooks, into),
        TablesField::Grants(grants) => read_grants(&grants, into),
    }
}

fn read_tools<'n>(
    tools: &Named<'n, ToolName, ToolForm<'n>>,
    into: &mut Tables,
) -> Result<(), Error> {
    for named in tools.values() {
        let named = named?;
        // A list of versions names several tools.
        for (tool, entry) in tool::read(named.name.0, named.value, &named.at)? {
            if let Some(first) = into.tools.get(&tool) {
                return Err(named.at.key_error(ErrorKind::DuplicateTool {
                    tool: tool.to_string(),
                    line: first.origin.line,
                }));
            }
            into.tools.insert(tool, entry);
        }
    }
    Ok(())
}

fn read_env_files(files: &TableForm<'_, EnvFilesField>, into: &mut Tables) -> Result<(), Error> {
    for field in files.fields() {
        let (list, optional): (EditableList<EnvFilePath>, _) = match field?.field {
            EnvFilesField::Load(list) => (list, false),
            EnvFilesField::Optional(list) => (list, true),
        };
        let added = list.added.into_iter().map(|path| EnvFile {
            path: path.map(|path| path.0),
            optional,
        });
        into.env_files.extend(added);
        into.removed.entry("load").or_default().extend(list.removed);
    }
    Ok(())
}

fn read_aliases<'n>(
    aliases: &Named<'n, AliasName, AliasForm<'n>>,
    into: &mut Tables,
) -> Result<(), Error> {
    for alias in aliases.values() {
        let alias = alias?;
        let command = match alias.value {
            OneOf::Second(command) => command.map(Some),
            OneOf::First(removal) => {
                // The only key of the table is `unset`.
                removal.fields().try_for_each(|field| field.map(|_| ()))?;
                Located {
                    value: None,
                    origin: removal.origin(),
                }
            }
        };
        into.aliases.insert(alias.name, command);
    }
    Ok(())
}

fn read_hooks<'n>(hooks: &TableForm<'n, HooksField<'n>>, into: &mut Tables) -> Result<(), Error> {
    for field in hooks.fields() {
        match field?.field {
            HooksField::Enter(scripts) => {
                let scripts = script_list(scripts);
                into.enter = scripts.added;
                into.removed.insert("enter", scripts.removed);
            }
            HooksField::Leave(scripts) => {
                let scripts = script_list(scripts);
                into.leave = scripts.added;
                into.removed.insert("leave", scripts.removed);
            }
            HooksField::Source(source) => {
                for field in source.fields() {
                    let (shell, scripts) = match field?.field {
                        SourceField::Bash(scripts) => (HostShell::Bash, scripts),
                        SourceField::Zsh(scripts) => (HostShell::Zsh, scripts),
                        SourceField::Fish(scripts) => (HostShell::Fish, scripts),
                    };
                    let scripts = script_list(scripts);
                    let key = SourceScripts::key(shell);
                    into.removed.insert(key, scripts.removed);
                    if !scripts.added.is_empty() {
                        into.source_scripts.scripts.insert(shell, scripts.added);
                    }
                }
            }
        }
    }
    Ok(())
}

fn script_list(scripts: ScriptsForm) -> EditableList<String> {
    match scripts {
        OneOf::First(list) => list,
        OneOf::Second(script) => EditableList {
            added: vec![script],
            removed: std::collections::BTreeSet::new(),
        },
    }
}

fn read_grants(grants: &TableForm<'_, GrantsField>, into: &mut Tables) -> Result<(), Error> {
    for field in grants.fields() {
        match field?.field {
            GrantsField::Env(names) => {
                into.grants = names.added;
                into.removed.insert("grants", names.removed);
            }
            GrantsField::Source(shells) => {
                into.source_scripts.grants = shells.added;
                into.removed.insert(SourceScripts::GRANTS, shells.removed);
            }
        }
    }
    Ok(())
}

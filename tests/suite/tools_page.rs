//! `docs/tools.md` is made from the catalogue. `INSTA_UPDATE=always` writes it.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use devsh::package::{
    System,
    catalogue::{CATALOGUE, CatalogueEntry},
};

const HEAD: &str = "# Tools

These names work in `[tools]` of `devshell.toml`, in `devsh add` and on the command line. The sources are asked in this
order. A tool that is not here can be taken from any source: see [tools of any source](guide/releases.md).

The file `shells/tools.toml` has this list. All four platforms are 64-bit Linux and macOS on Intel and ARM processors.

Tools of `cargo` are [compiled on your machine](guide/releases.md#crates).
";

fn page() -> String {
    let mut kinds: BTreeMap<&str, Vec<&CatalogueEntry>> = BTreeMap::new();
    for entry in CATALOGUE {
        kinds.entry(entry.kind).or_default().push(entry);
    }
    let mut page = HEAD.to_owned();
    for (kind, entries) in kinds {
        let table =
            "| name | what it is for | programs | sources | platforms |\n|---|---|---|---|---|";
        writeln!(page, "\n## {kind}\n\n{table}").unwrap();
        for entry in entries {
            let quoted = |words: &[String]| {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                words.join(", ")
            };
            let programs: Vec<String> = entry.programs.iter().map(ToString::to_string).collect();
            let suppliers = entry.suppliers.iter();
            let suppliers: Vec<String> = suppliers
                .map(|(source, package)| format!("{source}:{package}"))
                .collect();
            let platforms = if entry.systems == System::ALL {
                "all".to_owned()
            } else {
                let names: Vec<String> = entry.systems.iter().map(ToString::to_string).collect();
                names.join(", ")
            };
            writeln!(
                page,
                "| [`{}`]({}) | {} | {} | {} | {platforms} |",
                entry.name,
                entry.home,
                entry.description,
                quoted(&programs),
                quoted(&suppliers),
            )
            .unwrap();
        }
    }
    page
}

#[test]
fn the_page_of_tools_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tools.md");
    let page = page();
    if env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/tools.md is old: run `INSTA_UPDATE=always cargo test --test suite tools_page`"
    );
}

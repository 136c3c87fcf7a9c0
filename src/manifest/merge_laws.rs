//! The laws of the merge, over generated stacks of layers.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select};

use super::*;

/// The lines of generated tables, by table.
const LINES: &[(&str, &[&str])] = &[
    (
        "tools",
        &[
            "ruff = '1'",
            "ruff = '2'",
            "ruff = { unset = true }",
            "rust = { components = ['clippy'] }",
            "rust = { version = '1.90', components = { add = ['rustfmt'], remove = ['clippy'] } }",
            "rust = { unset = true }",
            "just = '*'",
        ],
    ),
    (
        "env",
        &[
            "A = 'a'",
            "A = { default = 'b' }",
            "A = { unset = true }",
            "A = { required = 'ask' }",
            "B = '${A}'",
            "PATH = { prepend = ['x', 'y'], append = ['z'] }",
            "PATH = { prepend = ['y'], remove = ['x', 'z'] }",
            "PATH = { append = ['x'] }",
            "PATH = { remove = ['y'] }",
            "LIST = { append = ['p'] }",
            "LIST = 'q'",
        ],
    ),
    (
        "aliases",
        &["t = 'one'", "t = 'two'", "t = { unset = true }"],
    ),
    (
        "hooks",
        &[
            "enter = 'e1'",
            "enter = ['e2', 'e1']",
            "enter = { remove = ['e1'] }",
            "leave = { add = ['l1'], remove = ['l2'] }",
            "leave = ['l2', 'l3']",
        ],
    ),
    (
        "python",
        &[
            "groups = ['g1', 'g2']",
            "groups = { remove = ['g1'] }",
            "lock = 'uv.lock'",
        ],
    ),
    (
        "conda",
        &[
            "packages = ['libpq >=16', 'zlib']",
            "packages = { remove = ['zlib'] }",
            "channels = ['bioconda', 'conda-forge']",
            "glibc = '2.34'",
        ],
    ),
    (
        "grants",
        &[
            "env = ['PATH']",
            "env = { remove = ['PATH'] }",
            "source = ['zsh', 'fish']",
            "source = { remove = ['fish'] }",
        ],
    ),
];

/// Tables of TOML: a header and lines with different keys.
fn section(prefix: &'static str) -> impl Strategy<Value = Vec<(String, Vec<&'static str>)>> {
    let table = |(name, lines): &(&'static str, &'static [&'static str])| {
        let name = format!("{prefix}{name}");
        proptest::collection::vec(select(*lines), 0..4).prop_map(move |mut lines| {
            let mut keys = BTreeSet::new();
            lines.retain(|line| keys.insert(line.split(' ').next()));
            (name.clone(), lines)
        })
    };
    LINES.iter().map(table).collect::<Vec<_>>()
}

fn print(sections: &[(String, Vec<&str>)]) -> String {
    let print = |(name, lines): &(String, Vec<&str>)| format!("[{name}]\n{}\n", lines.join("\n"));
    sections.iter().map(print).collect()
}

fn source() -> impl Strategy<Value = Vec<(String, Vec<&'static str>)>> {
    (section(""), section("shells.test.")).prop_map(|(top, test)| [top, test].concat())
}

fn layer(at: usize, sections: &[(String, Vec<&str>)]) -> Layer {
    parse(&format!("{at}.toml"), &print(sections)).unwrap()
}

fn stack() -> impl Strategy<Value = Vec<Layer>> {
    proptest::collection::vec(source(), 1..7).prop_map(|sources| {
        let numbered = sources.iter().enumerate();
        numbered.map(|(at, sections)| layer(at, sections)).collect()
    })
}

/// The dev shells of a stack, or the error message.
fn shells(layers: &[Layer]) -> Result<Manifest, String> {
    merge(layers).map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The order in which overlays are applied does not matter.
    #[test]
    fn overlays_are_associative(layers in stack()) {
        let tables: Vec<&Tables> = layers.iter().flat_map(Layer::tables).collect();
        for three in tables.windows(3) {
            let mut left = three[0].clone();
            left.overlay(three[1]);
            left.overlay(three[2]);
            let mut upper = three[1].clone();
            upper.overlay(three[2]);
            let mut right = three[0].clone();
            right.overlay(&upper);
            prop_assert_eq!(left, right);
        }
    }

    /// A table on itself, and a layer directly on itself, change nothing.
    #[test]
    fn an_overlay_twice_changes_nothing(layers in stack(), at in 0..7usize) {
        for tables in layers.iter().flat_map(Layer::tables) {
            let mut twice = Tables::default();
            twice.overlay(tables);
            let once = twice.clone();
            twice.overlay(tables);
            prop_assert_eq!(twice, once);
        }
        let at = at % layers.len();
        // A layer is one table only if it has no dev shells.
        let mut doubled = layers.clone();
        doubled[at].shells.clear();
        let once = shells(&doubled);
        doubled.insert(at, doubled[at].clone());
        prop_assert_eq!(shells(&doubled), once);
    }

    /// The order of keys and tables in a file does not matter.
    #[test]
    fn the_order_of_keys_does_not_matter(mut sections in source(), below in stack()) {
        let values = |manifest: Manifest| {
            let shells = manifest.shells.into_iter();
            shells.map(|(name, shell)| (name, without_places(&shell))).collect::<Vec<_>>()
        };
        let with = |sections: &[(String, Vec<&str>)]| {
            let top = layer(9, sections);
            shells(&[&below[..], &[top]].concat()).map(values)
        };
        let before = with(&sections);
        sections.reverse();
        for (_, lines) in &mut sections {
            lines.reverse();
        }
        prop_assert_eq!(with(&sections).is_ok(), before.is_ok());
        if let (Ok(after), Ok(before)) = (with(&sections), before) {
            prop_assert_eq!(after, before);
        }
    }

    /// The statements that nothing replaces are those that made the merged value.
    #[test]
    fn unreplaced_statements_give_the_merged_value(layers in stack()) {
        let test: ShellName = "test".parse().unwrap();
        let Ok(manifest) = merge(&layers) else { return Ok(()); };
        let Some(shell) = manifest.shells.get(&test) else { return Ok(()); };
        let statements = statements(&layers, &test).unwrap();
        let effective = |subject: &Subject| {
            let all = &statements[subject];
            let replacements = subject.replacements(all);
            let pairs = all.iter().zip(replacements);
            pairs.filter(|(_, by)| by.is_none()).map(|(one, _)| one).collect::<Vec<_>>()
        };
        for (name, value) in &shell.env {
            let effective = effective(&Subject::Variable(name.to_string()));
            prop_assert_eq!(&effective.last().unwrap().origin, &value.origin);
            let is_list = matches!(value.value, EnvValue::Extend { .. });
            for one in &effective {
                prop_assert_eq!(matches!(one.claim, Claim::Add(_)), is_list);
            }
            if !is_list {
                prop_assert_eq!(effective.len(), 1);
                prop_assert_eq!(effective[0].claim.to_string(), value.value.to_string());
            }
        }
        for (subject, all) in &statements {
            let Subject::Tool(name) = subject else { continue };
            let tool = shell.tools.get(&name.parse().unwrap());
            let effective = effective(subject);
            let set = effective.iter().find_map(|one| match &one.claim {
                Claim::Set(version) => Some(version.as_str()),
                _ => None,
            });
            let wanted = tool.map(|request| request.requirement.value.as_str());
            if tool.is_some() {
                prop_assert_eq!(set.unwrap_or("*"), wanted.unwrap());
            } else {
                prop_assert_eq!(&all.last().unwrap().claim, &Claim::Remove);
            }
        }
    }

    /// Two layers next to each other conflict in both orders, and a layer above decides.
    #[test]
    fn conflicts_are_symmetric(layers in stack(), upper in source()) {
        let Some((one, two)) = layers.first().zip(layers.get(1)) else { return Ok(()); };
        // Without the python table, whose error would come first.
        let bare = |layer: &Layer| {
            let mut layer = layer.clone();
            layer.below = Some(BTreeSet::new());
            for tables in layer.tables_mut() {
                tables.python.groups.clear();
            }
            layer
        };
        let beside = |first: &Layer, second: &Layer, above: Option<&Layer>| {
            let stack = [first, second].map(bare).into_iter().chain(above.cloned());
            merge(&stack.collect::<Vec<_>>()).is_err_and(|error| {
                matches!(error.kind, ErrorKind::Composition(CompositionError::Conflict { .. }))
            })
        };
        prop_assert_eq!(beside(one, two, None), beside(two, one, None));
        if !beside(one, two, None) {
            prop_assert!(!beside(one, two, Some(&layer(9, &upper))));
        }
        let settled = parse("9.toml", "[tools]\nruff = '3'\nrust = '1'\njust = '1'\n[env]\nA = '9'\nB = '9'\nLIST = '9'\n[aliases]\nt = '9'\n[python]\nlock = 'uv.lock'\n").unwrap();
        prop_assert!(!beside(one, two, Some(&settled)));
    }
}

/// A dev shell without the places, which differ when lines are moved.
fn without_places(shell: &DevShell) -> String {
    let tools = shell.tools.iter().map(|(tool, request)| {
        (
            tool.to_string(),
            request.requirement.value.to_string(),
            request.components.clone(),
        )
    });
    let env = shell
        .env
        .iter()
        .map(|(name, value)| (name.to_string(), value.value.clone()));
    let texts = |list: &[Located<String>]| -> Vec<String> {
        list.iter().map(|one| one.value.clone()).collect()
    };
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        tools.collect::<Vec<_>>(),
        env.collect::<Vec<_>>(),
        shell
            .aliases
            .iter()
            .map(|(name, value)| (name, &value.value))
            .collect::<Vec<_>>(),
        texts(&shell.enter),
        texts(&shell.leave),
        shell
            .source_scripts
            .scripts
            .iter()
            .map(|(host, list)| (host, texts(list)))
            .collect::<Vec<_>>(),
        texts(&shell.python.groups),
        shell
            .grants
            .iter()
            .map(|one| &one.value)
            .collect::<Vec<_>>(),
    )
}

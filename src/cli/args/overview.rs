//! The text of `devsh --help`: the commands by job, and examples.

use clap::CommandFactory as _;

use super::Arguments;

/// The commands by job, as the help lists them.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Start", &["allow", "deny", "init", "hook"]),
    (
        "Daily",
        &["enter", "run", "status", "reload", "add", "remove"],
    ),
    ("Versions", &["lock", "sync", "outdated", "search"]),
    ("Inspect", &["explain", "doctor", "du"]),
    ("Maintain", &["gc", "verify", "watch", "self"]),
    (
        "Integrate",
        &[
            "export",
            "image",
            "cache",
            "ci",
            "completions",
            "man",
            "schema",
        ],
    ),
];

/// The commands of a new user, in this order.
const EXAMPLES: [(&str, &str); 5] = [
    (
        "devsh allow",
        "approve the project here and build its dev shell",
    ),
    (
        "devsh run -- pytest",
        "run a command in the dev shell, without a hook",
    ),
    ("devsh add ruff node@22", "add tools to the project"),
    (
        "devsh enter test",
        "work in another dev shell of the project",
    ),
    (
        "devsh help getting-started",
        "read a page of the documentation",
    ),
];

/// Returns the command line with the commands grouped by job.
pub fn command() -> clap::Command {
    let command = Arguments::command();
    let line = |name: &&str| {
        let about = command
            .find_subcommand(name)
            .and_then(clap::Command::get_about);
        let about = about.map(ToString::to_string).unwrap_or_default();
        format!("  {name:<12} {about}\n")
    };
    let group = |(job, names): &(&str, &[&str])| {
        let lines: String = names.iter().map(line).collect();
        format!("{job}:\n{lines}\n")
    };
    let groups: String = GROUPS.iter().map(group).collect();
    let example = |(command, purpose): &(&str, &str)| format!("  {command:<27} {purpose}\n");
    let examples: String = EXAMPLES.iter().map(example).collect();
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Global options:\n{{options}}\n\n\
         Examples:\n{examples}\n\
         `devsh help COMMAND` shows the options of a command.\n\
         `devsh help topics` lists the pages of the documentation.\n"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = command();
        let visible = command.get_subcommands().filter(|one| !one.is_hide_set());
        let visible: BTreeSet<&str> = visible.map(clap::Command::get_name).collect();
        let listed: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        assert_eq!(listed.len(), visible.len());
        assert_eq!(BTreeSet::from_iter(listed), visible);
    }

    #[test]
    fn every_command_has_an_example_that_parses() {
        for one in command().get_subcommands().filter(|one| !one.is_hide_set()) {
            let help = one.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let example = help.strip_prefix("Example:\n  ").unwrap_or_default();
            let start = example.find("devsh ").unwrap_or_default();
            let end = example.find([')', '|']).unwrap_or(example.len());
            let words = example[start..end].split(" > ").next().unwrap_or_default();
            let matches = command().try_get_matches_from(words.split_whitespace());
            let parsed = matches.ok().and_then(|matches| {
                let name = matches.subcommand_name()?;
                Some(name.to_owned())
            });
            assert_eq!(parsed.as_deref(), Some(one.get_name()), "{help}");
        }
    }

    #[test]
    fn the_overview_fits_a_terminal_of_80_columns() {
        let help = command().term_width(80).render_help().to_string();
        let long: Vec<&str> = help.lines().filter(|line| line.len() > 80).collect();
        assert!(long.is_empty(), "{long:#?}");
    }

    #[test]
    fn help_lines_are_sentences_without_a_period() {
        for one in command().get_subcommands() {
            let about = one.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(
                about.starts_with(char::is_uppercase) && !about.ends_with('.'),
                "{about}"
            );
            for argument in one.get_arguments() {
                let help = argument.get_help().map(ToString::to_string);
                let help = help.unwrap_or_default();
                assert!(!help.is_empty() && !help.ends_with('.'), "{help}");
            }
        }
    }
}

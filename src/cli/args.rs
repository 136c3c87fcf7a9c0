//! The command line as clap reads it: no logic, no I/O.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::engine::ArgValueCandidates;

use crate::report::ui;

use super::candidates;

/// Per-project development shells: enter a repository and have its exact tools, leave without a trace.
#[derive(Debug, Parser)]
#[command(
    name = "devsh",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Act as if started in this directory
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Use the lockfile as it is: never write it, and fail if it does not fit
    #[arg(long, global = true)]
    pub locked: bool,
    /// Make no network connection
    #[arg(long, global = true)]
    pub offline: bool,
    /// Say only errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Color {
    /// On terminals, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<Color> for ui::Color {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the hook for a shell's rc file
    ///
    /// bash: eval "$(devsh hook bash)"   zsh: eval "$(devsh hook zsh)"   fish: devsh hook fish | source
    Hook {
        /// bash, zsh or fish
        #[arg(value_parser = ["bash", "zsh", "fish"])]
        shell: String,
    },
    /// Run the leave scripts of what the host shell has loaded; its hook does it when the shell exits
    #[command(hide = true)]
    Leave,
    /// Print the environment for a shell, an editor or a CI job, without a hook
    ///
    /// bash, zsh, fish: code for the shell to evaluate, `eval "$(devsh export bash)"`
    ///
    /// json: one object, `null` for what is to be unset
    ///
    /// dotenv: a file of NAME=value lines
    ///
    /// github: appends to the environment files of the job's step
    ///
    /// gitlab: a dotenv report for later jobs
    #[command(verbatim_doc_comment)]
    Export(Export),
    /// Approve a project's content, showing what it asks for, and build its dev shell
    Allow {
        /// The project, or a file of it; where you are, when not said
        #[arg(value_name = "PROJECT", conflicts_with_all = ["list", "prune"], value_hint = ValueHint::AnyPath)]
        project: Option<PathBuf>,
        /// List what is allowed and denied, and change nothing
        #[arg(long, conflicts_with = "prune")]
        list: bool,
        /// Forget the approvals of projects that are gone
        #[arg(long)]
        prune: bool,
    },
    /// Withdraw a project's approval
    Deny {
        /// The project, or a file of it; where you are, when not said
        #[arg(value_name = "PROJECT", value_hint = ValueHint::AnyPath)]
        project: Option<PathBuf>,
    },
    /// Start your own shell inside a dev shell
    Enter {
        /// The dev shell
        #[arg(default_value = "dev", add = ArgValueCandidates::new(candidates::shells))]
        shell: String,
        #[command(flatten)]
        trust: Trust,
    },
    /// Run one command inside a dev shell
    Run(Run),
    /// Choose versions and write them to devshell.lock
    Lock(Lock),
    /// Write a devshell.toml that says what was detected
    Init {
        /// Make a manifest of your own outside of the repository, and leave the repository alone
        #[arg(long)]
        personal: bool,
    },
    /// Put tools into the manifest and lock them
    ///
    /// TOOL is a short name (`ruff`) or a package of a source (`pypi:pyrefly`), with `@` and a requirement
    /// where the newest version is not wanted: `ruff@0.12`, `'python@>=3.11,<3.13'`.
    Add(Edit),
    /// Take tools out of the manifest and the lockfile
    Remove(Edit),
    /// Show what the sources have under a name
    Search {
        /// A tool or package, or a part of a short name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show which tools have newer versions than the locked ones
    Outdated {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        trust: Trust,
    },
    /// Build every dev shell of the project ahead of time
    Sync(Sync),
    /// Show where a tool, variable, alias or path comes from, and what lost
    Explain(Explain),
    /// Show what is active and where it comes from
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what each project takes in the store
    Du {
        /// List store objects instead of projects
        #[arg(long)]
        objects: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what no allowed project, running shell or build uses
    Gc(Gc),
    /// Read the whole store and tell what is not as it was published
    Verify {
        /// Fetch the originals of damaged objects again
        #[arg(long)]
        repair: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print completions for a shell
    ///
    /// bash: eval "$(devsh completions bash)"   zsh: eval "$(devsh completions zsh)"
    ///
    /// fish: devsh completions fish | source
    Completions {
        /// bash, zsh or fish
        #[arg(value_parser = ["bash", "zsh", "fish"])]
        shell: String,
    },
    /// Print a manual page
    Man {
        /// The command whose page it is
        command: Option<String>,
        /// Write all pages into this directory instead
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        write: Option<PathBuf>,
    },
    /// Print the JSON Schema of devshell.toml, for editors
    Schema,
    /// Look for what is wrong with this installation and say how to mend it
    Doctor {
        /// Also ask the servers that tools come from
        #[arg(long)]
        network: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Build ahead of time what changes in allowed projects, for example after `git pull`
    Watch {
        /// The projects; all that are allowed without any
        #[arg(value_name = "DIR")]
        projects: Vec<PathBuf>,
        /// Build once what is not built, and end
        #[arg(long)]
        once: bool,
    },
    /// Print the environment for `activation::script`
    #[command(hide = true)]
    ReportEnvironment,
}

impl Command {
    /// Returns whether the user trusts the project for this command.
    pub const fn trust(&self) -> bool {
        match self {
            Self::Enter { trust, .. } | Self::Outdated { trust, .. } => trust.trust,
            Self::Export(options) => options.trust.trust,
            Self::Run(options) => options.trust.trust,
            Self::Lock(options) => options.trust.trust,
            Self::Sync(options) => options.trust.trust,
            Self::Add(options) | Self::Remove(options) => options.trust.trust,
            _ => false,
        }
    }
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// bash, zsh, fish, json, dotenv, github or gitlab
    #[arg(value_parser = ["bash", "zsh", "fish", "json", "dotenv", "github", "gitlab"], hide_possible_values = true)]
    pub format: String,
    /// The dev shell
    #[arg(long, value_name = "SHELL", default_value = "dev", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: String,
    /// Take what is ready, else change nothing: never build, never fail, as a prompt does
    #[arg(long, conflicts_with_all = ["shell", "trust"])]
    pub no_wait: bool,
    /// What the hook remembers
    #[arg(long, hide = true, default_value = "")]
    pub loaded: String,
    /// Names of the checks that the host shell has
    #[arg(long, hide = true, default_value = "", value_name = "NAMES")]
    pub checks: String,
    /// The mark that the hook waits for
    #[arg(long, hide = true, default_value = "")]
    pub nonce: String,
    #[command(flatten)]
    pub trust: Trust,
}

/// Options of `lock`.
#[derive(Debug, Args)]
pub struct Lock {
    /// Choose the newest admitted version of this tool, or of all
    #[arg(long, value_name = "TOOL", num_args = 0.., conflicts_with = "check", add = ArgValueCandidates::new(candidates::tools))]
    pub upgrade: Option<Vec<String>>,
    /// Only check that the lockfile fits the manifest
    #[arg(long)]
    pub check: bool,
    /// Merge what two branches made of a lockfile over the second file, as Git's merge driver
    #[arg(long, num_args = 3, value_names = ["BASE", "OURS", "THEIRS"], conflicts_with_all = ["upgrade", "check"])]
    pub merge: Option<Vec<PathBuf>>,
    #[command(flatten)]
    pub trust: Trust,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A tool, variable, alias, setting or path; nothing for all
    pub name: Option<String>,
    /// The dev shell
    #[arg(long, value_name = "SHELL")]
    pub shell: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The dev shell
    #[arg(long, value_name = "SHELL", default_value = "dev", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: String,
    /// Let only a few variables of the host shell in (HOME, TERM, LANG and such), and the system's own PATH
    #[arg(long)]
    pub pure: bool,
    /// With --pure, let this variable in, too
    #[arg(long, value_name = "NAME", requires = "pure")]
    pub keep: Vec<String>,
    /// Fail unless the dev shell is this environment, as `devsh status` shows it
    #[arg(long, value_name = "ID")]
    pub expect: Option<String>,
    #[command(flatten)]
    pub trust: Trust,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Options of `gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Remove only what was not used for this long (30d, 12h)
    #[arg(long, value_name = "SPAN")]
    pub older_than: Option<String>,
    /// Remove only as much as it takes to bring everything down to this size (10G), oldest first
    #[arg(long, value_name = "SIZE")]
    pub keep_size: Option<String>,
    /// Only show what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `add` and `remove`.
#[derive(Debug, Args)]
pub struct Edit {
    /// The tools
    #[arg(required = true, value_name = "TOOL", add = ArgValueCandidates::new(candidates::tools))]
    pub tools: Vec<String>,
    /// Change only this dev shell
    #[arg(long, value_name = "SHELL", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: Option<String>,
    #[command(flatten)]
    pub trust: Trust,
}

/// Trust given on the command line.
#[derive(Debug, Args, Clone, Copy)]
pub struct Trust {
    /// Trust the project's content for this command, as a CI job does
    #[arg(long)]
    pub trust: bool,
}

/// Options of `sync`.
#[derive(Debug, Args)]
pub struct Sync {
    /// Build only this dev shell
    #[arg(long, value_name = "SHELL", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: Option<String>,
    /// Watch over a build for a prompt, which saw this content
    #[arg(long, hide = true, value_name = "BASIS", requires = "shell")]
    pub background: Option<String>,
    /// Build for a prompt: nothing of the project is run or written
    #[arg(long, hide = true, requires = "shell")]
    pub worker: bool,
    #[command(flatten)]
    pub trust: Trust,
}

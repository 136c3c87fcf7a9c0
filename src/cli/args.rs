//! The command line as clap reads it: no logic, no I/O.

mod cache;
mod image;
mod overview;

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::engine::ArgValueCandidates;

use crate::report::ui;

use super::candidates;
pub use cache::{CacheCommand, CachePush, KeyCommand};
pub use image::{ImageBuildOptions, ImageCommand};
pub use overview::command;

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

/// Options of every command. The help of a command lists them after its own options.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Act as if started in this directory
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        global = true,
        display_order = 100
    )]
    pub directory: Option<PathBuf>,
    /// Print only errors
    #[arg(short, long, global = true, display_order = 103)]
    pub quiet: bool,
    /// Print details, or everything if given twice
    #[arg(short, long, global = true, display_order = 104, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Use colour: auto, always or never
    #[arg(
        long,
        global = true,
        display_order = 105,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub color: ColorWhen,
    /// The option of a command, in front of its name
    #[arg(long = "locked", id = "locked_before", hide = true)]
    pub locked: bool,
    /// The option of a command, in front of its name
    #[arg(long = "offline", id = "offline_before", hide = true)]
    pub offline: bool,
}

/// The option of commands that can use the network.
#[derive(Debug, Args, Clone, Copy, Default)]
pub struct Network {
    /// Make no network connection
    #[arg(long, display_order = 91)]
    pub offline: bool,
}

/// The options of commands that use a lockfile.
#[derive(Debug, Args, Clone, Copy, Default)]
pub struct Locking {
    /// Never write the lockfile, and fail if it does not fit the manifest
    #[arg(long, display_order = 90)]
    pub locked: bool,
    #[command(flatten)]
    pub network: Network,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum ColorWhen {
    /// On terminals, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<ColorWhen> for ui::Color {
    fn from(color: ColorWhen) -> Self {
        match color {
            ColorWhen::Auto => Self::Auto,
            ColorWhen::Always => Self::Always,
            ColorWhen::Never => Self::Never,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the hook for the rc file of your host shell
    ///
    /// bash: eval "$(devsh hook bash)"   zsh: eval "$(devsh hook zsh)"   fish: devsh hook fish | source
    #[command(after_help = "Example:\n  echo 'eval \"$(devsh hook bash)\"' >> ~/.bashrc")]
    Hook {
        /// bash, zsh or fish
        #[arg(value_name = "HOST_SHELL", value_parser = ["bash", "zsh", "fish"], hide_possible_values = true)]
        shell: String,
    },
    /// Run the leave scripts of what the host shell has loaded; its hook does it when the shell exits
    #[command(hide = true)]
    Leave,
    /// Print the environment for a host shell, editor or CI job
    ///
    /// bash, zsh, fish: code for the host shell to evaluate, `eval "$(devsh export bash)"`
    ///
    /// json: one object, with `null` for a variable to unset
    ///
    /// dotenv: a file of NAME=value lines
    ///
    /// github: appends to the environment files of the job's step
    ///
    /// gitlab: a dotenv report for later jobs
    #[command(verbatim_doc_comment)]
    #[command(after_help = "Example:\n  devsh export github --shell test")]
    Export(Export),
    /// Show what a project asks for, approve it, and build its dev shell
    #[command(after_help = "Example:\n  devsh allow ~/src/app")]
    Allow {
        /// The project or a file of it [default: the working directory]
        #[arg(value_name = "PROJECT", conflicts_with_all = ["list", "prune"], value_hint = ValueHint::AnyPath)]
        project: Option<PathBuf>,
        /// List what is allowed and denied, and change nothing
        #[arg(long, conflicts_with = "prune")]
        list: bool,
        /// Remove the approvals of deleted projects
        #[arg(long)]
        prune: bool,
        /// Approve without a question
        #[arg(short, long, conflicts_with_all = ["list", "prune", "show"])]
        yes: bool,
        /// Show what the project asks for, and change nothing
        #[arg(long, conflicts_with_all = ["list", "prune"])]
        show: bool,
        #[command(flatten)]
        locking: Locking,
    },
    /// Withdraw a project's approval
    #[command(after_help = "Example:\n  devsh deny ~/src/app")]
    Deny {
        /// The project or a file of it [default: the working directory]
        #[arg(value_name = "PROJECT", value_hint = ValueHint::AnyPath)]
        project: Option<PathBuf>,
    },
    /// Start a new host shell with a dev shell loaded
    #[command(after_help = "Example:\n  devsh enter test")]
    Enter {
        /// The dev shell
        #[arg(value_name = "DEV_SHELL", default_value = "dev", add = ArgValueCandidates::new(candidates::shells))]
        shell: String,
        #[command(flatten)]
        trust: Trust,
    },
    /// Run one command inside a dev shell
    #[command(after_help = "Example:\n  devsh run --shell test -- pytest -x")]
    Run(Run),
    /// Choose versions and write them to devshell.lock
    #[command(after_help = "Example:\n  devsh lock --upgrade ruff")]
    Lock(Lock),
    /// Write a devshell.toml with the detected tools
    #[command(after_help = "Example:\n  devsh init --personal")]
    Init {
        /// Write a manifest only for you, outside of the repository
        #[arg(long)]
        personal: bool,
        /// Take over the settings of this file too, such as `.envrc`
        #[arg(long, value_name = "FILE", conflicts_with = "personal")]
        from: Vec<String>,
        /// Keep shell code that has no other form as `[hooks] enter`
        #[arg(long, conflicts_with = "personal")]
        keep_code: bool,
        #[command(flatten)]
        locking: Locking,
    },
    /// Add tools to the manifest, lock and build them
    ///
    /// TOOL is a short name (`ruff`) or a package of a source (`pypi:pyrefly`), with `@` and a requirement
    /// for another version than the newest: `ruff@0.12`, `'python@>=3.11,<3.13'`.
    #[command(after_help = "Example:\n  devsh add ruff@0.12 --shell lint")]
    Add(Edit),
    /// Remove tools from the manifest and the lockfile
    #[command(after_help = "Example:\n  devsh remove ruff")]
    Remove(Edit),
    /// Search the sources for a tool or package
    #[command(after_help = "Example:\n  devsh search ruff")]
    Search {
        /// The name of a tool or package, or a part of a short name
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        network: Network,
    },
    /// Show which tools have newer versions than the locked ones
    #[command(after_help = "Example:\n  devsh outdated --json")]
    Outdated {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        trust: Trust,
    },
    /// Load the dev shell again at the next prompt, with its scripts
    #[command(after_help = "Example:\n  devsh reload")]
    Reload,
    /// Build every dev shell of the project ahead of time
    #[command(after_help = "Example:\n  devsh sync --shell test")]
    Sync(Sync),
    /// Show where a tool, variable, alias or path comes from
    #[command(after_help = "Example:\n  devsh explain PATH --shell test")]
    Explain(Explain),
    /// Show the loaded dev shell, its tools and the next step
    #[command(after_help = "Example:\n  devsh status --json")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the disk usage of each project
    #[command(after_help = "Example:\n  devsh du --objects")]
    Du {
        /// List store objects instead of projects
        #[arg(long)]
        objects: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what no allowed project, running shell or build uses
    #[command(after_help = "Example:\n  devsh gc --older-than 30d --dry-run")]
    Gc(Gc),
    /// Check that all objects of the store are undamaged
    #[command(after_help = "Example:\n  devsh verify --repair")]
    Verify {
        /// Download damaged objects again
        #[arg(long)]
        repair: bool,
        /// Download every artifact again and compare the objects with it
        #[arg(long)]
        refetch: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        network: Network,
    },
    /// Build container images of the project, without a container engine
    #[command(subcommand, after_help = "Example:\n  devsh image build -o image.tar")]
    Image(ImageCommand),
    /// Share downloads and built objects with your team
    #[command(after_help = "Example:\n  devsh cache push --to s3://bucket/devsh")]
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },
    /// Print a workflow for this project's continuous integration
    #[command(after_help = "Example:\n  devsh ci github > .github/workflows/devsh.yml")]
    Ci {
        /// github or gitlab
        #[arg(value_parser = ["github", "gitlab"], hide_possible_values = true)]
        service: String,
        /// Also push what was built to this cache, on the default branch
        #[arg(long, value_name = "URL")]
        push_cache: Option<String>,
        /// Also push the image of the manifest to this reference, on the default branch
        #[arg(long, value_name = "REF")]
        push_image: Option<String>,
        #[command(flatten)]
        trust: Trust,
    },
    /// Print completions for your host shell
    ///
    /// bash: eval "$(devsh completions bash)"   zsh: eval "$(devsh completions zsh)"
    ///
    /// fish: devsh completions fish | source
    #[command(after_help = "Example:\n  echo 'eval \"$(devsh completions bash)\"' >> ~/.bashrc")]
    Completions {
        /// bash, zsh or fish
        #[arg(value_name = "HOST_SHELL", value_parser = ["bash", "zsh", "fish"], hide_possible_values = true)]
        shell: String,
    },
    /// Print a manual page
    #[command(after_help = "Example:\n  devsh man run | man -l -")]
    Man {
        /// The command [default: devsh itself]
        command: Option<String>,
        /// Write all pages into this directory instead
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        write: Option<PathBuf>,
    },
    /// Print this help, the help of a command, or a page of the documentation
    #[command(hide = true, after_help = "Example:\n  devsh help manifest")]
    Help {
        /// A command or a topic; `topics` lists the topics
        #[arg(value_name = "COMMAND|TOPIC", add = ArgValueCandidates::new(candidates::topics))]
        subject: Option<String>,
    },
    /// Print the version
    #[command(hide = true)]
    Version,
    /// Print the JSON Schema of devshell.toml, for editors
    #[command(after_help = "Example:\n  devsh schema > devshell.schema.json")]
    Schema,
    /// Find problems of this installation and show how to fix them
    #[command(after_help = "Example:\n  devsh doctor --network")]
    Doctor {
        /// Also check the servers of the sources
        #[arg(long)]
        network: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Build allowed projects ahead of time when they change
    #[command(after_help = "Example:\n  devsh watch --once")]
    Watch {
        /// The projects [default: all allowed projects]
        #[arg(value_name = "DIR")]
        projects: Vec<PathBuf>,
        /// Build once what is not built, then exit
        #[arg(long)]
        once: bool,
        #[command(flatten)]
        locking: Locking,
    },
    /// Manage this installation of devsh
    #[command(name = "self", after_help = "Example:\n  devsh self uninstall --purge")]
    Installation {
        #[command(subcommand)]
        action: InstallationAction,
    },
    /// Print which of the names are commands of the prompt, for the hook
    #[command(hide = true)]
    PromptCommands {
        /// The names
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Print the environment, for a script of a manifest
    #[command(hide = true)]
    ReportEnvironment,
}

/// The commands of `self`.
#[derive(Debug, Subcommand)]
pub enum InstallationAction {
    /// Remove devsh: the program, the hook and completions, and their lines in rc files
    #[command(after_help = "Example:\n  devsh self uninstall --purge")]
    Uninstall {
        /// Also remove the store, approvals, records, caches and settings
        #[arg(long)]
        purge: bool,
        /// Remove without a question
        #[arg(short, long)]
        yes: bool,
    },
}

impl Command {
    /// Returns whether the user trusts the project for this command.
    pub fn trust(&self) -> bool {
        self.project_options().is_some_and(|options| options.trust)
    }

    /// Returns whether a prompt started the command.
    pub const fn is_background(&self) -> bool {
        matches!(self, Self::Sync(options) if options.worker)
    }

    /// Returns whether the command uses what is in the directories of devsh, unlike those that repair an installation, and
    /// the answer to the hook, which looks itself.
    pub const fn uses_own_directories(&self) -> bool {
        match self {
            Self::Export(options) => options.nonce.is_empty(),
            Self::Hook { .. }
            | Self::Leave
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Help { .. }
            | Self::Version
            | Self::Schema
            | Self::Doctor { .. }
            | Self::Installation { .. }
            | Self::PromptCommands { .. }
            | Self::ReportEnvironment => false,
            _ => true,
        }
    }

    /// Returns how the command may use the lockfile and the network.
    pub fn locking(&self) -> Locking {
        match self {
            Self::Allow { locking, .. }
            | Self::Init { locking, .. }
            | Self::Watch { locking, .. } => *locking,
            Self::Explain(options) => options.locking,
            Self::Search { network, .. } | Self::Verify { network, .. } => Locking {
                locked: false,
                network: *network,
            },
            _ => {
                let options = self.project_options();
                options.map(|options| options.locking).unwrap_or_default()
            }
        }
    }

    const fn project_options(&self) -> Option<&Trust> {
        match self {
            Self::Enter { trust, .. } | Self::Outdated { trust, .. } | Self::Ci { trust, .. } => {
                Some(trust)
            }
            Self::Cache { command } => command.project_options(),
            Self::Export(options) => Some(&options.trust),
            Self::Run(options) => Some(&options.trust),
            Self::Lock(options) => Some(&options.trust),
            Self::Sync(options) => Some(&options.trust),
            Self::Image(command) => Some(&command.options().trust),
            Self::Add(options) | Self::Remove(options) => Some(&options.trust),
            _ => None,
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
    #[arg(long, value_name = "DEV_SHELL", default_value = "dev", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: String,
    /// Print the environment if it is ready, otherwise nothing; never wait and never fail
    #[arg(long, conflicts_with_all = ["shell", "trust"])]
    pub no_wait: bool,
    /// The memory of the hook
    #[arg(long, hide = true, default_value = "")]
    pub loaded: String,
    /// Names of the checks that the host shell has
    #[arg(long, hide = true, default_value = "", value_name = "NAMES")]
    pub checks: String,
    /// The mark that the hook expects
    #[arg(long, hide = true, default_value = "")]
    pub nonce: String,
    /// `PATH` after the last run
    #[arg(long, hide = true, default_value = "", value_name = "LIST")]
    pub path: OsString,
    /// Entries that were taken from `PATH`
    #[arg(long, hide = true, default_value = "", value_name = "LIST")]
    pub gone: OsString,
    #[command(flatten)]
    pub trust: Trust,
}

/// Options of `lock`.
#[derive(Debug, Args)]
pub struct Lock {
    /// Choose the newest allowed version of this tool, or of all
    #[arg(long, value_name = "TOOL", num_args = 0.., conflicts_with = "check", add = ArgValueCandidates::new(candidates::tools))]
    pub upgrade: Option<Vec<String>>,
    /// Only check that the lockfile fits the manifest
    #[arg(long)]
    pub check: bool,
    /// Merge the lockfiles of two branches into the second file, as a merge driver of Git
    #[arg(long, num_args = 3, value_names = ["BASE", "OURS", "THEIRS"], conflicts_with_all = ["upgrade", "check"])]
    pub merge: Option<Vec<PathBuf>>,
    #[command(flatten)]
    pub trust: Trust,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A tool, package, variable, alias, setting or path [default: all]
    #[arg(add = ArgValueCandidates::new(candidates::subjects))]
    pub name: Option<String>,
    /// The dev shell
    #[arg(long, value_name = "DEV_SHELL", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub locking: Locking,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The dev shell
    #[arg(long, value_name = "DEV_SHELL", default_value = "dev", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: String,
    /// Keep only a few variables of the host shell (HOME, TERM, LANG and such) and the system's PATH
    #[arg(long)]
    pub pure: bool,
    /// With --pure, keep this variable too
    #[arg(long, value_name = "NAME", requires = "pure")]
    pub keep: Vec<String>,
    /// Run the command also if parts of the dev shell are missing
    #[arg(long)]
    pub partial: bool,
    /// Fail unless the dev shell has this environment id, as `devsh status -v` shows it
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
    /// Remove the oldest entries until the rest has this size (10G)
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
    #[arg(long, value_name = "DEV_SHELL", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: Option<String>,
    /// Change your own manifest, which only you have
    #[arg(long)]
    pub personal: bool,
    /// Do not build the dev shell
    #[arg(long)]
    pub no_sync: bool,
    #[command(flatten)]
    pub trust: Trust,
}

/// The options of commands that use a project.
#[derive(Debug, Args, Clone, Copy)]
pub struct Trust {
    /// Trust the project's content for this command, as a CI job does
    #[arg(long, display_order = 89)]
    pub trust: bool,
    #[command(flatten)]
    pub locking: Locking,
}

/// Options of `sync`.
#[derive(Debug, Args)]
pub struct Sync {
    /// Build only this dev shell
    #[arg(long, value_name = "DEV_SHELL", add = ArgValueCandidates::new(candidates::shells))]
    pub shell: Option<String>,
    /// Push what was built to the caches with `push = true`
    #[arg(long)]
    pub push: bool,
    /// Supervise a build for a prompt that saw these inputs
    #[arg(long, hide = true, value_name = "BASIS", requires = "shell")]
    pub background: Option<String>,
    /// Build for a prompt, without running or writing files of the project
    #[arg(long, hide = true, requires = "shell")]
    pub worker: bool,
    #[command(flatten)]
    pub trust: Trust,
}

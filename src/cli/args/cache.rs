//! The options of `devsh cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::Trust;

/// The commands of `cache`.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Build the project and push it to the caches with `push = true`
    #[command(after_help = "Example:\n  devsh cache push --to file:///srv/devsh")]
    Push(CachePush),
    /// Write a bundle with everything that the project needs, for machines without a network
    #[command(after_help = "Example:\n  devsh cache export /media/stick/devsh")]
    Export {
        /// The directory of the bundle
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        bundle: PathBuf,
        /// Everything in the store instead of the project
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        trust: Trust,
    },
    /// List the built objects in the caches
    #[command(after_help = "Example:\n  devsh cache list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        trust: Trust,
    },
    /// Show the caches, their keys and whether they answer
    #[command(after_help = "Example:\n  devsh cache info")]
    Info {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        trust: Trust,
    },
    /// Download everything in the caches and check it
    #[command(after_help = "Example:\n  devsh cache verify")]
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        trust: Trust,
    },
    /// Make a key that signs built objects
    #[command(after_help = "Example:\n  devsh cache key new team-1")]
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
}

/// The commands of `cache key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key, keep it in your configuration and print its public part
    New {
        /// The name of the key, such as `team-1`
        name: String,
    },
}

/// Options of `cache push`.
#[derive(Debug, Args)]
pub struct CachePush {
    /// Objects of the store, by names or their first letters [default: what the project needs]
    #[arg(value_name = "OBJECT", conflicts_with = "all")]
    pub objects: Vec<String>,
    /// Everything in the store
    #[arg(long)]
    pub all: bool,
    /// The cache [default: those with `push = true`]
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub trust: Trust,
}

impl CacheCommand {
    pub(super) const fn project_options(&self) -> Option<&Trust> {
        match self {
            Self::Push(options) => Some(&options.trust),
            Self::Export { trust, .. }
            | Self::List { trust, .. }
            | Self::Info { trust, .. }
            | Self::Verify { trust, .. } => Some(trust),
            Self::Key { .. } => None,
        }
    }
}

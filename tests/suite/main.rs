//! The end-to-end tests: one binary, a module for each command or promise.
//!
//! Every test runs the built program in its own `support::Sandbox`; none sees the developer's home,
//! locale or network. The group that needs the network runs with `DEVSH_TEST_NETWORK=1` only.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "helpers of tests count as plain code"
)]

mod access;
mod addresses;
mod applications;
mod background;
mod cache;
mod ci;
mod command_output;
mod commands;
mod completions;
mod compose;
mod conda;
mod corpus;
mod crates;
mod docs;
mod edit;
mod enter;
mod errors;
mod explain;
mod export_formats;
mod extends;
mod help;
mod hook_change_detection;
mod hook_coexistence;
mod hook_contract;
mod hook_many_files;
mod hook_nested_shells;
mod hook_options;
mod hook_other_tools;
mod hook_output;
mod hook_random_walks;
mod hook_required;
mod hook_scripts;
mod hook_source;
mod hook_source_bash;
mod hook_status;
mod hook_survival;
mod hook_undo;
mod images;
mod init;
mod layouts;
mod lints;
mod lock;
mod network;
mod network_cache;
mod network_ci;
mod network_conda;
mod network_images;
mod network_lock;
mod network_tools;
mod npm;
mod package_wheels;
mod partial;
mod prompt_lines;
mod python_groups;
mod python_packages;
mod reads;
mod releases;
mod reliability;
mod run;
mod security;
mod signatures;
mod sources;
mod status;
mod store;
mod support;
mod tidy;
mod toolchains;
mod tools;
mod tools_page;
mod trust;
mod trust_denial;
mod trust_model;
mod trust_python;
mod uninstall;
mod verify;
mod version_lists;
mod zero_config;

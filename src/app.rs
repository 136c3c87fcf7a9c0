//! Use cases: what commands and the prompt do, without the command line and without printing.

pub mod background;
pub mod build_request;
pub mod crash_cleanup;
pub mod edit_manifest;
pub mod fetch_extends;
pub mod gc_roots;
pub mod lockfiles;
pub mod missing_vars;
pub mod npm_tools;
pub mod prepare_env;
pub mod pure_env;
pub mod python_packages;
pub mod python_tools;
pub mod query_versions;
pub mod session;
pub mod tool_report;
pub mod venv_link;

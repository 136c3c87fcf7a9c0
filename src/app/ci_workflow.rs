//! A workflow for the continuous integration of a project.

use crate::{manifest::ShellName, package::System, report::failure::Failure};

use super::session::Session;

/// The service that runs a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiService {
    Github,
    Gitlab,
}

/// The optional steps.
#[derive(Debug, Clone, Copy)]
pub struct WorkflowOptions<'a> {
    /// The address of the cache.
    pub push_cache: Option<&'a str>,
    /// The reference of the image.
    pub push_image: Option<&'a str>,
}

/// A dev shell in a workflow, with the command that its job runs.
struct Job {
    shell: ShellName,
    command: &'static str,
}

/// Returns the text of the workflow.
pub fn workflow(
    session: &Session<'_>,
    service: CiService,
    options: WorkflowOptions<'_>,
) -> Result<String, Failure> {
    let project = session.project()?;
    let manifest = project.preview();
    let jobs: Vec<Job> = manifest
        .shells
        .keys()
        .map(|shell| Job {
            command: command_of(&project.place.root, shell),
            shell: shell.clone(),
        })
        .collect();
    Ok(match service {
        CiService::Github => github(&jobs, options),
        CiService::Gitlab => gitlab(&jobs, options),
    })
}

/// Returns the usual command for a dev shell, by the files of the project.
fn command_of(root: &std::path::Path, shell: &ShellName) -> &'static str {
    let has = |name: &str| root.join(name).exists();
    match shell.as_str() {
        "lint" if has("Cargo.toml") => "cargo clippy --locked",
        "lint" if has("pyproject.toml") => "ruff check",
        _ if has("Cargo.toml") => "cargo test --locked",
        _ if has("go.mod") => "go test ./...",
        _ if has("package.json") => "npm test",
        _ if has("pyproject.toml") || has("requirements.txt") => "python -m pytest",
        _ => "env",
    }
}

/// The command that writes the settings of the cache for a job.
const USE_CACHE: &str = "mkdir -p ~/.config/devsh && printf '[[caches]]\\nurl = \"%s\"\\npush = true\\n' \"$DEVSH_CACHE\" >> ~/.config/devsh/config.toml";

/// The commands that install a released binary and check it.
const INSTALL: [&str; 5] = [
    "curl -fsSLO \"$DEVSH_RELEASES/v$DEVSH_VERSION/devsh-$DEVSH_TARGET.tar.gz\"",
    "echo \"$DEVSH_SHA256  devsh-$DEVSH_TARGET.tar.gz\" | sha256sum -c -",
    "mkdir -p \"$HOME/.local/bin\"",
    "tar -xzf \"devsh-$DEVSH_TARGET.tar.gz\" -C \"$HOME/.local/bin\" --strip-components 1",
    "export PATH=\"$HOME/.local/bin:$PATH\"",
];

fn target() -> String {
    System::LinuxX86_64.triple().replace("-gnu", "-musl")
}

/// The first lines: where devsh comes from.
fn variables(indent: &str, options: WorkflowOptions<'_>) -> String {
    let mut lines = vec![
        "# The releases of devsh, its version, and the SHA-256 of the archive as the release page has it.".to_owned(),
        "DEVSH_RELEASES: https://github.com/OWNER/devsh/releases/download".to_owned(),
        format!("DEVSH_VERSION: \"{}\"", env!("CARGO_PKG_VERSION")),
        format!("DEVSH_TARGET: {}", target()),
        "DEVSH_SHA256: REPLACE_WITH_THE_CHECKSUM".to_owned(),
    ];
    lines.extend(options.push_cache.map(|url| format!("DEVSH_CACHE: {url}")));
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("{indent}{line}\n"))
        .collect();
    lines.concat()
}

fn github(jobs: &[Job], options: WorkflowOptions<'_>) -> String {
    let mut text = vec!["name: devsh\non:\n  push:\n  pull_request:\nenv:\n".to_owned()];
    text.push(variables("  ", options));
    text.push("jobs:\n".to_owned());
    for job in jobs {
        let shell = &job.shell;
        text.push(format!(
            "  {shell}:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n"
        ));
        text.push("      - name: Install devsh\n        run: |\n".to_owned());
        for line in &INSTALL[..4] {
            text.push(format!("          {line}\n"));
        }
        text.push("          echo \"$HOME/.local/bin\" >> \"$GITHUB_PATH\"\n".to_owned());
        if options.push_cache.is_some() {
            text.push(format!("          {USE_CACHE}\n"));
        }
        text.push(String::from(concat!(
            "      - uses: actions/cache@v4\n        with:\n",
            "          path: ~/.local/share/devsh/store\n",
            "          key: devsh-${{ runner.os }}-${{ hashFiles('**/devshell.lock') }}\n",
            "          restore-keys: devsh-${{ runner.os }}-\n",
        )));
        text.push(format!(
            "      - run: devsh run --locked --trust --shell {shell} -- {}\n",
            job.command
        ));
        let is_main = "github.ref_name == github.event.repository.default_branch";
        if options.push_cache.is_some() {
            text.push(format!(
                "      - name: Push to the cache\n        if: {is_main}\n        env:\n"
            ));
            for name in [
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "DEVSH_SIGNING_KEY",
            ] {
                text.push(format!("          {name}: ${{{{ secrets.{name} }}}}\n"));
            }
            text.push(format!(
                "        run: devsh sync --locked --trust --shell {shell} --push\n"
            ));
        }
        if let Some(image) = options.push_image
            && *shell == ShellName::dev()
        {
            text.push(format!(
                "      - name: Push the image\n        if: {is_main}\n        run: devsh image push {image}\n"
            ));
        }
    }
    text.concat()
}

fn gitlab(jobs: &[Job], options: WorkflowOptions<'_>) -> String {
    let mut text = vec!["variables:\n".to_owned()];
    text.push(variables("  ", options));
    text.push("  # GitLab caches only files below the project.\n".to_owned());
    text.push("  XDG_DATA_HOME: $CI_PROJECT_DIR/.cache/data\n".to_owned());
    text.push("default:\n  image: debian:12\n  before_script:\n".to_owned());
    text.push(
        "    - apt-get update -qq && apt-get install -y -qq ca-certificates curl >/dev/null\n"
            .to_owned(),
    );
    for line in INSTALL {
        text.push(format!("    - '{line}'\n"));
    }
    text.push(String::from(concat!(
        "    # The checkout belongs to another user than the job.\n",
        "    - mkdir -p ~/.config/devsh\n",
        "    - 'printf \"[trust]\\nshared = [\\\"%s\\\"]\\n\" \"$CI_PROJECT_DIR\" >> ~/.config/devsh/config.toml'\n",
    )));
    if options.push_cache.is_some() {
        text.push(format!("    - |\n      {USE_CACHE}\n"));
    }
    text.push(
        "  cache:\n    key:\n      files: [devshell.lock]\n    paths: [.cache/data/devsh/store]\n"
            .to_owned(),
    );
    for job in jobs {
        let shell = &job.shell;
        text.push(format!(
            "devsh-{shell}:\n  script:\n    - devsh run --locked --trust --shell {shell} -- {}\n",
            job.command
        ));
        let is_main = "[ \"$CI_COMMIT_BRANCH\" != \"$CI_DEFAULT_BRANCH\" ]";
        if options.push_cache.is_some() {
            text.push(format!(
                "    - '{is_main} || devsh sync --locked --trust --shell {shell} --push'\n"
            ));
        }
        if let Some(image) = options.push_image
            && *shell == ShellName::dev()
        {
            text.push(format!("    - '{is_main} || devsh image push {image}'\n"));
        }
    }
    text.concat()
}

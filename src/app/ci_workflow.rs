//! A workflow for the continuous integration of a project.

use std::path::Path;

use crate::{
    fetch::registry::Reference,
    manifest::ShellName,
    package::{CachePlace, System},
    report::failure::Failure,
};

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

/// The checked content of a workflow. No text of the project gets into it, except for names of dev shells, which have
/// lower-case letters, digits, `-` and `_`.
struct Workflow {
    jobs: Vec<Job>,
    push_cache: Option<String>,
    push_image: Option<String>,
}

/// Returns the text of the workflow.
pub fn workflow(
    session: &Session<'_>,
    service: CiService,
    options: WorkflowOptions<'_>,
) -> Result<String, Failure> {
    let project = session.project()?;
    let root = &project.place.root;
    let shells = project.preview().shells.keys();
    let workflow = Workflow {
        jobs: shells
            .map(|shell| Job {
                command: command_of(root, shell),
                shell: shell.clone(),
            })
            .collect(),
        push_cache: options.push_cache.map(cache_address).transpose()?,
        push_image: options.push_image.map(image_name).transpose()?,
    };
    Ok(match service {
        CiService::Github => workflow.github(),
        CiService::Gitlab => workflow.gitlab(),
    })
}

/// Returns an address that needs no quoting in YAML, in a shell and in TOML.
fn cache_address(text: &str) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/%+".contains(&byte);
    let writable = match CachePlace::parse(text) {
        Some(CachePlace::Web(_)) | None => false,
        Some(_) => text.bytes().all(plain),
    };
    if writable {
        return Ok(text.to_owned());
    }
    Err(
        Failure::new(format!("a workflow cannot push to the cache `{text}`"))
            .hint("write `s3://bucket/prefix`, `oci://registry/repository` or `file:///path`"),
    )
}

fn image_name(text: &str) -> Result<String, Failure> {
    let name: Reference = text.parse()?;
    Ok(name.to_string())
}

/// Returns the usual command for a dev shell, by its name and the files of the project. A dev shell for something else
/// is only built.
fn command_of(root: &Path, shell: &ShellName) -> &'static str {
    let has = |name: &str| root.join(name).exists();
    match shell.as_str() {
        "lint" if has("Cargo.toml") => "cargo clippy --locked",
        "lint" if has("pyproject.toml") => "ruff check",
        "dev" | "test" if has("Cargo.toml") => "cargo test --locked",
        "dev" | "test" if has("go.mod") => "go test ./...",
        "dev" | "test" if has("package.json") => "npm test",
        "dev" | "test" if has("pyproject.toml") || has("requirements.txt") => "python -m pytest",
        _ => "true",
    }
}

/// Installs the program of a released archive whose SHA-256 is right.
const INSTALL: &str = r#"archive=$(mktemp)
curl -fsSL -o "$archive" "$DEVSH_RELEASES/v$DEVSH_VERSION/devsh-$DEVSH_TARGET.tar.gz"
echo "$DEVSH_SHA256  $archive" | sha256sum -c -
mkdir -p "$HOME/.local/bin"
tar -xzf "$archive" -C "$HOME/.local/bin" --strip-components 1 "devsh-$DEVSH_TARGET/devsh""#;

/// Lets `--push` write to the cache of the workflow.
const USE_CACHE: &str = r#"mkdir -p ~/.config/devsh
printf '[[caches]]\nurl = "%s"\npush = true\n' "$DEVSH_CACHE" >> ~/.config/devsh/config.toml"#;

/// Gives `devsh image push` the login of the registry.
const USE_LOGIN: &str = r#"export REGISTRY_AUTH_FILE="$HOME/.devsh-registry-login.json"
(umask 077 && printf '%s' "$DOCKER_AUTH_CONFIG" > "$REGISTRY_AUTH_FILE")"#;

/// Pushes an image that says which revision of which source it is.
fn push_image(image: &str, source: &str, revision: &str) -> String {
    let label = "--label org.opencontainers.image";
    format!(
        "devsh image push --locked --trust {image} \\\n  {label}.source=\"{source}\" \\\n  {label}.revision=\"{revision}\""
    )
}

/// Lets the job use a checkout that belongs to another user.
const SHARE_CHECKOUT: &str = r#"mkdir -p ~/.config/devsh
printf '[trust]\nshared = ["%s"]\n' "$CI_PROJECT_DIR" >> ~/.config/devsh/config.toml"#;

/// Makes a directory below the checkout a cache: its files are used only with the digests of the lockfile.
const USE_DIRECTORY: &str = r#"printf '[[caches]]\nurl = "file://%s/.cache/devsh"\npush = true\n' "$CI_PROJECT_DIR" >> ~/.config/devsh/config.toml"#;

/// The secrets that a push to a cache may need.
const CACHE_SECRETS: [&str; 3] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "DEVSH_SIGNING_KEY",
];

/// The text of a workflow, line by line.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Adds lines with this indentation.
    fn add(&mut self, indentation: usize, text: &str) {
        for line in text.lines() {
            self.0.push_str(&" ".repeat(indentation));
            self.0.push_str(line);
            self.0.push('\n');
        }
    }
}

impl Workflow {
    /// Adds the variables that say where devsh comes from.
    fn add_variables(&self, lines: &mut Lines) {
        let target = System::LinuxX86_64.triple().replace("-gnu", "-musl");
        let version = env!("CARGO_PKG_VERSION");
        lines.add(
            2,
            &format!(
                "# The releases of devsh, and the SHA-256 of the archive as the release page has it.\n\
                 DEVSH_RELEASES: \"https://github.com/OWNER/devsh/releases/download\"\n\
                 DEVSH_VERSION: \"{version}\"\n\
                 DEVSH_TARGET: \"{target}\"\n\
                 DEVSH_SHA256: \"REPLACE_WITH_THE_CHECKSUM\""
            ),
        );
        if let Some(url) = &self.push_cache {
            lines.add(2, &format!("DEVSH_CACHE: \"{url}\""));
        }
    }

    fn github(&self) -> String {
        let mut lines = Lines::default();
        lines.add(
            0,
            "name: devsh\non:\n  push:\n  pull_request:\npermissions:\n  contents: read\nenv:",
        );
        self.add_variables(&mut lines);
        lines.add(0, "jobs:");
        for job in &self.jobs {
            self.add_github_job(&mut lines, job);
        }
        lines.0
    }

    fn add_github_job(&self, lines: &mut Lines, Job { shell, command }: &Job) {
        const ON_MAIN: &str = "if: github.event_name == 'push' && github.ref_name == github.event.repository.default_branch";
        lines.add(2, &format!("devsh-{shell}:"));
        lines.add(
            4,
            "runs-on: ubuntu-latest\nsteps:\n  - uses: actions/checkout@v4\n  - name: Install devsh\n    run: |",
        );
        lines.add(10, INSTALL);
        lines.add(10, r#"echo "$HOME/.local/bin" >> "$GITHUB_PATH""#);
        lines.add(
            6,
            // Jobs with one key would keep only the store of the first that ends.
            &format!(
                "- uses: actions/cache@v4\n  with:\n    path: ~/.local/share/devsh/store\n    \
                 key: devsh-${{{{ runner.os }}}}-{shell}-${{{{ hashFiles('**/devshell.lock') }}}}\n    \
                 restore-keys: devsh-${{{{ runner.os }}}}-{shell}-"
            ),
        );
        lines.add(
            6,
            &format!("- run: devsh run --locked --trust --shell {shell} -- {command}"),
        );
        let secret = |name: &str| format!("{name}: ${{{{ secrets.{name} }}}}");
        if self.push_cache.is_some() {
            lines.add(6, "- name: Push to the cache");
            lines.add(8, ON_MAIN);
            lines.add(8, "env:");
            for name in CACHE_SECRETS {
                lines.add(10, &secret(name));
            }
            lines.add(8, "run: |");
            lines.add(10, USE_CACHE);
            lines.add(
                10,
                &format!("devsh sync --locked --trust --shell {shell} --push"),
            );
        }
        if let Some(image) = &self.push_image
            && *shell == ShellName::dev()
        {
            lines.add(6, "- name: Push the image");
            lines.add(8, ON_MAIN);
            lines.add(8, "env:");
            lines.add(10, &secret("DOCKER_AUTH_CONFIG"));
            lines.add(8, "run: |");
            lines.add(10, USE_LOGIN);
            lines.add(
                10,
                &push_image(
                    image,
                    "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY",
                    "$GITHUB_SHA",
                ),
            );
        }
    }

    fn gitlab(&self) -> String {
        const ON_MAIN: &str = r#"if [ "$CI_COMMIT_BRANCH" = "$CI_DEFAULT_BRANCH" ]; then"#;
        let mut lines = Lines::default();
        lines.add(0, "variables:");
        self.add_variables(&mut lines);
        lines.add(
            0,
            "default:\n  image: debian:12\n  before_script:\n    - |\n      \
             apt-get update -qq\n      apt-get install -y -qq ca-certificates curl >/dev/null",
        );
        lines.add(4, "- |");
        lines.add(6, INSTALL);
        lines.add(6, r#"export PATH="$HOME/.local/bin:$PATH""#);
        lines.add(
            4,
            "# The checkout belongs to another user than the job.\n- |",
        );
        lines.add(6, SHARE_CHECKOUT);
        lines.add(4, "# GitLab caches only files below the project, and a commit could bring some: devsh compares them.\n- |");
        lines.add(6, USE_DIRECTORY);
        lines.add(
            2,
            "cache:\n  key:\n    files: [devshell.lock]\n    prefix: $CI_JOB_NAME\n  paths: [.cache/devsh]",
        );
        for Job { shell, command } in &self.jobs {
            lines.add(0, &format!("devsh-{shell}:"));
            lines.add(
                2,
                &format!(
                    "script:\n  - devsh sync --locked --trust --shell {shell} --push\n  - \
                     devsh run --locked --trust --shell {shell} -- {command}"
                ),
            );
            if self.push_cache.is_some() {
                lines.add(4, &format!("- |\n  {ON_MAIN}"));
                lines.add(8, USE_CACHE);
                lines.add(
                    8,
                    &format!("devsh sync --locked --trust --shell {shell} --push"),
                );
                lines.add(6, "fi");
            }
            if let Some(image) = &self.push_image
                && *shell == ShellName::dev()
            {
                lines.add(4, &format!("- |\n  {ON_MAIN}"));
                lines.add(8, USE_LOGIN);
                lines.add(8, &push_image(image, "$CI_PROJECT_URL", "$CI_COMMIT_SHA"));
                lines.add(6, "fi");
            }
        }
        lines.0
    }
}

//! Each form of each file, and each line that has no form in a manifest.

use super::*;

fn imported(name: &str, text: &str) -> ImportedSettings {
    let inner = |name: &str| {
        (name == "lib/.envrc").then(|| Text::new(name, "PATH_add bin\nexport INNER=1\n"))
    };
    import(&Text::new(name, text), &inner)
}

/// Returns the manifest without its comment, and the lines that were left.
fn written(name: &str, text: &str) -> (String, Vec<String>) {
    let settings = imported(name, text);
    let text = init_template(
        &[],
        &ImportedSettings {
            left: Vec::new(),
            enter: Vec::new(),
            ..settings.clone()
        },
    );
    let left = settings.left.iter().chain(&settings.enter);
    let left = left.map(|one| format!("{}: {}", one.origin.line, one.value));
    let body = text.lines().skip(1).filter(|line| !line.is_empty());
    (body.collect::<Vec<_>>().join("\n"), left.collect())
}

#[test]
fn scripts_of_pipenv_become_aliases() {
    let file = "[packages]\nflask = \"*\"\n[scripts]\nserve = \"flask run --debug\"\n\
        seed = { call = \"tools:seed()\" }\nlines = \"\"\"a\nb\"\"\"\n";
    let (manifest, left) = written("Pipfile", file);
    assert_eq!(manifest, "[aliases]\nserve = \"flask run --debug\"");
    assert_eq!(
        left,
        [
            "5: the script `seed` calls a function: run it with `python -c`",
            "6: the task `lines` has several lines: write a script for it",
        ]
    );
}

#[test]
fn lines_of_direnv_that_declare_something_become_a_manifest() {
    for (line, expected) in [
        (
            "export A=1 B='two words'",
            "[env]\nA = \"1\"\nB = \"two words\"",
        ),
        ("A=1\nexport A", "[env]\nA = \"1\""),
        ("export A=\"x # y\" # note", "[env]\nA = \"x # y\""),
        ("export A='$5'", "[env]\nA = \"$$5\""),
        (
            "export A=$PWD/x B=$(pwd)/y C=${PWD}",
            "[env]\nA = \"${root}/x\"\nB = \"${root}/y\"\nC = \"${root}\"",
        ),
        ("export A=~/x:$HOME/y", "[env]\nA = \"${HOME}/x:${HOME}/y\""),
        ("export A=${A:-text}", "[env]\nA = { default = \"text\" }"),
        ("export A=${B:-text}", "[env]\nA = \"${B:-text}\""),
        (
            "export A=one \
  B=two",
            "[env]
A = \"one\"
B = \"two\"",
        ),
        (
            "export PATH=$PWD/bin:node_modules/.bin:$PATH",
            "[env]\nPATH = { prepend = [\"./bin\", \"./node_modules/.bin\"] }",
        ),
        (
            "PATH_add bin\nPATH_add \"$PWD/scripts\"",
            "[env]\nPATH = { prepend = [\"./bin\", \"./scripts\"] }",
        ),
        (
            "path_add MY_DIRS share",
            "[env]\nMY_DIRS = { prepend = [\"./share\"] }",
        ),
        (
            "layout node",
            "[env]\nPATH = { prepend = [\"./node_modules/.bin\"] }",
        ),
        ("unset A", "[env]\nA = { unset = true }"),
        (
            "env_vars_required A",
            "[env]\nA = { required = \"set it in your own shell\" }",
        ),
        (
            "dotenv\ndotenv_if_exists .env.local",
            "[env-files]\nload = [\".env\"]\noptional = [\".env.local\"]",
        ),
        (
            "source_env lib",
            "[env]\nINNER = \"1\"\nPATH = { prepend = [\"./lib/bin\"] }",
        ),
        (
            "use node 22\nlayout python python3.12",
            "[tools]\nnode = \"22\"\npython = \"3.12\"",
        ),
        (
            "layout poetry\nuse mise\nwatch_file x\nset -eu\nstrict_env",
            "",
        ),
    ] {
        let (text, left) = written(".envrc", line);
        assert_eq!(text, expected, "{line}");
        assert!(left.is_empty(), "{line}: {left:?}");
    }
}

#[test]
fn lines_of_direnv_that_only_a_shell_can_run_have_a_place() {
    for (line, expected) in [
        ("export A=$(date)", &["1: export A=$(date)"][..]),
        ("\nexport A=`date`", &["2: export A=`date`"]),
        ("A=1", &["1: `A` is not exported"]),
        (
            "use flake",
            &["1: `use flake`: name the tools in `[tools]`"],
        ),
        (
            "source_up",
            &["1: `source_up`: write `extends = [\"..\"]` if the directory above has a manifest"],
        ),
        (
            "dotenv ../.env",
            &["1: `../.env` is outside of the project"],
        ),
        (
            "source_env ../x",
            &["1: `source_env ../x` needs a function of direnv"],
        ),
        (
            "if [ -f x ]; then\n  export A=1\nfi\nexport B=\"$(x)\"",
            &[
                "1: if [ -f x ]; then\n  export A=1\nfi",
                "4: export B=\"$(x)\"",
            ],
        ),
        (
            "if has nix; then\n  use flake\nfi",
            &["1: `if has nix; then` needs a function of direnv"],
        ),
        ("echo hi; export A=1", &["1: echo hi; export A=1"]),
        ("export A=${A%x}", &["1: export A=${A%x}"]),
    ] {
        let (text, left) = written(".envrc", line);
        assert_eq!(
            (text.as_str(), left.as_slice()),
            (
                "",
                &*expected
                    .iter()
                    .map(|one| (*one).to_owned())
                    .collect::<Vec<_>>()
            ),
            "{line}"
        );
    }
}

#[test]
fn settings_of_mise_become_a_manifest() {
    let text = "[tools]\nnode = '22'\n[env]\nA = 'x'\nPORT = 80\nGONE = false\nKEY = { required = 'ask' }\n\
        ROOT = '{{config_root}}/x{{env.HOME}}'\nNOW = '{{exec(command=\"date\")}}'\n\
        _.path = ['{{config_root}}/bin', './tools']\n_.file = '.env'\n_.source = 'x.sh'\n\
        [shell_alias]\nll = 'ls -l'\n[tasks]\nt = 'pytest -x'\n[tasks.b]\nrun = ['a', 'b']\n[hooks]\nenter = 'x'\n";
    let (text, left) = written("mise.toml", text);
    assert_eq!(
        text,
        "[env]\nA = \"x\"\nGONE = { unset = true }\nKEY = { required = \"ask\" }\n\
         PATH = { prepend = [\"./bin\", \"./tools\"] }\nPORT = \"80\"\nROOT = \"${root}/x${HOME}\"\n\
         [env-files]\noptional = [\".env\"]\n[aliases]\nll = \"ls -l\"\nt = \"pytest -x\""
    );
    assert_eq!(
        left,
        [
            "9: `NOW` is a template of mise",
            "12: `_.source` has no form in a manifest",
            "17: the task `b` is more than one command: run it with mise, or use `just`",
            "19: `hooks` has no form in a manifest"
        ]
    );
}

#[test]
fn data_of_devbox_pixi_and_conda_becomes_a_manifest() {
    let devbox = r#"{ "packages": ["go@1.24", "nodejs@22", "nosuch-package"],
 "env": { "A": "$PWD/x" },
 "shell": { "init_hook": ["echo hi"], "scripts": { "t": "go test" } } }"#;
    let (text, left) = written("devbox.json", devbox);
    assert_eq!(
        text,
        "[tools]\ngo = \"1.24\"\nnode = \"22\"\n[env]\nA = \"${root}/x\"\n[aliases]\nt = \"go test\""
    );
    assert_eq!(
        left,
        [
            "1: devsh has no tool `nosuch-package`: look with `devsh search nosuch-package`",
            "3: echo hi"
        ]
    );
    let pixi = "[workspace]\nname = 'x'\nchannels = ['conda-forge']\n[dependencies]\npython = '3.12.*'\n\
        postgresql = '>=16'\n[pypi-dependencies]\nhttpx = { version = '>=0.27', extras = ['http2'] }\nown = { path = '.' }\n\
        [tasks]\nt = 'pytest'\nb = { cmd = 'x', depends-on = ['t'] }\n[activation.env]\nA = '1'\n[feature.x]\n";
    let (text, left) = written("pixi.toml", pixi);
    assert_eq!(
        text,
        "[python]\nfrom = \"conda\"\npackages = [\"httpx[http2]>=0.27\"]\n[conda]\n\
         packages = [\"python 3.12.*\", \"postgresql >=16\"]\n[env]\nA = \"1\"\n[aliases]\nt = \"pytest\""
    );
    assert_eq!(
        left,
        [
            "9: the source of `own` has no form in a manifest",
            "12: the task `b` is more than one command",
            "15: no environment has the feature `x`"
        ]
    );
    let conda = "name: x\nchannels: [conda-forge]\ndependencies:\n- python=3.11\n- conda-forge::zlib=1.3=h0\n- pip\n- pip:\n  - httpx>=0.27\n  - -e .\n\
        variables:\n  A: one\n";
    let (text, left) = written("environment.yml", conda);
    assert_eq!(
        text,
        "[python]\nfrom = \"conda\"\npackages = [\"httpx>=0.27\"]\n[conda]\n\
         packages = [\"python=3.11\", \"conda-forge::zlib=1.3=h0\"]\n[env]\nA = \"one\""
    );
    assert_eq!(
        left,
        ["9: an option or path of pip has no form in a manifest"]
    );
    let anaconda = "channels: [pytorch, defaults]\ndependencies: [numpy]\n";
    assert_eq!(
        written("environment.yml", anaconda).0,
        "[conda]\nchannels = [\"pytorch\", \"https://repo.anaconda.com/pkgs/main\", \
         \"https://repo.anaconda.com/pkgs/r\"]\npackages = [\"numpy\"]"
    );
}

#[test]
fn environments_of_pixi_become_dev_shells() {
    let pixi = "[feature.test.pypi-dependencies]\npytest = '*'\n[feature.test.tasks]\nt = 'pytest'\n\
        [feature.lint.dependencies]\nnodejs = '22.*'\n[feature.lint.target.unix.tasks]\nl = 'x'\n[feature.more.activation.env]\nB = '2'\n\
        [environments]\ndefault = ['more']\nci_test = { features = ['test', 'more'], solve-group = 'default' }\n\
        lint = { features = ['lint'], no-default-feature = true }\n";
    let shells = "[env]\nB = \"2\"\n\
        [shells.ci-test.python]\npackages = [\"pytest\"]\n[shells.ci-test.env]\nB = \"2\"\n\
        [shells.ci-test.aliases]\nt = \"pytest\"\n\
        [shells.lint]\nstandalone = true\n[shells.lint.tools]\nnode = \"22.*\"";
    let left = ["7: `tasks` for one platform has no form in a manifest"];
    assert_eq!(
        written("pixi.toml", pixi),
        (shells.to_owned(), left.map(str::to_owned).to_vec())
    );
    let table = pixi
        .replace("[feature", "[tool.pixi.feature")
        .replace("[env", "[tool.pixi.env");
    assert_eq!(written("pyproject.toml", &table).0, shells);
}

#[test]
fn packages_of_platforms_are_for_their_systems() {
    let pixi = "[workspace]\nchannels = ['team']\n[dependencies]\nlibpq = '16.*'\ngdal = '3.*'\n\
        [target.linux-64.dependencies]\ngdal = '3.9.*'\n[target.linux.dependencies]\ngdal = '3.8.*'\n\
        [target.unix.dependencies]\nlibpq = '17.*'\n[target.win-64.dependencies]\nx = '*'\n\
        [target.osx-arm64.pypi-dependencies]\nmlx = '*'\n[target.osx.activation.env]\nA = '1'\n\
        [pypi-dependencies]\nmlx = '>=1'\n[system-requirements]\nlinux = '4.18'\nmacos = '14.0'\n\
        [feature.a.target.osx.dependencies]\nclang = '*'\n[environments]\na = { features = ['a'], no-default-feature = true }\n";
    let (text, left) = written("pixi.toml", pixi);
    assert_eq!(
        text,
        "[python]\nfrom = \"conda\"\n\
         packages = [\"mlx>=1 ; sys_platform == 'linux' or sys_platform == 'darwin' and platform_machine == 'x86_64'\", \
         \"mlx ; sys_platform == 'darwin' and platform_machine == 'arm64'\"]\n\
         [conda]\nchannels = [\"team\"]\n\
         packages = [\"gdal 3.* ; macos\", \"libpq 17.*\", \"gdal 3.8.* ; linux-aarch64\", \
         \"gdal 3.9.* ; linux-x86_64\", \"python\"]\nmacos = \"14.0\"\n\
         [shells.a]\nstandalone = true\n\
         [shells.a.conda]\nchannels = [\"team\"]\npackages = [\"clang * ; macos\"]"
    );
    assert_eq!(
        left,
        [
            "12: devsh does not run on `win-64`",
            "16: `activation` for one platform has no form in a manifest",
        ]
    );
}

#[test]
fn selectors_of_an_environment_limit_a_line() {
    let conda = "channels: [team]\ndependencies:\n- a >=1  # [linux]\n- b # [not osx]\n- c  # [arm64]\n- d # [win]\n\
        - e # [py>=3]\n- f # a comment\n- nodejs=22 # [linux64]\n";
    let (text, left) = written("environment.yml", conda);
    assert_eq!(
        text,
        "[conda]\nchannels = [\"team\"]\n\
         packages = [\"a >=1 ; linux\", \"b ; linux\", \"c ; macos-aarch64\", \"e\", \"f\", \
         \"nodejs=22 ; linux-x86_64\"]"
    );
    assert_eq!(
        left,
        [
            "6: `d` is for another system",
            "7: `# [py>=3]` is not a selector that devsh knows, so the line counts for every system",
        ]
    );
}

#[test]
fn a_lock_of_conda_has_categories_and_platforms() {
    let package = |name: &str, version: &str, manager: &str, platform: &str, category: &str| {
        format!(
            "- {{name: {name}, version: '{version}', manager: {manager}, platform: {platform}, category: {category}}}\n"
        )
    };
    let lock = [
        "metadata:\n  channels: [{url: team}]\npackage:\n",
        &package("a", "1", "conda", "linux-64", "main"),
        &package("a", "1", "conda", "osx-arm64", "main"),
        &package("b", "1", "conda", "linux-64", "dev"),
        &package("b", "2", "conda", "osx-arm64", "dev"),
        &package("c", "1", "conda", "win-64", "main"),
        &package("d", "1", "pip", "osx-arm64", "main"),
        &package("e", "1", "conda", "linux-64", "docs"),
        &package("e", "1", "conda", "osx-arm64", "docs"),
    ]
    .concat();
    let (text, left) = written("conda-lock.yml", &lock);
    assert_eq!(
        text,
        "[python]\nfrom = \"conda\"\n\
         packages = [\"d==1 ; sys_platform == 'darwin' and platform_machine == 'arm64'\"]\n\
         [conda]\nchannels = [\"team\"]\n\
         packages = [\"a ==1\", \"b ==1 ; linux-x86_64\", \"b ==2 ; macos-aarch64\", \"python\"]"
    );
    assert_eq!(
        left,
        [
            "10: the packages of the category `docs` are optional: name those that you need in a manifest"
        ]
    );
}

#[test]
fn a_variable_that_needs_a_grant_is_left() {
    let (text, left) = written(".envrc", "export LD_PRELOAD=x.so\n");
    assert_eq!(text, "");
    assert!(left[0].contains("so it needs a grant"), "{left:?}");
}

#[test]
fn files_that_source_each_other_or_lead_outside_are_read_once_or_never() {
    let reads = std::cell::RefCell::<Vec<String>>::default();
    let inner = |name: &str| {
        reads.borrow_mut().push(name.to_owned());
        Some(Text::new(name, &"source_env ..\nsource_env a\n".repeat(50)))
    };
    let text = "source_env a\nsource_env /etc\nsource_env .\n";
    import(&Text::new(".envrc", text), &inner);
    let mut reads = reads.into_inner();
    assert!(reads.iter().all(|path| path.starts_with("a/")), "{reads:?}");
    let count = reads.len();
    reads.dedup();
    assert!(reads.len() == count && count < 10, "{reads:?}");
}

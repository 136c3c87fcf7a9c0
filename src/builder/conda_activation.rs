//! The variables that conda packages set when their environment is activated.
//!
//! Their scripts run once, when the dev shell is built: in a clean environment with a directory of its own as home, and
//! without network where the system can deny it. Only the difference of the environment is kept.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use crate::{
    context::Context,
    env::{Change, VarName, grant},
    package::MacosVersion,
    util::{
        child_process::{self, ChildLimits, Outcome},
        files,
        no_network::Isolation,
        vars,
    },
};

/// Bounds of all scripts together.
const LIMITS: ChildLimits = ChildLimits {
    timeout: Duration::from_secs(30),
    output: 4 << 20,
    end_marker: None,
    own_group: false,
};
/// Longest accepted file with variables, in bytes.
const LIMIT: u64 = 1 << 20;
/// Separates the output of the scripts from the environment.
const MARK: &[u8] = b"\0devsh-environment\0";
/// Sources every script and prints the environment.
const PROGRAM: &str = "for script in \"$@\"; do . \"$script\"; done >&2; printf '\\0devsh-environment\\0'; /usr/bin/env -0";
/// Variables of the shell itself, and of the clean environment.
const OWN: [&str; 8] = [
    "HOME",
    "OLDPWD",
    "PATH",
    "PWD",
    "SHLVL",
    "TMPDIR",
    "_",
    "CONDA_PREFIX",
];
/// Variables that would change every program of the host.
const LOADER: [&str; 4] = [
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
];

/// Variables of compilers, Java and GDAL, which packages of these exist to set, with paths of the prefix only. Other
/// variables whose values host programs run as code need a grant of the manifest, so a package cannot set them.
const PACKAGE_CODE: [&str; 27] = [
    "AR",
    "AS",
    "CC",
    "CFLAGS",
    "CMAKE_ARGS",
    "CMAKE_PREFIX_PATH",
    "CPP",
    "CPPFLAGS",
    "CUDA_HOME",
    "CUDA_PATH",
    "CXX",
    "CXXFLAGS",
    "F77",
    "FC",
    "FFLAGS",
    "GDAL_DRIVER_PATH",
    "JAVA_HOME",
    "LD",
    "LDFLAGS",
    "LIBRARY_PATH",
    "NM",
    "OBJC",
    "OBJCOPY",
    "OBJDUMP",
    "PKG_CONFIG_PATH",
    "RANLIB",
    "STRIP",
];

/// Returns whether all paths in a value are below the prefix.
fn names_only(value: &OsStr, prefix: &Path) -> bool {
    let Some((value, prefix)) = value.to_str().zip(prefix.to_str()) else {
        return false;
    };
    let is_below = |path: &str| {
        let rest = path.strip_prefix(prefix);
        let below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below && !path.split('/').any(|part| part == "..")
    };
    value
        .split([' ', '\t', '\n', ':', ';', ',', '=', '"', '\''])
        .filter_map(|word| Some(&word[word.find('/')?..]))
        .all(is_below)
}

/// The scripts of one prefix.
pub(super) struct Activation<'a> {
    pub(super) prefix: &'a Path,
    pub(super) context: &'a Context,
}

impl Activation<'_> {
    /// Returns whether a package has a script.
    pub(super) fn has_scripts(&self) -> bool {
        !self.scripts().is_empty()
    }

    /// Runs the scripts and returns the changes of variables.
    pub(super) fn run(&self) -> Result<Vec<(VarName, Change)>, files::Error> {
        self.run_within(LIMITS)
    }

    fn run_within(&self, limits: ChildLimits) -> Result<Vec<(VarName, Change)>, files::Error> {
        let mut variables_after: BTreeMap<OsString, OsString> = self.static_variables();
        let scripts = self.scripts();
        let mut path = None;
        if !scripts.is_empty() {
            let before = self.environment(&[], limits)?;
            let after = self.environment(&scripts, limits)?;
            path = after.get(OsStr::new(vars::PATH)).cloned();
            variables_after.extend(
                after
                    .into_iter()
                    .filter(|(name, value)| before.get(name) != Some(value)),
            );
        }
        let kept = |name: &OsStr, value: &OsStr| {
            let text = name.to_str().unwrap_or_default();
            let of_package = PACKAGE_CODE.contains(&text) && names_only(value, self.prefix);
            let effect = grant::effect_of_value(text, &value.to_string_lossy());
            let runs_code = effect.is_some() && !of_package;
            !OWN.contains(&text) && !LOADER.contains(&text) && !runs_code
        };
        let named = variables_after
            .into_iter()
            .filter(|(name, value)| kept(name, value));
        let mut changes: Vec<(VarName, Change)> = named
            .filter_map(|(name, value)| Some((name.to_str()?.parse().ok()?, Change::Set(value))))
            .collect();
        let added = path.and_then(|path| self.added_to_path(&path));
        if let (Some(before), Ok(name)) = (added, vars::PATH.parse()) {
            let after = Vec::new();
            changes.push((name, Change::Extend { before, after }));
        }
        Ok(changes)
    }

    fn scripts(&self) -> Vec<PathBuf> {
        self.listed("etc/conda/activate.d", "sh")
    }

    /// Returns the files of a directory with this end, sorted.
    fn listed(&self, directory: &str, end: &str) -> Vec<PathBuf> {
        let listed = files::list(&self.prefix.join(directory)).unwrap_or_default();
        let named = listed
            .into_iter()
            .filter(|path| path.extension() == Some(OsStr::new(end)));
        let mut named: Vec<PathBuf> = named.collect();
        named.sort();
        named
    }

    /// Returns the variables that packages set without a script.
    fn static_variables(&self) -> BTreeMap<OsString, OsString> {
        let mut all = BTreeMap::new();
        for path in self.listed("etc/conda/env_vars.d", "json") {
            let bytes = files::read_bounded(&path, LIMIT).ok().flatten();
            let read = bytes
                .and_then(|bytes| serde_json::from_slice::<BTreeMap<String, String>>(&bytes).ok());
            let pairs = read.unwrap_or_default().into_iter();
            all.extend(pairs.map(|(name, value)| (OsString::from(name), OsString::from(value))));
        }
        all
    }

    fn path(&self) -> OsString {
        let mut path = self.prefix.join("bin").into_os_string();
        path.push(":/usr/bin:/bin");
        path
    }

    /// Returns the entries below the prefix that scripts put in front of `PATH`.
    fn added_to_path(&self, path: &OsStr) -> Option<Vec<OsString>> {
        let text = path.as_bytes().strip_suffix(self.path().as_bytes())?;
        let entries = text.split(|byte| *byte == b':').filter(|entry| {
            let entry = OsStr::from_bytes(entry);
            Path::new(entry).is_absolute() && names_only(entry, self.prefix)
        });
        let entries: Vec<OsString> = entries
            .map(|entry| OsString::from_vec(entry.to_vec()))
            .collect();
        (!entries.is_empty()).then_some(entries)
    }

    /// Returns the environment after these scripts.
    fn environment(
        &self,
        scripts: &[PathBuf],
        limits: ChildLimits,
    ) -> Result<BTreeMap<OsString, OsString>, files::Error> {
        let failed = |error: io::Error| files::at("activate", self.prefix)(error);
        let home = tempfile::tempdir().map_err(failed)?;
        let bash = self
            .bash()
            .ok_or_else(|| failed(io::Error::other("scripts of conda packages need `bash`")))?;
        let isolation = Isolation::available();
        let mut command = isolation.command(&bash);
        command
            .args(["--noprofile", "--norc", "-c", PROGRAM, "bash"])
            .args(scripts)
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .env("LANG", "C.UTF-8")
            .env(vars::CONDA_PREFIX, self.prefix)
            .env("CONDA_SHLVL", "1")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let limits = ChildLimits {
            own_group: !isolation.ends_processes(),
            ..limits
        };
        let Outcome::Exited(exited) =
            child_process::run(&mut command, limits, || false).map_err(failed)?
        else {
            return Err(failed(io::Error::other(
                "scripts of its packages take too long",
            )));
        };
        let (status, printed) = (exited.status, exited.stdout);
        let at = printed.windows(MARK.len()).rposition(|part| part == MARK);
        let Some(at) = at.filter(|_| status.success()) else {
            return Err(failed(io::Error::other(format!(
                "a script of its packages failed with {status}"
            ))));
        };
        let variables = printed[at + MARK.len()..].split(|byte| *byte == 0);
        Ok(variables
            .filter_map(|line| {
                let equals = line.iter().position(|byte| *byte == b'=')?;
                let (name, value) = (&line[..equals], &line[equals + 1..]);
                Some((
                    OsString::from_vec(name.to_vec()),
                    OsString::from_vec(value.to_vec()),
                ))
            })
            .collect())
    }

    fn bash(&self) -> Option<PathBuf> {
        let own = self.prefix.join("bin/bash");
        let of_host = || {
            let path = self.context.env.get(vars::PATH)?.to_owned();
            std::env::split_paths(&path)
                .map(|one| one.join("bash"))
                .find(|one| one.is_file())
        };
        [PathBuf::from("/bin/bash"), own]
            .into_iter()
            .find(|one| one.is_file())
            .or_else(of_host)
    }
}

/// Returns the version of this macOS.
pub(super) fn macos_version() -> Option<MacosVersion> {
    let place = Path::new("/System/Library/CoreServices/SystemVersion.plist");
    let text = files::read_bounded(place, LIMIT).ok()??;
    let text = String::from_utf8_lossy(&text);
    let (_, rest) = text.split_once("<key>ProductVersion</key>")?;
    let (_, rest) = rest.split_once("<string>")?;
    let (version, _) = rest.split_once("</string>")?;
    let mut numbers = version.split('.');
    let (major, minor) = (numbers.next()?, numbers.next().unwrap_or("0"));
    format!("{major}.{minor}").parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::builder::tests::sandbox::Sandbox;

    #[test]
    fn variables_of_compilers_have_paths_of_the_prefix_only() {
        let prefix = Path::new("/s/p");
        for value in [
            "gcc",
            "/s/p/bin/gcc",
            "-O2 -isystem /s/p/include -I/s/p/x",
            "-Wl,-rpath,/s/p/lib -L/s/p/lib",
            "-DCMAKE_AR=/s/p/bin/ar;/s/p",
        ] {
            assert!(names_only(OsStr::new(value), prefix), "{value}");
        }
        for value in [
            "/tmp/cc",
            "-fplugin=/tmp/e.so",
            "-I/tmp",
            "/s/p/../q",
            "/s/pq",
            "/s/p:/tmp",
            "../cc",
        ] {
            assert!(!names_only(OsStr::new(value), prefix), "{value}");
        }
    }

    #[test]
    fn no_process_of_a_script_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let scripts = directory.path().join("etc/conda/activate.d");
        fs::create_dir_all(&scripts).unwrap();
        let sandbox = Sandbox::new();
        let activation = Activation {
            prefix: directory.path(),
            context: &sandbox.context,
        };
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let text = "exec 9>\"$CONDA_PREFIX/pipe\"; echo begun >&9\n\
             (sleep 60; echo left >&9) & disown; sleep 60\n";
        fs::write(scripts.join("a.sh"), text).unwrap();
        let limits = ChildLimits {
            timeout: Duration::from_secs(3),
            ..LIMITS
        };
        // Ends when no process has the other end.
        let read = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
        let error = activation.run_within(limits).unwrap_err();
        let text = error.source.to_string();
        assert_eq!(text, "scripts of its packages take too long");
        assert_eq!(read.join().unwrap(), "begun\n");
    }

    #[test]
    fn scripts_leave_their_variables() {
        let directory = tempfile::tempdir().unwrap();
        let prefix = directory.path();
        for (name, text) in [
            (
                "etc/conda/activate.d/a.sh",
                "export TOOL_HOME=\"$CONDA_PREFIX/lib\"\nexport LD_LIBRARY_PATH=/x\necho noise\n",
            ),
            (
                "etc/conda/activate.d/b.sh",
                "export SEEN=\"$TOOL_HOME:${SECRET-none}\" HOME=/y\nexport PATH=\"$CONDA_PREFIX/more:$PATH\"\n",
            ),
            ("etc/conda/env_vars.d/c.json", "{\"STATIC\": \"1\"}"),
        ] {
            let path = prefix.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sandbox = Sandbox::new();
        let activation = Activation {
            prefix,
            context: &sandbox.context,
        };
        assert!(activation.has_scripts());
        let changes: BTreeMap<String, Change> = activation
            .run()
            .unwrap()
            .into_iter()
            .map(|(name, change)| (name.to_string(), change))
            .collect();
        let set = |text: String| Change::Set(text.into());
        let place = prefix.display();
        assert_eq!(changes["TOOL_HOME"], set(format!("{place}/lib")));
        assert_eq!(changes["SEEN"], set(format!("{place}/lib:none")));
        assert_eq!(changes["STATIC"], set("1".to_owned()));
        let more = Change::Extend {
            before: vec![prefix.join("more").into()],
            after: Vec::new(),
        };
        assert_eq!(changes["PATH"], more);
        assert_eq!(changes.len(), 4, "{changes:?}");
        fs::write(prefix.join("etc/conda/activate.d/z.sh"), "exit 3\n").unwrap();
        let error = activation.run().unwrap_err().source.to_string();
        assert!(
            error.starts_with("a script of its packages failed"),
            "{error}"
        );
    }
}

//! Compilers and libraries of this machine, repackaged as packages of conda: they work from a prefix.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use crate::{
    applications,
    support::{
        Sandbox, Server,
        conda::{FilePackage, Layout, placeholder, serve_files},
        network,
        pypi::serve_sdist,
        require, skip_without,
    },
};

/// The directory of headers and libraries of the C library, as conda's compilers have it.
const SYSROOT: &str = "x86_64-conda-linux-gnu/sysroot";

/// Returns the files of Debian packages; `None` if one is not installed.
fn debian_files(names: &[&str]) -> Option<BTreeSet<PathBuf>> {
    let output = Command::new("dpkg").arg("-L").args(names).output().ok()?;
    if !output.status.success() {
        skip_without(&names.join(" "));
        return None;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let needed = |line: &&str| !line.contains("/share/") && !line.contains("/gconv/");
    Some(text.lines().filter(needed).map(PathBuf::from).collect())
}

/// Adds the files below a directory.
fn collect_files(directory: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            files.insert(path);
        }
    }
}

/// Adds files to a package under the names that `place` gives them.
fn repackage(
    mut package: FilePackage,
    files: &BTreeSet<PathBuf>,
    place: impl Fn(&str) -> Option<String>,
) -> FilePackage {
    for path in files {
        let Some(target) = place(path.to_str().unwrap()) else {
            continue;
        };
        // Images of containers leave out files that dpkg lists.
        let Ok(found) = fs::symlink_metadata(path) else {
            continue;
        };
        if found.is_symlink() {
            let link = fs::read_link(path).unwrap();
            // A link to another directory has no meaning in the package.
            if link.components().count() == 1 {
                let link = link.to_str().unwrap().to_owned();
                package.links.push((target, link));
            } else if path.is_file() {
                package = package.file(&target, fs::read(path).unwrap(), true);
            }
        } else if found.is_file() {
            let executable = found.permissions().mode() & 0o100 != 0;
            package = package.file(&target, fs::read(path).unwrap(), executable);
        }
    }
    package
}

/// Returns whether a file name ends with a dot and `extension`.
fn has_extension(file: &str, extension: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|end| end == extension)
}

/// Returns what gcc prints for an option.
fn gcc_prints(option: &str) -> String {
    let output = Command::new("gcc").arg(option).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns whether a file of gcc is used to build a program in C.
fn serves_c(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let plugin = name.starts_with("liblto_plugin.so");
    ["cc1", "collect2", "libgcc.a", "libgcc_eh.a", "libgcc_s.so"].contains(&name)
        || plugin
        || name.starts_with("crt")
        || path.components().any(|part| part.as_os_str() == "include")
}

/// Returns the compiler and the C library of this machine as packages; `None` where they cannot be repackaged.
fn compiler() -> Option<[FilePackage; 2]> {
    let library = debian_files(&["libc6-dev", "linux-libc-dev", "libc6", "libgcc-s1"])?;
    let gcc = fs::canonicalize(require("gcc")?).unwrap();
    let mut programs = BTreeSet::from([gcc.clone()]);
    for option in ["-print-prog-name=cc1", "-print-libgcc-file-name"] {
        let file = PathBuf::from(gcc_prints(option));
        collect_files(file.parent().unwrap(), &mut programs);
    }
    programs.retain(|path| *path == gcc || serves_c(path));
    let tools = FilePackage::new("gcc_linux-64", "12.2", &["sysroot"]);
    let mut tools = repackage(tools, &programs, |path| {
        path.strip_prefix("/usr/").map(str::to_owned)
    });
    // gcc looks for these in the directory of its target.
    let target = gcc_prints("-dumpmachine");
    for name in ["as", "ld"] {
        let program = fs::read(require(name)?).unwrap();
        tools = tools.file(&format!("{target}/bin/{name}"), program, true);
    }
    let placeholder = placeholder();
    let driver = format!(
        "#!/bin/sh\nexec {placeholder}/bin/{} --sysroot={placeholder}/{SYSROOT} \"$@\"\n",
        gcc.file_name().unwrap().to_str().unwrap()
    );
    // As the compilers of conda-forge do.
    let activation = format!(
        "export CC={placeholder}/bin/gcc CFLAGS=-O1 LDFLAGS='-Wl,-rpath,{placeholder}/lib -L{placeholder}/lib'\n"
    );
    let tools =
        tools
            .file("bin/gcc", driver, true)
            .file("etc/conda/activate.d/gcc.sh", activation, false);
    let sysroot = FilePackage::new("sysroot", "2.36", &[]);
    let mut sysroot = repackage(sysroot, &library, |path| {
        // Debian's releases differ in whether libraries are in `/lib` or in `/usr/lib`.
        let file = path.strip_prefix("/usr").unwrap_or(path);
        let unused = has_extension(file, "a") && !file.ends_with("libc_nonshared.a");
        let kept = file.starts_with("/lib") || file.starts_with("/include");
        (kept && !unused).then(|| format!("{SYSROOT}/usr{file}"))
    });
    for name in ["lib", "lib64"] {
        let link = (format!("{SYSROOT}/{name}"), format!("usr/{name}"));
        sysroot.links.push(link);
    }
    Some([tools, sysroot])
}

/// Returns a library of this machine as a package, with its headers; `None` where it is not installed.
fn library(name: &str, version: &str, debian: &[&str]) -> Option<FilePackage> {
    let mut files = debian_files(debian)?;
    // The libraries are in a package whose name depends on the release.
    let targets = |path: &PathBuf| fs::canonicalize(path).ok();
    let libraries: Vec<PathBuf> = files.iter().filter_map(targets).collect();
    files.extend(libraries);
    let package = FilePackage::new(name, version, &[]);
    let mut package = repackage(package, &files, |path| {
        let file = path.strip_prefix("/usr/")?.replace("x86_64-linux-gnu/", "");
        let kept = file.starts_with("include/") || file.starts_with("lib/");
        (kept && !has_extension(&file, "a")).then_some(file)
    });
    for file in &mut package.files {
        if has_extension(&file.path, "pc") {
            let text = String::from_utf8(std::mem::take(&mut file.content)).unwrap();
            let text = text
                .replace("prefix=/usr\n", &format!("prefix={}\n", placeholder()))
                .replace("/lib/x86_64-linux-gnu", "/lib")
                .replace("/include/x86_64-linux-gnu", "/include");
            file.content = text.into_bytes();
        }
    }
    Some(package)
}

/// Returns the packages of the compiler and of two libraries; `None` where they cannot be repackaged.
fn packages() -> Option<&'static [FilePackage]> {
    // To read and to pack them takes seconds, and several tests need them.
    static PACKAGES: LazyLock<Option<Vec<FilePackage>>> = LazyLock::new(|| {
        let [tools, sysroot] = compiler()?;
        let libraries = [
            library("openssl", "3.0", &["libssl-dev"])?,
            library("libpq", "15.0", &["libpq-dev", "libpq5"])?,
        ];
        Some([tools, sysroot].into_iter().chain(libraries).collect())
    });
    if !cfg!(target_arch = "x86_64") || which::which("dpkg").is_err() {
        eprintln!("skipped: needs the packages of Debian for x86_64");
        return None;
    }
    for tool in ["pkg-config", "cmake", "make"] {
        require(tool)?;
    }
    PACKAGES.as_deref()
}

/// Returns an allowed project with the compiler and OpenSSL.
fn project() -> Option<(Sandbox, Server)> {
    let packages = packages()?;
    let server = Server::start();
    serve_files(&server, packages, Layout::Json);
    let sandbox = Sandbox::new()
        .served_by(&server)
        .config("tools-from = \"managed\"\n")
        .manifest("[conda]\nchannels = [\"team\"]\npackages = [\"gcc_linux-64\", \"openssl\"]\n");
    sandbox.devsh(&["allow"]).success();
    Some((sandbox, server))
}

#[test]
fn a_compiler_builds_programs_from_a_prefix() {
    let Some((sandbox, _server)) = project() else {
        return;
    };
    // Two headers of the kernel have names that differ in case alone.
    let source = "#include <stdio.h>\n#include <linux/netfilter/xt_mark.h>\n#include <linux/netfilter/xt_MARK.h>\n\
        int main(void) { puts(\"hello\"); return 0; }\n";
    sandbox.write("hello.c", source);
    let parts =
        "for name in cc1 as ld; do $CC -print-prog-name=$name | grep -c \"$CONDA_PREFIX/\"; done";
    let ran = sandbox.devsh(&["run", "--", "sh", "-c", parts]).success();
    assert_eq!(ran.stdout, "1\n1\n1\n");
    let build = "env -i PATH=\"$CONDA_PREFIX/bin\" \"$CC\" $CFLAGS hello.c -o hello && ./hello";
    let ran = sandbox.devsh(&["run", "--", "sh", "-c", build]).success();
    assert_eq!(ran.stdout, "hello\n");

    let source = "#include <openssl/crypto.h>\n#include <stdio.h>\n\
        int main(void) { puts(OpenSSL_version(OPENSSL_VERSION)); return 0; }\n";
    sandbox.write("tls.c", source);
    let build = "test \"$(pkg-config --variable=prefix libcrypto)\" = \"$CONDA_PREFIX\" && \
        $CC $CFLAGS tls.c $(pkg-config --cflags --libs libcrypto) -Wl,-rpath,\"$CONDA_PREFIX/lib\" -o tls && \
        ./tls && ldd tls | grep -c \"$CONDA_PREFIX/lib/libcrypto\"";
    let ran = sandbox.devsh(&["run", "--", "sh", "-c", build]).success();
    assert!(ran.stdout.starts_with("OpenSSL 3."), "{ran}");
    assert!(ran.stdout.ends_with("\n1\n"), "{ran}");

    // cmake looks in the prefix before it looks in the system.
    let project = "cmake_minimum_required(VERSION 3.13)\nproject(tls C)\nfind_package(OpenSSL REQUIRED)\n\
        add_executable(tls tls.c)\ntarget_link_libraries(tls OpenSSL::Crypto)\n";
    sandbox.write("CMakeLists.txt", project);
    let build = "unset PKG_CONFIG_PATH LIBRARY_PATH; cmake -S . -B build >log && cmake --build build >>log && \
        grep -c \"^CMAKE_C_COMPILER:.*=$CC$\" build/CMakeCache.txt && build/tls && \
        ldd build/tls | grep -c \"$CONDA_PREFIX/lib/libcrypto\"";
    let ran = sandbox.devsh(&["run", "--", "sh", "-c", build]).success();
    assert!(ran.stdout.starts_with("1\nOpenSSL 3."), "{ran}");
    assert!(ran.stdout.ends_with("\n1\n"), "{ran}");
    sandbox.devsh(&["verify"]).success();
}

#[test]
fn a_crate_finds_openssl_of_the_prefix() {
    if !network() {
        return;
    }
    let (Some(_), Some((sandbox, _server))) = (require("cargo"), project()) else {
        return;
    };
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"tls\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nopenssl-sys = \"0.9\"\n",
    );
    let main = "fn main() { println!(\"{:x}\", unsafe { openssl_sys::OpenSSL_version_num() }); }\n";
    sandbox.write("src/main.rs", main);
    // Not rustup's proxy, which looks for toolchains in the home directory.
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = String::from_utf8(sysroot.unwrap().stdout).unwrap();
    // pkg-config leaves out directories of LIBRARY_PATH, which the linker searches anyway.
    let build = "export PATH=\"$0/bin:$PATH\" RUSTFLAGS=\"-C link-arg=-Wl,-rpath,$CONDA_PREFIX/lib\"
        cargo run -q && grep -c \"cargo:include=$CONDA_PREFIX/include\" target/debug/build/openssl-sys-*/output && \
        test \"$(cc -print-file-name=libcrypto.so)\" -ef \"$CONDA_PREFIX/lib/libcrypto.so\" && \
        ldd target/debug/tls | grep -c \"$CONDA_PREFIX/lib/libcrypto\"";
    let command = ["run", "--", "sh", "-c", build, sysroot.trim()];
    let ran = sandbox.devsh(&command).success();
    assert!(
        ran.stdout.starts_with('3') && ran.stdout.ends_with("\n1\n1\n"),
        "{ran}"
    );
}

/// Builds an extension in C with the flags of libpq, and packs it into a wheel.
const BACKEND: &str = r#"
import os, shlex, subprocess, sysconfig, zipfile


def build_wheel(directory, settings=None, metadata=None):
    flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "libpq"], text=True).split()
    module = "pq" + sysconfig.get_config_var("EXT_SUFFIX")
    # Debian has a part of the headers in a directory of the machine's architecture.
    headers = ["-I" + sysconfig.get_path("include"), "-idirafter", "/usr/include"]
    variables = [shlex.split(os.environ[name]) for name in ["CC", "CFLAGS", "LDFLAGS"]]
    options = ["-shared", "-fPIC", *headers, "-o", module, "pq.c", *flags]
    subprocess.run([*sum(variables, []), *options], check=True)
    information = "pq-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(directory, "pq-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.write(module)
        wheel.writestr(information + "METADATA", "Metadata-Version: 2.2\nName: pq\nVersion: 1.0\n")
        wheel.writestr(information + "WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = [module, information + "METADATA", information + "WHEEL", information + "RECORD"]
        wheel.writestr(information + "RECORD", "".join(one + ",,\n" for one in names))
    return "pq-1.0-py3-none-any.whl"
"#;
const EXTENSION: &str = r#"
#include <Python.h>
#include <libpq-fe.h>

static PyObject *version(PyObject *self, PyObject *none) { return PyLong_FromLong(PQlibVersion()); }
static PyMethodDef methods[] = {{"version", version, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "pq", NULL, -1, methods};
PyMODINIT_FUNC PyInit_pq(void) { return PyModule_Create(&module); }
"#;

#[test]
fn an_sdist_is_built_with_the_compiler_and_libpq_of_the_prefix() {
    let server = Server::start();
    let (Some(sandbox), Some(packages)) = (applications::sandbox(&server), packages()) else {
        return;
    };
    serve_files(&server, packages, Layout::Json);
    let project = "[project]\nname = \"pq\"\nversion = \"1.0\"\n\
        [build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    let members = [
        ("pq-1.0/pyproject.toml", project.as_bytes(), false),
        ("pq-1.0/backend.py", BACKEND.as_bytes(), false),
        ("pq-1.0/pq.c", EXTENSION.as_bytes(), false),
        (
            "pq-1.0/PKG-INFO",
            b"Metadata-Version: 2.2\nName: pq\nVersion: 1.0\n".as_slice(),
            false,
        ),
    ];
    serve_sdist(&server, ("pq", "1.0"), &members);
    let sandbox = sandbox.manifest(
        "[tools]\npython = \"*\"\n[python]\npackages = [\"pq\"]\nbuild = [\"pq\"]\n\
         [conda]\nchannels = [\"team\"]\npackages = [\"gcc_linux-64\", \"libpq\"]\n",
    );
    sandbox.allow();
    let code = "import os, pq; print(pq.version()); \
        print(os.environ['CONDA_PREFIX'] + '/lib/libpq' in open('/proc/self/maps').read())";
    let ran = sandbox
        .devsh(&["run", "--", "python", "-c", code])
        .success();
    assert!(ran.stdout.ends_with("\nTrue\n"), "{ran}");
}

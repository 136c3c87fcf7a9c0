//! Power cuts: the store on an image of the disk opens at any moment, and acknowledged work is there.
//!
//! The home directory is an ext4 image; a copy of the image is the disk after a power cut. It is mounted, checked
//! and used. This needs root and loop devices, and is skipped where they are not.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{effort, prepared};
use crate::support::{Sandbox, require, sandbox::DEVSH};

/// A mounted image, unmounted when it is dropped.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        // Lazily, for a failing test may still use it.
        let _left = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

fn mount<'a>(image: &Path, place: &'a Path, options: &str) -> Option<Mount<'a>> {
    fs::create_dir_all(place).unwrap();
    let options = format!("loop,{options}");
    let (image, target) = (image.to_str().unwrap(), place.to_str().unwrap());
    succeeds("mount", &["-o", &options, image, target]).then_some(Mount(place))
}

#[test]
fn acknowledged_writes_survive_a_power_cut() {
    if require("mkfs.ext4").is_none() || !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root and mkfs.ext4");
        return;
    }
    let (mut images, mut acknowledged, mut whole) = (0, 0, 0);
    for options in ["data=ordered", "data=ordered,nodelalloc", "data=writeback"] {
        for round in 0..effort(1, 20) {
            let (sandbox, _server) = prepared();
            let Some(result) = cut(&sandbox, options, round, effort(3, 10)) else {
                eprintln!("skipped: no loop device can be mounted here");
                return;
            };
            images += result.images;
            acknowledged += result.acknowledged;
            whole += result.whole;
        }
    }
    eprintln!(
        "figure: {images} images of the disk, {acknowledged} after an acknowledgement, {whole} with a whole \
         object, none with a damaged one"
    );
}

#[derive(Default)]
struct Result {
    images: usize,
    acknowledged: usize,
    whole: usize,
}

/// Runs `devsh allow` on an image and looks at copies of it taken while it runs and afterwards.
fn cut(sandbox: &Sandbox, options: &str, round: usize, copies: usize) -> Option<Result> {
    let image = sandbox.root().join("disk");
    let home = sandbox.home();
    let kept = sandbox.root().join("kept");
    fs::rename(&home, &kept).unwrap();
    fs::File::create(&image).unwrap().set_len(48 << 20).unwrap();
    assert!(succeeds(
        "mkfs.ext4",
        &["-q", "-F", image.to_str().unwrap()]
    ));
    let _disk = mount(&image, &home, options)?;
    assert!(succeeds(
        "cp",
        &[
            "-a",
            &format!("{}/.", kept.display()),
            home.to_str().unwrap()
        ]
    ));
    assert!(succeeds("sync", &["-f", home.to_str().unwrap()]));
    let mut child = sandbox
        .command(DEVSH)
        .arg("allow")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut result = Result::default();
    for number in 0..copies {
        // A journal is written out every few seconds, or when a program syncs another file.
        if (number + round).is_multiple_of(2) {
            let other = home.join("other");
            fs::write(&other, number.to_string()).unwrap();
            fs::File::open(&other).unwrap().sync_all().unwrap();
        }
        let done = child.try_wait().unwrap().is_some();
        let copy = sandbox.root().join("copy");
        let (from, to) = (image.to_str().unwrap(), copy.to_str().unwrap());
        assert!(succeeds("cp", &["--sparse=always", from, to]));
        check(sandbox, &copy, done, &mut result);
        if number + 2 == copies {
            assert!(child.wait().unwrap().success());
        }
    }
    assert!(child.wait().unwrap().success());
    Some(result)
}

/// Mounts a copy where the home directory is expected, for a process that sees only that.
fn check(sandbox: &Sandbox, copy: &Path, done: bool, result: &mut Result) {
    let script = "mount -o loop \"$1\" \"$HOME\" && cd \"$HOME/project\" && \"$2\" verify && \
                  \"$2\" --offline du --objects && { [ -z \"$3\" ] || \"$2\" --offline run -- ruff --version; }";
    let mut command = sandbox.command("unshare");
    command
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(copy)
        .arg(DEVSH)
        .arg(if done { "done" } else { "" });
    let outcome = sandbox.outcome(&mut command);
    assert!(outcome.status.success(), "done: {done}: {outcome}");
    result.images += 1;
    result.acknowledged += usize::from(done);
    let whole = outcome.stdout.contains(" ruff-0.12.4");
    result.whole += usize::from(whole);
    if done {
        assert!(whole, "{outcome}");
        assert!(outcome.stdout.ends_with("ruff 0.12.4\n"), "{outcome}");
    }
}

//! Limits of time and output, and signals to the process group.

use std::process::Stdio;

use super::*;

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

const LIMITS: ChildLimits = ChildLimits {
    timeout: Duration::from_mins(1),
    output: 5,
    end_marker: None,
    own_group: false,
};

fn exited(outcome: Outcome) -> Exited {
    match outcome {
        Outcome::Exited(exited) => exited,
        other => panic!("{other:?}"),
    }
}

#[test]
fn output_beyond_the_limit_is_dropped() {
    let script = "printf 1234567890; head -c 300000 /dev/zero; printf abc >&2; exit 3";
    let exited = exited(run(&mut shell(script), LIMITS, || false).unwrap());
    assert_eq!(exited.status.code(), Some(3));
    assert_eq!(
        (&*exited.stdout, &*exited.stderr),
        (&b"12345"[..], &b"abc"[..])
    );
}

#[test]
fn a_child_that_reads_its_input_is_killed_after_the_timeout() {
    let limits = ChildLimits {
        timeout: Duration::from_millis(20),
        ..LIMITS
    };
    let outcome = run(&mut shell("read -r line"), limits, || false).unwrap();
    assert!(matches!(outcome, Outcome::TimedOut), "{outcome:?}");
}

#[test]
fn a_child_is_killed_when_its_caller_stops_it() {
    let outcome = run(&mut shell("read -r line"), LIMITS, || true).unwrap();
    assert!(matches!(outcome, Outcome::Stopped), "{outcome:?}");
}

#[test]
fn a_timeout_kills_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let limits = ChildLimits {
        timeout: Duration::from_millis(200),
        own_group: true,
        ..LIMITS
    };
    let script = format!(
        "exec 4<&0; (exec 3>'{}'; read -r line <&4; echo late >&3) & wait",
        fifo.display()
    );
    let reader = thread::spawn(move || std::fs::read(fifo).unwrap());
    let outcome = run(&mut shell(&script), limits, || false).unwrap();
    assert!(matches!(outcome, Outcome::TimedOut), "{outcome:?}");
    // The grandchild writes when its input ends.
    assert!(reader.join().unwrap().is_empty());
}

#[test]
fn a_process_that_holds_the_pipe_delays_nothing_after_the_end_marker() {
    let limits = ChildLimits {
        output: 100,
        end_marker: Some(b"\n"),
        ..LIMITS
    };
    let script = "exec 4<&0; read -r line <&4 & echo done";
    let start = Instant::now();
    let mut command = shell(script);
    command.stderr(Stdio::null());
    let exited = exited(run(&mut command, limits, || false).unwrap());
    assert_eq!(exited.stdout, b"done\n");
    assert!(start.elapsed() < GRACE);
    assert!(exited.stdin.is_some());
}

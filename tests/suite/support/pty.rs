//! An interactive host shell on a pseudo terminal, used as a person would.
//!
//! Invariant: no fixed waits. A command has ended when the prompt shows its number.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::{HostShell, Sandbox, require, sandbox, snapshot::Snapshot};

/// Timeout of a command, after which the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running host shell.
pub(crate) struct Pty {
    shell: HostShell,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    /// Everything that the terminal has shown.
    transcript: Vec<u8>,
    /// The number of commands so far.
    commands: usize,
    /// The directory for files of this shell.
    scratch: PathBuf,
    project: PathBuf,
    home: PathBuf,
}

impl Pty {
    /// Starts `shell` in the sandbox's home directory with `rc` in its rc file.
    pub(crate) fn start(sandbox: &Sandbox, shell: HostShell, rc: &str) -> Self {
        Self::start_with(sandbox, shell, rc, &[])
    }

    /// Starts the shell as a child of another program, such as a tracer.
    pub(crate) fn start_with(
        sandbox: &Sandbox,
        shell: HostShell,
        rc: &str,
        wrapper: &[String],
    ) -> Self {
        let rc_file = sandbox.home().join(shell.rc_file());
        sandbox::write(&rc_file, format!("{}{rc}\n", shell.prompt()).as_bytes());
        // Without this directory fish generates completions in the background. Since 4.0 it is in the cache.
        for place in [".local/share/fish", ".cache/fish"] {
            let completions = sandbox.home().join(place).join("generated_completions");
            fs::create_dir_all(completions).expect("the home is writable");
        }
        let program = require(shell.name()).expect("the caller has looked for it");
        let mut arguments: Vec<_> = wrapper.iter().map(Into::into).collect();
        arguments.push(program.into_os_string());
        arguments.extend(shell.arguments(&rc_file));
        let mut command = CommandBuilder::from_argv(arguments);
        command.env_clear();
        for (name, value) in sandbox.environment() {
            command.env(name, value);
        }
        command.env("ZDOTDIR", sandbox.home());
        command.cwd(sandbox.home());

        let size = PtySize {
            rows: 50,
            cols: 200,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let child = pair.slave.spawn_command(command).expect("the shell starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        // Shells of one sandbox can run at the same time.
        let scratch = sandbox.root().join("tmp").join(shell.name());
        fs::create_dir_all(&scratch).expect("own directory");
        let mut this = Self {
            shell,
            writer: pair.master.take_writer().expect("a writer"),
            master: pair.master,
            child,
            output,
            transcript: Vec::new(),
            commands: 1,
            scratch,
            project: sandbox.project().to_owned(),
            home: sandbox.home(),
        };
        this.wait_for_prompt();
        this
    }

    /// Types a line, waits for the next prompt, and returns what the terminal showed in between.
    pub(crate) fn type_line(&mut self, line: &str) -> String {
        let start = self.transcript.len();
        self.writer
            .write_all(format!("{line}\r").as_bytes())
            .expect("the terminal takes input");
        self.commands += 1;
        self.wait_for_prompt();
        String::from_utf8_lossy(&self.transcript[start..]).into_owned()
    }

    /// Returns what the terminal has shown so far.
    pub(crate) fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.transcript).into_owned()
    }

    /// Waits until the terminal shows a text.
    pub(crate) fn wait_for_text(&mut self, text: &str) {
        let start = self.transcript.len();
        let shown = self.read_until(PATIENCE, |transcript| {
            String::from_utf8_lossy(&transcript[start..]).contains(text)
        });
        assert!(shown, "{text} is not shown: {}", self.transcript());
    }

    /// Waits until a command has written a line to a file.
    pub(crate) fn wait_for_file(&mut self, path: &Path) {
        let written = self.read_until(PATIENCE, |_| {
            fs::read(path).is_ok_and(|text| text.ends_with(b"\n"))
        });
        assert!(written, "no file: {}", self.transcript());
    }

    /// Types keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.writer
            .write_all(keys.as_bytes())
            .expect("the terminal takes input");
    }

    /// Types a line and does not wait for it to end.
    pub(crate) fn begin(&mut self, line: &str) {
        self.writer
            .write_all(format!("{line}\r").as_bytes())
            .expect("the terminal takes input");
        self.commands += 1;
    }

    /// Types a line and waits until the terminal shows `text`.
    pub(crate) fn begin_until(&mut self, line: &str, text: &str) {
        let start = self.transcript.len();
        self.begin(line);
        let shown = self.read_until(PATIENCE, |transcript| {
            String::from_utf8_lossy(&transcript[start..]).contains(text)
        });
        let transcript = String::from_utf8_lossy(&self.transcript[start..]);
        assert!(shown, "{line} does not show {text}:\n{transcript}");
    }

    /// Waits until the terminal shows `text` again.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let start = self.transcript.len();
        let shown = self.read_until(PATIENCE, |transcript| {
            String::from_utf8_lossy(&transcript[start..]).contains(text)
        });
        let transcript = String::from_utf8_lossy(&self.transcript[start..]);
        assert!(shown, "the terminal does not show {text}:\n{transcript}");
    }

    /// Waits until the line that was begun ends, and returns what the terminal showed since then.
    pub(crate) fn finish(&mut self) -> String {
        let start = self.transcript.len();
        self.wait_for_prompt();
        String::from_utf8_lossy(&self.transcript[start..]).into_owned()
    }

    /// Types a line, waits for a question, answers it, and waits for the next prompt.
    pub(crate) fn answer_question(&mut self, line: &str, question: &str, answer: &str) -> String {
        let start = self.transcript.len();
        self.begin(line);
        let asked = self.read_until(PATIENCE, |transcript| {
            String::from_utf8_lossy(&transcript[start..]).contains(question)
        });
        assert!(asked, "no question after {line}");
        self.writer
            .write_all(format!("{answer}\r").as_bytes())
            .expect("the terminal takes input");
        self.wait_for_prompt();
        String::from_utf8_lossy(&self.transcript[start..]).into_owned()
    }

    /// Makes the shell replace itself, with the same rc file, and waits for the first prompt.
    pub(crate) fn exec(&mut self) {
        let line = self.shell.interactive(self.shell, &self.home);
        self.begin(&format!("exec {line}"));
        self.commands = 1;
        self.wait_for_prompt();
    }

    /// Starts another shell inside with `rc` in its rc file, runs the scenario there, and exits it.
    pub(crate) fn within(&mut self, inner: HostShell, rc: &str, scenario: impl FnOnce(&mut Self)) {
        let rc_file = self.home.join(inner.rc_file());
        sandbox::write(&rc_file, format!("{}{rc}\n", inner.prompt()).as_bytes());
        let (outer, line) = (self.shell, self.shell.interactive(inner, &self.home));
        self.begin(&line);
        let commands = std::mem::replace(&mut self.commands, 1);
        self.shell = inner;
        self.wait_for_prompt();
        scenario(self);
        self.begin("exit");
        self.shell = outer;
        self.commands = commands;
        self.wait_for_prompt();
    }

    /// Presses Ctrl-C in an unfinished line and waits for the next prompt.
    ///
    /// A shell that is about to start a program may ignore it. Then it is pressed again, as a user would.
    pub(crate) fn break_off(&mut self) -> String {
        let start = self.transcript.len();
        for patience in [2, 2, 2, 2, PATIENCE.as_secs()] {
            self.writer
                .write_all(b"\x03")
                .expect("the terminal takes input");
            if self.prompt_within(Duration::from_secs(patience)) {
                break;
            }
        }
        self.assert_prompted(start);
        String::from_utf8_lossy(&self.transcript[start..]).into_owned()
    }

    /// Runs a line in the shell and returns exactly what it wrote.
    ///
    /// The line is written to a file, so it may have any length and any bytes.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let output = self.scratch.join("output");
        let script = self.scratch.join("script");
        fs::write(
            &script,
            format!("{}\n", self.shell.redirected(line, &output)),
        )
        .expect("own file");
        let source = self.source(&script);
        self.type_line(&source);
        String::from_utf8_lossy(&fs::read(&output).expect("the shell has written it")).into_owned()
    }

    /// Goes to a directory and returns what the terminal showed until the prompt after it.
    pub(crate) fn cd(&mut self, path: &Path) -> String {
        let script = self.scratch.join("cd");
        let path = self
            .shell
            .quoted(path.to_str().expect("test paths are text"));
        fs::write(&script, format!("cd {path}\n")).expect("own file");
        let source = self.source(&script);
        self.type_line(&source)
    }

    /// Goes into the project.
    pub(crate) fn enter(&mut self) -> String {
        let project = self.project.clone();
        self.cd(&project)
    }

    /// Leaves the project for the home directory.
    pub(crate) fn leave(&mut self) -> String {
        let home = self.home.clone();
        self.cd(&home)
    }

    /// Returns a variable of the environment that the shell gives to programs.
    pub(crate) fn var(&mut self, name: &str) -> Option<String> {
        self.environment()
            .remove(name.as_bytes())
            .map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// Returns the whole environment that the shell gives to programs.
    pub(crate) fn environment(&mut self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let output = self.scratch.join("environment");
        let file = self
            .shell
            .quoted(output.to_str().expect("test paths are text"));
        self.type_line(&format!("/usr/bin/env -0 >{file}"));
        let bytes = fs::read(&output).expect("the shell has written it");
        bytes
            .split(|byte| *byte == 0)
            .filter_map(|entry| {
                let at = entry.iter().position(|byte| *byte == b'=')?;
                Some((entry[..at].to_vec(), entry[at + 1..].to_vec()))
            })
            .collect()
    }

    /// Returns the whole state of the shell.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let script = self.scratch.join("dump");
        let output = self.scratch.join("dumped");
        fs::write(&script, self.shell.dump()).expect("own file");
        let line = format!(
            "{} >{} 2>&1",
            self.source(&script),
            self.shell
                .quoted(output.to_str().expect("test paths are text"))
        );
        let environment = self.environment();
        self.type_line(&line);
        let text = fs::read(&output).expect("the shell has written it");
        Snapshot::new(environment, &text)
    }

    /// Starts a program that waits, presses Ctrl-C, and returns at the next prompt.
    pub(crate) fn interrupt(&mut self) {
        let start = self.transcript.len();
        let line = "sh -c 'echo wai''ting; exec cat'\r";
        self.writer
            .write_all(line.as_bytes())
            .expect("it takes input");
        let waits = self.read_until(PATIENCE, |transcript| {
            String::from_utf8_lossy(&transcript[start..]).contains("waiting")
        });
        assert!(waits, "{} starts the program", self.shell.name());
        self.writer.write_all(b"\x03").expect("it takes input");
        self.commands += 1;
        self.wait_for_prompt();
    }

    /// Ends the shell and returns everything that was on the terminal.
    pub(crate) fn exit(self) -> String {
        self.exit_with("exit")
    }

    /// Types a line that ends the shell and returns everything that was on the terminal.
    pub(crate) fn exit_with(mut self, line: &str) -> String {
        self.writer
            .write_all(format!("{line}\r").as_bytes())
            .expect("it takes input");
        self.read_until(PATIENCE, |_| false);
        String::from_utf8_lossy(&self.transcript).into_owned()
    }

    fn source(&self, script: &Path) -> String {
        let script = self
            .shell
            .quoted(script.to_str().expect("test paths are text"));
        match self.shell {
            HostShell::Bash | HostShell::Zsh => format!(". {script}"),
            HostShell::Fish => format!("source {script}"),
        }
    }

    fn wait_for_prompt(&mut self) {
        let start = self.transcript.len();
        self.prompt_within(PATIENCE);
        self.assert_prompted(start);
    }

    /// Returns whether the prompt appears before the timeout.
    fn prompt_within(&mut self, patience: Duration) -> bool {
        let (start, marker) = (self.transcript.len(), self.marker());
        self.read_until(patience, |transcript| shows(transcript, start, &marker))
    }

    fn marker(&self) -> Vec<u8> {
        format!("<<{}>>", self.commands).into_bytes()
    }

    fn assert_prompted(&self, start: usize) {
        assert!(
            shows(&self.transcript, start, &self.marker()),
            "{} gave no prompt; the terminal shows:\n{}",
            self.shell.name(),
            String::from_utf8_lossy(&self.transcript)
        );
    }

    /// Reads until `done` returns true. Returns false if the shell ended or took too long.
    fn read_until(&mut self, patience: Duration, done: impl Fn(&[u8]) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        while !done(&self.transcript) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => {
                    self.answer(&bytes);
                    self.transcript.extend(bytes);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Answers the queries of line editors: terminal attributes and cursor position.
    fn answer(&mut self, bytes: &[u8]) {
        for (query, answer) in [
            (&b"\x1b[c"[..], &b"\x1b[?62;22c"[..]),
            (b"\x1b[0c", b"\x1b[?62;22c"),
            (b"\x1b[6n", b"\x1b[1;1R"),
        ] {
            if bytes.windows(query.len()).any(|window| window == query) {
                // A shell that has just ended cannot read the answer.
                let _answered = self.writer.write_all(answer);
            }
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // The shell may have ended by itself.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
        let _size = self.master.get_size();
    }
}

/// Returns whether the transcript shows `marker` after `start`, with some tolerance.
fn shows(transcript: &[u8], start: usize, marker: &[u8]) -> bool {
    let from = start.saturating_sub(marker.len());
    transcript[from..]
        .windows(marker.len())
        .any(|window| window == marker)
}

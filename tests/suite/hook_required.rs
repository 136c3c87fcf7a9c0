//! A required variable: the prompt waits until it is exported.

use crate::support::{HostShell, Pty, Sandbox, for_each_shell};

#[test]
fn a_required_variable_that_is_set_for_the_shell_alone_starts_nothing() {
    for_each_shell(|shell| {
        let sandbox = Sandbox::new()
            .manifest("[env]\nTOKEN = { required = \"ask the vault\" }\nPLAIN = \"1\"\n");
        sandbox.devsh(&["allow"]);
        let (counting, count) = sandbox.counting();
        let mut pty = Pty::start(&sandbox, shell, &sandbox.hook_that_runs(shell, &counting));
        let shown = pty.enter();
        assert!(shown.contains("`TOKEN` is not set"), "{shown}");
        assert_eq!(pty.var("PLAIN").as_deref(), Some("1"), "the rest is loaded");
        sandbox
            .devsh(&["run", "--", "true"])
            .code(125)
            .error(&["`TOKEN` is not set"]);
        let partial = sandbox.devsh(&["run", "--partial", "--", "true"]).success();
        assert!(partial.stderr.contains("`TOKEN` is not set"), "{partial}");
        pty.type_line("true");
        let before = count();
        pty.type_line(match shell {
            HostShell::Fish => "set -g TOKEN secret",
            _ => "TOKEN=secret",
        });
        for _ in 0..2 {
            let shown = pty.type_line("true");
            assert!(!shown.contains("__devsh"), "{shown}");
        }
        assert_eq!(count(), before, "programs do not see it");
        pty.type_line(match shell {
            HostShell::Fish => "set -gx TOKEN secret",
            _ => "export TOKEN",
        });
        assert_eq!(count(), before + 1);
        assert_eq!(pty.var("PLAIN").as_deref(), Some("1"));
        pty.leave();
        assert_eq!(pty.var("TOKEN").as_deref(), Some("secret"));
    });
}

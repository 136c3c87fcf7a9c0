//! The workflows that `devsh ci` prints have the form that the services publish.

use std::{fs, process::Command};

use crate::support::{Sandbox, network, require};

#[test]
fn workflows_follow_the_schemas_of_the_services() {
    if !network() {
        return;
    }
    let Some(uv) = require("uv") else { return };
    let sandbox = Sandbox::new().manifest(
        "[tools]\n[image]\nbase = \"scratch\"\n[shells.1a]\n[shells.no]\n[shells.test_2]\n",
    );
    for (service, schema) in [
        ("github", "vendor.github-workflows"),
        ("gitlab", "vendor.gitlab-ci"),
    ] {
        for options in [
            &[][..],
            &[
                "--push-cache",
                "s3://team/devsh",
                "--push-image",
                "registry.example/team/app:1",
            ],
        ] {
            let command = [&["ci", service, "--trust"], options].concat();
            let workflow = sandbox.devsh(&command).success().stdout;
            let file = sandbox.root().join("workflow.yml");
            fs::write(&file, workflow).unwrap();
            // With the proxies and certificates of this machine.
            let mut check = Command::new(&uv);
            check
                .args(["tool", "run", "check-jsonschema@0.33.3"])
                .args(["--builtin-schema", schema])
                .arg(&file);
            sandbox.outcome(&mut check).success();
        }
    }
}

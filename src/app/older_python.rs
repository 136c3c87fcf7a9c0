//! An older Python for packages that do not resolve for the newest one.
//!
//! A list of requirements can pin packages that have no wheels for the newest Python (`pyyaml==6.0`). If the project
//! leaves the version open, the newest Python for which its packages resolve is locked.

use crate::{
    lockfile::{LockKey, Lockfile, Upgrade},
    manifest::{Located, NamedRequest, Origin},
    package::{Requirement, Source, compatible, wheel::MINORS},
    report::failure::Failure,
};

use super::{
    lockfiles::{self, LockTarget},
    missing_parts::LeftOut,
    python_packages::ResolvedPackages,
    python_tools::TeamTools,
    resolve_requests::resolve_or_leave_out,
    session::Session,
};

/// A project with versions for its tools and packages.
pub(super) struct ResolvedTarget {
    pub lockfile: Lockfile,
    pub packages: ResolvedPackages,
}

/// The requests to resolve, and the locked versions.
#[derive(Clone, Copy)]
pub(super) struct TargetRequest<'a> {
    pub target: &'a LockTarget,
    pub requests: &'a [NamedRequest],
    pub ground: &'a TeamTools,
    pub previous: &'a Lockfile,
    pub upgrade: &'a Upgrade,
    pub left_out: &'a LeftOut,
}

/// Resolves the Python packages for the tools of `lockfile`; if that fails, for an older Python, then without groups and
/// extras that no one named, and then with packages that have no wheel.
pub(super) fn resolve_packages(
    session: &Session<'_>,
    request: TargetRequest<'_>,
    lockfile: Lockfile,
) -> Result<ResolvedTarget, Failure> {
    let TargetRequest {
        target,
        ground,
        previous,
        upgrade,
        left_out,
        ..
    } = request;
    // The Python for packages of one person can be locked by the team.
    let with_ground = |lockfile: &Lockfile| {
        let mut all = ground.lockfile.clone();
        lockfiles::join(&mut all, lockfile.clone());
        all
    };
    let all = with_ground(&lockfile);
    let packages = target.python(session, &all, previous, upgrade, left_out)?;
    let mut resolved = ResolvedTarget { lockfile, packages };
    if resolved.packages.failures.is_empty() {
        return Ok(resolved);
    }
    if let Some(lockfile) = with_older_python(session, request, &resolved) {
        let all = with_ground(&lockfile);
        let packages = target.python(session, &all, previous, upgrade, left_out)?;
        resolved = ResolvedTarget { lockfile, packages };
    }
    let all = with_ground(&resolved.lockfile);
    target.reduce_packages(session, &all, previous, &mut resolved.packages)?;
    target.build_packages(session, &all, &mut resolved.packages)?;
    Ok(resolved)
}

/// Returns the lockfile with the newest Python for which most packages resolve, if that is older than the locked one.
fn with_older_python(
    session: &Session<'_>,
    request: TargetRequest<'_>,
    resolved: &ResolvedTarget,
) -> Option<Lockfile> {
    let lockfile = &resolved.lockfile;
    let is_open = |NamedRequest { tool, request }: &&NamedRequest| {
        tool.source == Source::Python
            && tool.name.as_str() == "python"
            && request.requirement.value.as_str() == "*"
    };
    let pythons: Vec<&NamedRequest> = request.requests.iter().filter(is_open).collect();
    let locked = pythons
        .iter()
        .filter_map(|one| lockfile.locked(&one.tool, &one.request));
    let minors = locked.filter_map(|locked| match locked.version.release() {
        [3, minor, ..] => u32::try_from(*minor).ok(),
        _ => None,
    });
    let newest = minors.min()?;
    let is_admitted = |minor: &u32| {
        let Ok(line) = format!("3.{minor}").parse::<Requirement>() else {
            return false;
        };
        pythons.iter().all(|one| {
            let bounds = one.request.constraints().map(|one| &one.value);
            compatible(&bounds.chain([&line]).collect::<Vec<_>>())
        })
    };
    let minors = (*MINORS.start()..newest).rev().filter(is_admitted);
    let minor =
        request
            .target
            .fitting_minor(session, lockfile, &resolved.packages.failures, minors)?;
    let bound: Requirement = format!("<3.{}", minor + 1).parse().ok()?;
    let mut base = lockfile.clone();
    for NamedRequest {
        tool,
        request: open,
    } in pythons
    {
        let mut bounded = open.clone();
        bounded.floors.push(Located {
            value: bound.clone(),
            origin: Origin {
                file: "devshell.lock".into(),
                line: 1,
                is_preset: false,
            },
        });
        let bounded = [NamedRequest {
            tool: tool.clone(),
            request: bounded,
        }];
        let nothing = Lockfile::default();
        let one = resolve_or_leave_out(session, &bounded, request.ground, &nothing, &Upgrade::None);
        let (one, _) = one.ok()?;
        let package = one.locked(tool, &bounded[0].request)?.clone();
        session.reporter.note(&format!(
            "`{tool}` {} is the newest for which the Python packages resolve",
            package.version
        ));
        base.packages
            .insert(LockKey::for_request(tool, open), package);
    }
    // Applications must run on the older Python too.
    let fitting = resolve_or_leave_out(
        session,
        request.requests,
        request.ground,
        &base,
        &Upgrade::None,
    );
    let (mut fitting, _) = fitting.ok()?;
    fitting.extends.clone_from(&lockfile.extends);
    fitting.conda.clone_from(&lockfile.conda);
    Some(fitting)
}

//! Asks the sources, in rounds: the first supplier of every tool, then the next one of each tool that the first does
//! not serve.

use std::collections::BTreeMap;

use super::cargo::published::{self, Published};
use super::{
    CacheUse, Candidate, CandidateKey, Error, Index, PARALLEL, Sources, ToolQuery, UnusedSupplier,
    cargo, github, glibc, go, node, npm, npm_platform, pypi, python, release_age, rust, url,
};
use crate::{
    lockfile::{LockKey, Lockfile, Upgrade},
    manifest::{NamedRequest, ToolRequest},
    package::{Source, Supplier, Tool},
    util::parallel,
};

/// The inputs of the answers, and their use.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    pub previous: &'a Lockfile,
    pub upgrade: &'a Upgrade,
    pub sources: Sources<'a>,
    /// Returns the position of the candidate that will be chosen; the next supplier is asked if there is none.
    pub best: fn(ToolQuery<'_>, &[Candidate]) -> Option<usize>,
    /// True if the digests of the chosen version are needed.
    pub digests: bool,
}

/// A request that no supplier serves yet.
struct OpenRequest<'a> {
    sought: ToolQuery<'a>,
    suppliers: Vec<Supplier>,
    candidates: Vec<Candidate>,
    unused: Vec<UnusedSupplier>,
    /// The error of the first supplier, if it gave no list.
    error: Option<Error>,
    served: bool,
    /// True if the files that the chosen crate names were looked up.
    is_crate_read: bool,
}

/// Asks the sources for everything that the lockfile does not answer, and for nothing else.
///
/// A request that contradicts itself is left out: no version fits, and the choice reports it.
pub fn fill(requests: &[NamedRequest], lookup: Lookup<'_>) -> Result<Index, Error> {
    let system = lookup.sources.system;
    let mut open: BTreeMap<LockKey, OpenRequest<'_>> = BTreeMap::new();
    for NamedRequest { tool, request } in requests {
        let kept = lookup.previous.kept(tool, request, lookup.upgrade, system);
        if kept.is_none() && !request.is_contradictory() {
            let sought = ToolQuery {
                tool,
                request,
                previous: lookup.previous,
                upgrade: lookup.upgrade,
                system,
            };
            open.insert(
                LockKey::for_request(tool, request),
                OpenRequest::new(sought),
            );
        }
    }
    let mut open: Vec<OpenRequest<'_>> = open.into_values().collect();
    for rank in 0.. {
        let mut round: Vec<&mut OpenRequest<'_>> = open
            .iter_mut()
            .filter(|one| !one.served && rank < one.suppliers.len())
            .collect();
        if round.is_empty() {
            break;
        }
        ask_suppliers(&mut round, rank, lookup)?;
    }
    let mut index = Index::default();
    for one in open {
        if let Some(error) = one.error
            && one.unused.len() == one.suppliers.len()
            && one.candidates.is_empty()
        {
            return Err(error);
        }
        let key = CandidateKey::of(one.sought.tool, one.sought.request);
        index.set_aside(key.clone(), one.unused);
        index.offer(key, one.candidates);
    }
    Ok(index)
}

/// Asks the supplier of one rank of every request.
fn ask_suppliers(
    round: &mut [&mut OpenRequest<'_>],
    rank: usize,
    lookup: Lookup<'_>,
) -> Result<(), Error> {
    let sources = lookup.sources;
    let questions = questions(round, rank);
    let answers = parallel::map(PARALLEL, &questions, |question| question.ask(sources));
    let asked: Vec<Vec<Vec<usize>>> = questions.into_iter().map(|one| one.asking).collect();
    for (asking, answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(lists) => {
                for (positions, list) in asking.iter().zip(lists) {
                    for at in positions {
                        round[*at].add(list.clone(), rank, sources)?;
                    }
                }
            }
            Err(error) => {
                let reason = error.unavailable();
                let (Some(reason), Some(first)) = (reason, asking.iter().flatten().next()) else {
                    return Err(error);
                };
                for at in asking.iter().flatten() {
                    round[*at].set_aside(rank, &reason, error.may_pass());
                }
                round[*first].error.get_or_insert(error);
            }
        }
    }
    serve(round, rank, lookup)
}

/// Chooses a candidate for every request, with its digests if they are needed.
fn serve(round: &mut [&mut OpenRequest<'_>], rank: usize, lookup: Lookup<'_>) -> Result<(), Error> {
    loop {
        let mut open = Vec::new();
        for (at, one) in round.iter_mut().enumerate() {
            if one.served || one.is_set_aside(rank) {
                continue;
            }
            match (lookup.best)(one.sought, &one.candidates) {
                None => one.set_aside(rank, "no version of it fits", false),
                Some(position) => {
                    let candidate = &one.candidates[position];
                    let is_crate = one.is_crate(rank);
                    if lookup.digests && (!candidate.undigested.is_empty() || is_crate) {
                        let tool = one.tool(rank);
                        open.push((at, position, tool, one.sought, candidate.clone()));
                        one.is_crate_read |= is_crate;
                    } else {
                        if lookup.digests {
                            npm::check_signatures(&mut one.candidates[position], lookup.sources)?;
                        }
                        one.served = true;
                    }
                }
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let digested = parallel::map(PARALLEL, &open, |(_, _, tool, sought, candidate)| {
            with_digests(tool, *sought, candidate, lookup.sources)
        });
        let places: Vec<(usize, usize)> = open.iter().map(|one| (one.0, one.1)).collect();
        for ((at, position), digested) in places.into_iter().zip(digested) {
            match digested {
                // Without a digest for this system the next round chooses another version.
                Ok(Complete::Candidate(candidate)) => round[at].candidates[position] = *candidate,
                Ok(Complete::Unchanged(unused)) => round[at].unused.extend(unused),
                Err(error) => {
                    let Some(reason) = error.unavailable() else {
                        return Err(error);
                    };
                    round[at].set_aside(rank, &reason, error.may_pass());
                    round[at].error.get_or_insert(error);
                }
            }
        }
    }
}

impl<'a> OpenRequest<'a> {
    fn new(sought: ToolQuery<'a>) -> Self {
        Self {
            suppliers: sought.tool.suppliers(),
            sought,
            candidates: Vec::new(),
            unused: Vec::new(),
            error: None,
            served: false,
            is_crate_read: false,
        }
    }

    /// Returns the tool as the package of the supplier of this rank.
    fn tool(&self, rank: usize) -> Tool {
        match self.suppliers.get(rank) {
            Some(supplier) if rank > 0 => self.sought.tool.from_supplier(supplier),
            _ => self.sought.tool.clone(),
        }
    }

    /// Adds the versions of a supplier.
    fn add(
        &mut self,
        mut candidates: Vec<Candidate>,
        rank: usize,
        sources: Sources<'_>,
    ) -> Result<(), Error> {
        release_age::hold(&mut candidates, self.sought.tool, sources);
        glibc::check(&mut candidates, sources);
        let tool = self.tool(rank);
        let channel = self.sought.request.requirement.value.channel();
        match (tool.source, channel) {
            (Source::Npm, _) => npm::select_tagged(&tool, &mut candidates, self.sought.request)?,
            (Source::Node, Some(line)) => node::select_line(&tool, &mut candidates, line)?,
            (Source::Rust, _) | (_, None) => {}
            (_, Some(line)) if self.sought.tool.source == Source::Node => {
                node::select_numbers(&mut candidates, line)?;
            }
            // Other sources know no names of versions.
            (_, Some(_)) => candidates.clear(),
        }
        for candidate in &mut candidates {
            candidate.rank = rank;
        }
        self.candidates.extend(candidates);
        Ok(())
    }

    /// Returns whether the next version is a crate, whose programs may be published elsewhere. A build with settings of
    /// the user is compiled.
    fn is_crate(&self, rank: usize) -> bool {
        let settings = self.sought.request.options.crate_build();
        let is_crate = self.tool(rank).source == Source::Cargo;
        is_crate && settings.is_empty() && !self.is_crate_read
    }

    fn set_aside(&mut self, rank: usize, reason: &str, may_pass: bool) {
        let supplier = self.suppliers.get(rank).cloned();
        self.unused.extend(supplier.map(|supplier| UnusedSupplier {
            supplier,
            reason: reason.to_owned(),
            may_pass,
        }));
        // A version without digests cannot be locked.
        self.candidates
            .retain(|one| one.rank != rank || one.undigested.is_empty());
    }

    fn is_set_aside(&self, rank: usize) -> bool {
        let supplier = self.suppliers.get(rank);
        self.unused
            .iter()
            .any(|one| Some(&one.supplier) == supplier)
    }
}

/// One question to one source.
struct Question<'a> {
    tool: Tool,
    request: &'a ToolRequest,
    cache_use: CacheUse,
    /// All requests for rust: they share channel manifests. Empty for other sources.
    toolchains: Vec<rust::ToolchainRequest<'a>>,
    /// The positions of the requests that each list of the answer is for.
    asking: Vec<Vec<usize>>,
}

/// Returns the questions to the suppliers of one rank, each once.
fn questions<'a>(round: &[&mut OpenRequest<'a>], rank: usize) -> Vec<Question<'a>> {
    let mut questions: Vec<Question<'a>> = Vec::new();
    for (at, one) in round.iter().enumerate() {
        let (tool, sought) = (one.tool(rank), one.sought);
        let request = sought.request;
        let cache_use = if sought.upgrade.covers(sought.tool) {
            CacheUse::Revalidate
        } else {
            CacheUse::Recent
        };
        let known = questions.iter_mut().find(|question| match tool.source {
            Source::Rust => question.tool.source == Source::Rust,
            _ => {
                question.tool == tool
                    && question.request.components == request.components
                    && question.request.options == request.options
                    && !reads_until_it_fits(tool.source)
            }
        });
        let toolchain = (tool.source == Source::Rust).then(|| rust::ToolchainRequest {
            tool: sought.tool,
            request,
            preferred: sought
                .previous
                .similar(sought.tool, request)
                .filter(|_| cache_use == CacheUse::Recent)
                .map(|(_, package)| package)
                .collect(),
        });
        match (known, toolchain) {
            (Some(question), Some(toolchain)) => {
                if cache_use == CacheUse::Revalidate {
                    question.cache_use = cache_use;
                }
                question.toolchains.push(toolchain);
                question.asking.push(vec![at]);
            }
            (Some(question), None) => {
                if let Some(asking) = question.asking.first_mut() {
                    asking.push(at);
                }
            }
            (None, toolchain) => questions.push(Question {
                tool,
                request,
                cache_use,
                toolchains: toolchain.into_iter().collect(),
                asking: vec![vec![at]],
            }),
        }
    }
    questions
}

impl Question<'_> {
    /// Asks the source: one list of candidates, for rust one for each toolchain.
    fn ask(&self, sources: Sources<'_>) -> Result<Vec<Vec<Candidate>>, Error> {
        let tool = &self.tool;
        let sources = Sources {
            cache_use: self.cache_use,
            ..sources
        };
        let candidates = match tool.source {
            Source::Rust => return rust::candidates(&self.toolchains, sources),
            Source::Python => python::candidates(tool, &self.request.components, sources),
            Source::Pypi => pypi::candidates(tool, sources),
            Source::Npm => npm::candidates(tool, sources),
            Source::Go => go::candidates(tool, sources),
            Source::Node => node::candidates(tool, sources),
            Source::NpmPlatform => npm_platform::candidates(tool, sources),
            Source::Github => github::candidates(tool, self.request, sources),
            Source::Url => url::candidates(tool, self.request, sources),
            Source::Cargo => cargo::candidates(tool, sources),
            Source::Conda => Err(Error::NoSource { tool: tool.clone() }),
        };
        candidates.map(|all| vec![all])
    }
}

/// The chosen version with everything that the lockfile needs.
enum Complete {
    Candidate(Box<Candidate>),
    /// Nothing to add. The supplier that the crate names, if its files cannot be used.
    Unchanged(Option<UnusedSupplier>),
}

/// Turns the downloads of the chosen version into artifacts, for a source whose list has no digests. Looks up the programs
/// that a crate names.
///
/// A download without a published digest is left out.
fn with_digests(
    tool: &Tool,
    sought: ToolQuery<'_>,
    candidate: &Candidate,
    sources: Sources<'_>,
) -> Result<Complete, Error> {
    let complete = match tool.source {
        Source::Cargo => {
            return Ok(
                match published::find(tool, sought.tool, candidate, sources)? {
                    Published::Unnamed => Complete::Unchanged(None),
                    Published::Unused(unused) => Complete::Unchanged(Some(unused)),
                    Published::Served(candidate) => Complete::Candidate(candidate),
                },
            );
        }
        Source::Github => github::with_digests(tool, candidate, sources),
        Source::Node => node::with_digests(tool, candidate, sources),
        Source::Url => url::with_digests(tool, sought.request, candidate, sources),
        _ => Err(Error::NoSource { tool: tool.clone() }),
    };
    Ok(Complete::Candidate(Box::new(complete?)))
}

/// Returns whether the source's list is long and read only until a version fits the request.
const fn reads_until_it_fits(source: Source) -> bool {
    matches!(source, Source::Github | Source::Url)
}

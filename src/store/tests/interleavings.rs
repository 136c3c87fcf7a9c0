//! The collector against those who use things: every order in which their steps can come.
//!
//! The steps are the real ones, on a real directory. Those of users come at any of eight points of a collection; one
//! that would have to wait comes at the next point. The long form goes through all orders of one user, and many of two.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::chance::{Chance, effort};
use crate::{
    fetch::Silent,
    store::{Built, Error, ProcessMark, Recipe, Store, StorePath, live},
};

/// Points of a collection, and steps of a user.
const POINTS: usize = 8;
const STEPS: usize = 3;

/// How something is used.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A build: writes down what it needs, makes it if it is not there, uses it.
    Builder,
    /// A command: takes a pass, looks, and becomes a process in which the collector sees what it uses.
    Runner,
    /// A host shell: writes down what it loads, and looks.
    Shell,
}

/// Somebody who uses the object.
struct User {
    kind: Kind,
    mark: ProcessMark,
    /// How many steps are done.
    done: usize,
    found: bool,
    store: Store,
    pass: Option<std::fs::File>,
}

/// A data directory with one object, which a profile needs.
struct World {
    data: PathBuf,
    path: StorePath,
    object: PathBuf,
    profile: PathBuf,
    users: RefCell<Vec<User>>,
}

/// Does something with what the object is built from.
fn with_built<T>(act: impl FnOnce(&Built<'_>) -> T) -> T {
    act(&Built {
        name: &"thing".parse().unwrap(),
        version: &"1".parse().unwrap(),
        recipe: Recipe::Environment,
        key: b"thing",
        inputs: &[],
    })
}

/// Makes or finds the object.
fn build(store: &Store) -> PathBuf {
    let fill = |directory: &Path| {
        std::fs::write(directory.join("file"), "x").unwrap();
        Ok::<_, Error>(())
    };
    with_built(|built| store.build(built, &Silent, fill)).unwrap()
}

impl World {
    fn new(data: PathBuf, kinds: &[Kind]) -> Self {
        let store = Store::open(&data);
        let object = build(&store);
        let profile = data.join("envs/profile");
        std::fs::create_dir_all(&profile).unwrap();
        let own = ProcessMark::current();
        let other = format!("{}.0", nix::unistd::getppid()).parse().unwrap();
        let user = |(kind, mark): (&Kind, ProcessMark)| User {
            kind: *kind,
            mark,
            done: 0,
            found: false,
            store: Store::open(&data),
            pass: None,
        };
        let users = kinds.iter().zip([own, other]).map(user).collect();
        Self {
            path: with_built(StorePath::of_built),
            users: RefCell::new(users),
            data,
            object,
            profile,
        }
    }

    fn is_there(&self) -> bool {
        self.object.is_dir() && self.profile.is_dir()
    }

    /// Returns everything that is used, as the collector sees it.
    fn wanted(&self) -> BTreeSet<PathBuf> {
        let in_use = Store::open(&self.data).in_use().unwrap().into_iter();
        let mut wanted: BTreeSet<PathBuf> = in_use.map(|name| self.data.join(name)).collect();
        if live::held(&self.data).unwrap().contains(&self.profile) {
            wanted.extend([self.profile.clone(), self.object.clone()]);
        }
        wanted
    }

    /// Lets a user do its next step; tells whether it could.
    fn step(&self, user: usize) -> bool {
        let user = &mut self.users.borrow_mut()[user];
        let passes = std::fs::File::open(self.data.join("store/.format")).unwrap();
        let needs_pass = !matches!(user.kind, Kind::Shell) && user.done == 0
            || matches!(user.kind, Kind::Builder) && user.done == 1 && !user.found;
        if needs_pass && passes.try_lock_shared().is_err() {
            return false;
        }
        drop(passes);
        match (user.kind, user.done) {
            (Kind::Builder, 0) => user.found = user.store.claim(&self.path).1.is_some(),
            (Kind::Builder, 1) => {
                if !user.found {
                    build(&user.store);
                }
                assert!(self.object.is_dir(), "what a build found or made is away");
            }
            (Kind::Builder, _) => {
                assert!(self.object.is_dir(), "what a build uses is away");
                user.store = Store::open(&self.data);
            }
            (Kind::Runner, 0) => {
                user.pass = live::pass(&self.data);
                user.found = self.is_there();
            }
            (Kind::Runner, 1) => {
                if user.found {
                    assert!(self.is_there(), "what a command is about to use is away");
                    // Stands for the environment of the process that it becomes.
                    live::hold(&self.data, user.mark, &self.profile).unwrap();
                }
                user.pass = None;
            }
            (Kind::Runner, _) => {
                assert!(
                    !user.found || self.is_there(),
                    "what a command uses is away"
                );
                live::release(&self.data, user.mark);
            }
            (Kind::Shell, 0) => live::hold(&self.data, user.mark, &self.profile).unwrap(),
            (Kind::Shell, 1) => user.found = self.is_there(),
            // Looked at when the collection is over.
            (Kind::Shell, _) => {}
        }
        user.done += 1;
        true
    }

    /// Lets users do what is planned up to a point.
    fn at(&self, point: usize, plan: &RefCell<Vec<(usize, usize)>>) {
        let mut late = BTreeSet::new();
        plan.borrow_mut().retain(|(when, user)| {
            let due = *when <= point && !late.contains(user);
            if due && self.step(*user) {
                return false;
            }
            late.insert(*user);
            true
        });
    }

    /// Lets those go on whose passes the collector waits for.
    fn let_go(&self, plan: &RefCell<Vec<(usize, usize)>>) {
        let out = |user: &User| user.pass.is_some();
        loop {
            let Some(user) = self.users.borrow().iter().position(out) else {
                return;
            };
            let next = plan.borrow().iter().position(|(_, other)| *other == user);
            plan.borrow_mut().remove(next.unwrap());
            assert!(self.step(user));
        }
    }

    /// Collects, with the steps of users at their points.
    fn run(&self, plan: Vec<(usize, usize)>) {
        let plan = RefCell::new(plan);
        let store = Store::open(&self.data);
        let everything = vec![self.profile.clone(), self.object.clone()];
        self.at(0, &plan);
        let mut collection = store.collect(|| ()).unwrap();
        self.at(1, &plan);
        self.let_go(&plan);
        let choose = || {
            self.at(2, &plan);
            let wanted = self.wanted();
            self.at(3, &plan);
            let chosen = everything.into_iter();
            Ok::<_, Error>(chosen.filter(|path| !wanted.contains(path)).collect())
        };
        let wanted = || {
            self.at(4, &plan);
            let wanted = self.wanted();
            self.at(5, &plan);
            Ok(wanted)
        };
        collection.sift(choose, wanted).unwrap();
        self.at(6, &plan);
        collection.finish().unwrap();
        self.at(7, &plan);
        assert!(plan.borrow().is_empty(), "somebody waits for ever");
        for user in self.users.borrow_mut().iter_mut() {
            if matches!(user.kind, Kind::Shell) {
                assert!(
                    !user.found || self.is_there(),
                    "what a shell loaded is gone"
                );
                live::release(&self.data, user.mark);
            }
        }
        self.users.borrow_mut().clear();
        // Nobody uses anything now.
        let mut collection = store.collect(|| ()).unwrap();
        let all = || Ok::<_, Error>(vec![self.profile.clone(), self.object.clone()]);
        collection.sift(all, || Ok(self.wanted())).unwrap();
        collection.finish().unwrap();
        assert!(!self.object.exists() && !self.profile.exists());
        let left = std::fs::read_dir(self.data.join("store/.condemned")).unwrap();
        assert_eq!(left.count(), 0, "nothing stays aside");
    }
}

/// Every way to spread the steps of one user over the points.
fn spreads() -> Vec<[usize; STEPS]> {
    let mut all = Vec::new();
    for one in 0..POINTS {
        for two in one..POINTS {
            all.extend((two..POINTS).map(|three| [one, two, three]));
        }
    }
    all
}

fn check(kinds: &[Kind], plan: Vec<(usize, usize)>) {
    let directory = tempfile::tempdir().unwrap();
    let shown = format!("{kinds:?} {plan:?}");
    let world = World::new(directory.path().join("data"), kinds);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run(plan)));
    assert!(outcome.is_ok(), "{shown}");
}

#[test]
fn nobody_loses_what_it_uses_in_any_order() {
    let (all, kinds) = (spreads(), [Kind::Builder, Kind::Runner, Kind::Shell]);
    let mut orders = 0;
    for kind in kinds {
        for spread in all.iter().step_by(effort(11, 1)) {
            let plan = spread.iter().map(|point| (*point, 0)).collect();
            check(&[kind], plan);
            orders += 1;
        }
    }
    let mut chance = Chance(5);
    for _ in 0..effort(12, 20_000) {
        let pair = [kinds[chance.below(3)], kinds[chance.below(3)]];
        let mut plan = Vec::new();
        for user in 0..2 {
            let spread = all[chance.below(all.len())];
            plan.extend(spread.iter().map(|point| (*point, user)));
        }
        // At one point the one or the other comes first.
        let first = chance.below(2);
        plan.sort_by_key(|(point, user)| (*point, *user != first));
        check(&pair, plan);
        orders += 1;
    }
    eprintln!("figure: {orders} orders of a collection and its users, nothing lost");
}

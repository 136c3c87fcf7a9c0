//! A collection and the processes that use an entry: nothing in use is lost in any order of their steps.
//!
//! The steps are the real ones, on a real directory. The steps of users come at any of six points of a collection; a step
//! that has to wait for a lock comes at the next point. The long form tries all orders of one user, and many of two.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
};

use super::chance::{Chance, effort};
use crate::{
    fetch::Silent,
    store::{BuiltObject, Error, ProcessMark, Recipe, Store, StorePath, leases},
};

/// Points of a collection, and steps of a user.
const POINTS: usize = 6;
const STEPS: usize = 3;

#[derive(Debug, Clone, Copy)]
enum UserKind {
    /// Leases the object, makes it if it is not there, uses it.
    Builder,
    /// Takes a pass, leases the profile and looks, becomes a program, ends.
    Runner,
    /// Leases the profile and looks.
    Shell,
}

struct User {
    kind: UserKind,
    mark: ProcessMark,
    /// The number of steps that are done.
    done: usize,
    found: bool,
    store: Store,
}

/// A data directory with one object, which a profile needs.
struct World {
    data: PathBuf,
    path: StorePath,
    object: PathBuf,
    profile: PathBuf,
    users: RefCell<Vec<User>>,
}

/// The steps that are left: point and user.
type Plan = RefCell<Vec<(usize, usize)>>;

fn with_built<T>(act: impl FnOnce(&BuiltObject<'_>) -> T) -> T {
    act(&BuiltObject {
        name: &"thing".parse().unwrap(),
        version: &"1".parse().unwrap(),
        recipe: Recipe::Environment,
        key: b"thing",
        inputs: &[],
        is_received: false,
    })
}

fn build(store: &Store) -> PathBuf {
    let fill = |directory: &Path| {
        std::fs::write(directory.join("file"), "x").unwrap();
        Ok::<_, Error>(())
    };
    with_built(|built| store.build(built, &Silent, fill)).unwrap()
}

impl World {
    fn new(data: PathBuf, kinds: &[UserKind]) -> Self {
        let object = build(&Store::open(&data));
        let profile = data.join("envs/profile");
        std::fs::create_dir_all(&profile).unwrap();
        let own = ProcessMark::current();
        let own_text = own.to_string();
        let (_, namespace) = own_text.rsplit_once('.').unwrap();
        let other = format!("{}.0.{namespace}", nix::unistd::getppid());
        let other = other.parse().unwrap();
        let user = |(kind, mark): (&UserKind, ProcessMark)| User {
            kind: *kind,
            mark,
            done: 0,
            found: false,
            store: Store::open(&data),
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

    /// Returns everything that is in use, as a collection sees it.
    fn used(&self) -> BTreeSet<PathBuf> {
        let mut used: BTreeSet<PathBuf> = leases::leased(&self.data).unwrap().into_iter().collect();
        if used.contains(&self.profile) {
            used.insert(self.object.clone());
        }
        used
    }

    /// Lets a user do its next step; returns whether it could.
    fn step(&self, user: usize) -> bool {
        let user = &mut self.users.borrow_mut()[user];
        let passes = File::open(self.data.join("store/.format")).unwrap();
        let waits = match user.kind {
            UserKind::Builder => user.done == 0 || (user.done == 1 && !user.found),
            UserKind::Runner | UserKind::Shell => user.done == 0,
        };
        if waits && passes.try_lock_shared().is_err() {
            return false;
        }
        drop(passes);
        match (user.kind, user.done) {
            (UserKind::Builder, 0) => user.found = user.store.find(&self.path).is_some(),
            (UserKind::Builder, 1) => {
                if !user.found {
                    build(&user.store);
                }
                assert!(self.object.is_dir(), "a build lost what it found or made");
            }
            (UserKind::Builder, _) => {
                assert!(self.object.is_dir(), "a build lost what it uses");
                user.store = Store::open(&self.data);
            }
            (UserKind::Runner, 0) => {
                let _pass = leases::pass(&self.data);
                user.store.lease_profile("profile").unwrap();
                user.found = self.is_there();
            }
            (UserKind::Shell, 0) => {
                leases::lease_for_shell(&self.data, user.mark, &self.profile);
                user.found = self.is_there();
            }
            (_, done) => {
                assert!(
                    !user.found || self.is_there(),
                    "a process lost what it uses"
                );
                if done + 1 == STEPS {
                    user.store = Store::open(&self.data);
                    leases::release_shell(&self.data, user.mark);
                }
            }
        }
        user.done += 1;
        true
    }

    /// Lets users do what is planned up to a point.
    fn at(&self, point: usize, plan: &Plan) {
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

    /// Collects, with the steps of users at their points.
    fn run(&self, plan: Vec<(usize, usize)>) {
        let plan = RefCell::new(plan);
        let store = Store::open(&self.data);
        self.at(0, &plan);
        let mut collection = store.collect(|| ()).unwrap();
        self.at(1, &plan);
        let used = self.used();
        self.at(2, &plan);
        for (point, place) in [(3, &self.profile), (4, &self.object)] {
            if !used.contains(place) {
                collection.discard(place).unwrap();
            }
            self.at(point, &plan);
        }
        collection.finish().unwrap();
        self.at(5, &plan);
        assert!(plan.borrow().is_empty(), "a user waits for ever");
        self.users.borrow_mut().clear();
        let mut collection = store.collect(|| ()).unwrap();
        assert!(self.used().is_empty());
        for place in [&self.profile, &self.object] {
            collection.discard(place).unwrap();
        }
        collection.finish().unwrap();
        assert!(!self.object.exists() && !self.profile.exists());
        for place in [".trash", ".leases/store", ".leases/shells"] {
            let left = std::fs::read_dir(self.data.join("store").join(place));
            assert_eq!(left.map_or(0, Iterator::count), 0, "{place}");
        }
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

fn check(kinds: &[UserKind], plan: Vec<(usize, usize)>) {
    let directory = tempfile::tempdir().unwrap();
    let shown = format!("{kinds:?} {plan:?}");
    let world = World::new(directory.path().join("data"), kinds);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run(plan)));
    assert!(outcome.is_ok(), "{shown}");
}

#[test]
fn nothing_in_use_is_lost_in_any_order() {
    let kinds = [UserKind::Builder, UserKind::Runner, UserKind::Shell];
    let (all, mut orders) = (spreads(), 0);
    for kind in kinds {
        for spread in all.iter().step_by(effort(5, 1)) {
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

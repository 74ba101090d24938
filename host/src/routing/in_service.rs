//! A function in service: its deployment, and the versions that it names.

use super::canary::{Breach, Rate};
use super::deployed::Deployed;
use super::function::{FunctionRoutes, RouteConflict};
use crate::names::FunctionName;
use crate::registry::{Deployment, Manifest, Version};
use crate::telemetry::FunctionMetrics;
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A version with its routes, checked against each other.
#[derive(Debug)]
pub struct Ready {
    /// Which one.
    pub version: Arc<Version>,
    routes: FunctionRoutes,
}

impl Ready {
    /// Checks a version's routes.
    ///
    /// # Errors
    ///
    /// When they contradict each other.
    pub fn new(version: Arc<Version>) -> Result<Self, RouteConflict> {
        let routes = FunctionRoutes::new(&version.description)?;
        Ok(Self { version, routes })
    }
}

/// A function in service.
#[derive(Debug)]
pub struct InService {
    /// Who gets what of its traffic.
    pub deployment: Deployment,
    /// In the order of the split.
    versions: Vec<Arc<Deployed>>,
    /// What each of them had on its tally when the deployment began.
    began: Vec<Rate>,
    /// Versions without traffic that somebody asked for by number.
    aside: Mutex<Vec<Arc<Deployed>>>,
    /// Invocations of the function, whatever the version.
    running: Arc<AtomicUsize>,
    metrics: FunctionMetrics,
}

impl InService {
    /// Joins a deployment and its versions, which are all that it names. What
    /// `previous` knows of a version that stays is kept.
    pub(super) fn new(
        deployment: Deployment,
        versions: Vec<Ready>,
        previous: Option<&Self>,
        metrics: FunctionMetrics,
    ) -> Self {
        let running = previous.map(|it| it.running.clone()).unwrap_or_default();
        let join = |Ready { version, routes }| {
            let stays = previous.and_then(|it| it.known(version.id.number()));
            stays.unwrap_or_else(|| {
                Arc::new(Deployed::new(
                    version,
                    routes,
                    running.clone(),
                    metrics.clone(),
                ))
            })
        };
        let mut versions: Vec<_> = versions.into_iter().map(join).collect();
        versions.sort_by_key(|it| it.version.id.number());
        Self {
            began: versions.iter().map(|it| it.tally.read()).collect(),
            deployment,
            versions,
            aside: Mutex::default(),
            running,
            metrics,
        }
    }

    /// The function.
    pub fn function(&self) -> &FunctionName {
        &self.deployment.function
    }

    /// The versions that get traffic, the oldest first.
    pub fn versions(&self) -> &[Arc<Deployed>] {
        &self.versions
    }

    /// The version that gets most; of equals, the newest.
    pub fn main(&self) -> &Arc<Deployed> {
        let main = self.deployment.split.main();
        let found = self
            .versions
            .iter()
            .find(|it| it.version.id.number() == main);
        found.expect("a deployment comes with its versions")
    }

    /// Where the function answers: all its versions do so at one address.
    pub(super) fn manifest(&self) -> &Manifest {
        &self.versions[0].version.manifest
    }

    /// Invocations of the function at once.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// The version that answers a request with this key; without one, any.
    pub(super) fn pick<'k>(&self, key: impl FnOnce() -> Option<&'k [u8]>) -> &Arc<Deployed> {
        if let [only] = &self.versions[..] {
            return only;
        }
        let number = match key() {
            Some(key) => spread(self.function(), key),
            None => fastrand::u64(..),
        };
        let version = self.deployment.split.pick(number);
        let found = self
            .versions
            .iter()
            .find(|it| it.version.id.number() == version);
        found.expect("a deployment comes with its versions")
    }

    /// A version by its number, if it gets traffic or was asked for before.
    pub fn known(&self, number: u32) -> Option<Arc<Deployed>> {
        let is_it = |it: &&Arc<Deployed>| it.version.id.number() == number;
        let found = self.versions.iter().find(is_it).cloned();
        found.or_else(|| self.aside().iter().find(is_it).cloned())
    }

    /// Makes a version without traffic known, for those who ask for it by its
    /// number.
    pub fn put_aside(&self, Ready { version, routes }: Ready) -> Arc<Deployed> {
        let (running, metrics) = (self.running.clone(), self.metrics.clone());
        let number = version.id.number();
        let new = Arc::new(Deployed::new(version, routes, running, metrics));
        let mut aside = self.aside();
        match aside.iter().find(|it| it.version.id.number() == number) {
            Some(known) => known.clone(),
            None => {
                aside.push(new.clone());
                new
            }
        }
    }

    /// Those of the versions known here that `next` does not know.
    pub fn left_by(&self, next: Option<&Self>) -> Vec<Arc<Deployed>> {
        let mut left = self.versions.clone();
        left.extend(self.aside().iter().cloned());
        left.retain(|it| next.is_none_or(|next| next.known(it.version.id.number()).is_none()));
        left
    }

    /// How often each version has failed since the deployment began.
    pub fn rates(&self) -> Vec<(u32, Rate)> {
        let versions = self.versions.iter().zip(&self.began);
        versions
            .map(|(it, began)| (it.version.id.number(), it.tally.read().since(*began)))
            .collect()
    }

    /// Whether a version is on trial and fails too often.
    pub fn breach(&self) -> Option<Breach> {
        let trial = self.deployment.canary?;
        let (mut canary, mut others) = (Rate::default(), Rate::default());
        for (version, rate) in self.rates() {
            if version == trial.version {
                canary = rate;
            } else {
                others = others.plus(rate);
            }
        }
        canary.exceeds(others, trial.abort_on).then_some(Breach {
            version: trial.version,
            canary,
            others,
            abort_on: trial.abort_on,
        })
    }

    fn aside(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Deployed>>> {
        // No code that can panic runs under this lock.
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spreads keys evenly over all numbers, on every host and in every release
/// alike; each function in its own way.
fn spread(function: &FunctionName, key: &[u8]) -> u64 {
    let hash = Sha256::new_with_prefix(function.as_str())
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let first = hash.first_chunk().expect("a hash has 32 bytes");
    u64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Canary;
    use crate::routing::testing;
    use crate::telemetry::Metrics;

    fn shop(split: &str, previous: Option<&InService>) -> InService {
        let manifest = Manifest::named("shop".parse().unwrap());
        let deployment = testing::deployment(&manifest, split);
        let numbers: Vec<u32> = deployment
            .split
            .weights()
            .map(|(number, _)| number)
            .collect();
        let ready = numbers
            .iter()
            .map(|number| testing::ready(&manifest, *number));
        let metrics = Metrics::default().of(&manifest.name);
        InService::new(deployment, ready.collect(), previous, metrics)
    }

    fn number(version: &Deployed) -> u32 {
        version.version.id.number()
    }

    #[test]
    fn a_key_stays_with_its_version_and_moves_once_at_most() {
        let shares = [
            "3=100 4=1",
            "3=90 4=10",
            "3=50 4=50",
            "3=10 4=90",
            "3=1 4=100",
        ];
        let stages = shares.map(|split| shop(split, None));
        let mut of_the_new = [0; 5];
        for user in 0..1_000 {
            let key = format!("user-{user}");
            let at = |stage: &InService| number(stage.pick(|| Some(key.as_bytes())));
            let way: Vec<_> = stages.iter().map(at).collect();
            assert!(way.is_sorted(), "{key}: {way:?}");
            assert_eq!(at(&stages[1]), way[1]);
            for (count, version) in of_the_new.iter_mut().zip(way) {
                *count += u32::from(version == 4);
            }
        }
        assert!((60..140).contains(&of_the_new[1]), "{of_the_new:?}");
        assert!((430..570).contains(&of_the_new[2]), "{of_the_new:?}");
    }

    #[test]
    fn without_a_key_chance_decides() {
        let shop = shop("3=50 4=50", None);
        let newer = (0..1_000)
            .filter(|_| number(shop.pick(|| None)) == 4)
            .count();
        assert!((350..650).contains(&newer), "{newer}");
    }

    #[test]
    fn a_version_that_stays_is_the_same_and_the_others_are_left() {
        let first = shop("3=100", None);
        let aside = first.put_aside(testing::ready(first.manifest(), 1));
        assert!(Arc::ptr_eq(
            &aside,
            &first.put_aside(testing::ready(first.manifest(), 1))
        ));
        let second = shop("3=90 4=10", Some(&first));
        assert!(Arc::ptr_eq(first.main(), second.main()));
        let left: Vec<_> = first
            .left_by(Some(&second))
            .iter()
            .map(|it| number(it))
            .collect();
        assert_eq!(left, [1]);
        let third = shop("4=100", Some(&second));
        let left: Vec<_> = second
            .left_by(Some(&third))
            .iter()
            .map(|it| number(it))
            .collect();
        assert_eq!(left, [3]);
        assert_eq!(third.left_by(None).len(), 1);
    }

    #[test]
    fn a_version_on_trial_is_judged_by_what_it_did_in_this_deployment() {
        let before = shop("3=90 4=10", None);
        for _ in 0..100 {
            before.known(4).unwrap().tally.count(true);
        }
        let mut trial = shop("3=90 4=10", Some(&before));
        trial.deployment.canary = Some(Canary {
            version: 4,
            abort_on: "1%".parse().unwrap(),
        });
        assert_eq!(trial.breach(), None);
        for _ in 0..20 {
            trial.known(4).unwrap().tally.count(true);
            trial.known(3).unwrap().tally.count(false);
        }
        let breach = trial.breach().unwrap();
        assert_eq!(
            (breach.version, breach.canary.failed, breach.others.failed),
            (4, 20, 0)
        );
    }
}

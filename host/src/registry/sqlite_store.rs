//! The embedded store: versions and deployments in the data directory's database.

use super::database::Database;
use super::record::{DeploymentRecord, VersionRecord};
use super::store::{InForce, Store};
use super::store_error::io_error;
use super::{Change, Deployment, Digest, Limits, RegistryError, Version};
use crate::failpoint::fail_point;
use crate::names::{FunctionName, VersionId};
use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Deployments that are remembered of each function.
const MAX_HISTORY: u32 = 100;

/// The embedded store: a part of the data directory's database.
#[derive(Debug)]
pub(super) struct SqliteStore {
    pub(super) database: Arc<Database>,
    pub(super) maxima: Limits,
}

impl Store for SqliteStore {
    fn next_version(&self, function: &FunctionName) -> Result<VersionId, RegistryError> {
        let number: Option<u32> = self
            .database
            .lock()
            .query_row(
                "SELECT versions FROM functions WHERE name = ?1",
                [function.as_str()],
                |row| row.get(0),
            )
            .optional()?;
        Ok(VersionId::new(function.clone(), number.unwrap_or(0) + 1))
    }

    fn deploy(&self, version: &Version, change: Change) -> Result<Deployment, RegistryError> {
        let mut database = self.database.lock();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let function = version.id.function();
        transaction.execute(
            "INSERT INTO functions VALUES (?1, ?2, 0)
             ON CONFLICT DO UPDATE SET versions = max(versions, ?2)",
            params![function.as_str(), version.id.number()],
        )?;
        transaction.execute(
            "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                function.as_str(),
                version.id.number(),
                version.component.as_str(),
                json(&version.manifest),
                json(&version.description),
                i64::try_from(version.created_at_ms).unwrap_or(i64::MAX),
            ],
        )?;
        let deployment = record(&transaction, function, change)?;
        fail_point!("store", io_error("write into", &self.database.path));
        transaction.commit()?;
        Ok(deployment)
    }

    fn redeploy(
        &self,
        function: &FunctionName,
        change: Change,
    ) -> Result<Deployment, RegistryError> {
        let mut database = self.database.lock();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let deployment = record(&transaction, function, change)?;
        fail_point!("redeploy", io_error("write into", &self.database.path));
        transaction.commit()?;
        Ok(deployment)
    }

    fn in_force(&self) -> Result<Vec<Result<InForce, RegistryError>>, RegistryError> {
        let records = {
            let database = self.database.lock();
            let mut query = database.prepare(
                "SELECT * FROM deployments d WHERE revision =
                   (SELECT max(revision) FROM deployments WHERE function = d.function)
                 ORDER BY function",
            )?;
            let records = query.query_map([], DeploymentRecord::read)?;
            records.collect::<Result<Vec<_>, _>>()?
        };
        let whole = |record: DeploymentRecord| -> Result<InForce, RegistryError> {
            let deployment = record.decode()?;
            let versions = deployment.split.weights().map(|(number, _)| {
                let id = VersionId::new(deployment.function.clone(), number);
                self.version(&id)?.ok_or_else(|| missing(&id))
            });
            let versions = versions.collect::<Result<_, _>>()?;
            Ok((deployment, versions))
        };
        Ok(records.into_iter().map(whole).collect())
    }

    fn deployments(&self, function: &FunctionName) -> Result<Vec<Deployment>, RegistryError> {
        let database = self.database.lock();
        let mut query = database
            .prepare("SELECT * FROM deployments WHERE function = ?1 ORDER BY revision DESC")?;
        let records = query.query_map([function.as_str()], DeploymentRecord::read)?;
        records.map(|record| record?.decode()).collect()
    }

    fn versions(&self, function: &FunctionName) -> Result<Vec<Version>, RegistryError> {
        let database = self.database.lock();
        let mut query =
            database.prepare("SELECT * FROM versions WHERE function = ?1 ORDER BY number DESC")?;
        let records = query.query_map([function.as_str()], VersionRecord::read)?;
        records.map(|record| record?.decode(&self.maxima)).collect()
    }

    fn version(&self, id: &VersionId) -> Result<Option<Version>, RegistryError> {
        let record = self
            .database
            .lock()
            .query_row(
                "SELECT * FROM versions WHERE function = ?1 AND number = ?2",
                params![id.function().as_str(), id.number()],
                VersionRecord::read,
            )
            .optional()?;
        record.map(|record| record.decode(&self.maxima)).transpose()
    }

    fn prune(&self, function: &FunctionName, keep: usize) -> Result<Vec<Version>, RegistryError> {
        let deployments = self.deployments(function)?;
        let Some(now) = deployments.first() else {
            return Ok(Vec::new());
        };
        let before = deployments
            .iter()
            .find(|it| now.before == Some(it.revision));
        let needed = |number| {
            let gets_traffic = |deployment: &Deployment| deployment.split.weight(number) > 0;
            gets_traffic(now) || before.is_some_and(gets_traffic)
        };
        let mut old: Vec<_> = self.versions(function)?.into_iter().skip(keep).collect();
        old.retain(|version| !needed(version.id.number()));

        let mut database = self.database.lock();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for version in &old {
            transaction.execute(
                "DELETE FROM versions WHERE function = ?1 AND number = ?2",
                params![function.as_str(), version.id.number()],
            )?;
        }
        // What can't be gone back to need not be remembered, nor what is long ago.
        let gone = |deployment: &&Deployment| {
            let is_long_ago = deployment.revision + MAX_HISTORY <= now.revision;
            if is_long_ago && now.before != Some(deployment.revision) {
                return true;
            }
            let mut numbers = deployment.split.weights().map(|(number, _)| number);
            numbers.any(|number| old.iter().any(|version| version.id.number() == number))
        };
        for deployment in deployments.iter().filter(gone) {
            transaction.execute(
                "DELETE FROM deployments WHERE function = ?1 AND revision = ?2",
                params![function.as_str(), deployment.revision],
            )?;
        }
        transaction.commit()?;
        Ok(old)
    }

    fn remove(&self, function: &FunctionName) -> Result<Vec<Digest>, RegistryError> {
        let mut database = self.database.lock();
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute(
            "DELETE FROM deployments WHERE function = ?1",
            [function.as_str()],
        )?;
        transaction.execute(
            "DELETE FROM secrets WHERE function = ?1",
            [function.as_str()],
        )?;
        let removed = transaction
            .prepare("DELETE FROM versions WHERE function = ?1 RETURNING component")?
            .query_map([function.as_str()], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        fail_point!("remove", io_error("write into", &self.database.path));
        transaction.commit()?;
        // A damaged digest names no file.
        Ok(removed.iter().filter_map(|it| it.parse().ok()).collect())
    }

    fn is_used(&self, component: &Digest) -> Result<bool, RegistryError> {
        Ok(self.database.lock().query_row(
            "SELECT exists(SELECT 1 FROM versions WHERE component = ?1)",
            [component.as_str()],
            |row| row.get(0),
        )?)
    }
}

/// Now, in milliseconds since the Unix epoch: for people; nothing is decided by
/// it.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

fn record(
    transaction: &Transaction<'_>,
    function: &FunctionName,
    change: Change,
) -> Result<Deployment, RegistryError> {
    let revision = transaction.query_row(
        "UPDATE functions SET revisions = revisions + 1 WHERE name = ?1 RETURNING revisions",
        [function.as_str()],
        |row| row.get(0),
    )?;
    let Change {
        split,
        cause,
        before,
        canary,
    } = change;
    let created_at_ms = now_ms();
    transaction.execute(
        "INSERT INTO deployments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            function.as_str(),
            revision,
            json(&split),
            cause.as_str(),
            before,
            canary.as_ref().map(json),
            i64::try_from(created_at_ms).unwrap_or(i64::MAX),
        ],
    )?;
    Ok(Deployment {
        function: function.clone(),
        revision,
        split,
        cause,
        before,
        canary,
        created_at_ms,
    })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("records are texts and numbers")
}

fn missing(id: &VersionId) -> RegistryError {
    RegistryError::Damaged {
        version: id.to_string(),
        source: "the version has no record".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Canary, Cause, Description, Interface, Manifest, Registry, Split};
    use rusqlite::Connection;

    fn name(text: &str) -> FunctionName {
        text.parse().unwrap()
    }

    fn change(split: Split, cause: Cause, before: Option<u32>) -> Change {
        Change {
            split,
            cause,
            before,
            canary: None,
        }
    }

    fn deploy(registry: &Registry, function: &str, wasm: &[u8]) -> (Version, Deployment) {
        let component = registry.put_component(wasm).unwrap();
        let id = registry.store().next_version(&name(function)).unwrap();
        let manifest = Manifest::named(name(function));
        let version = Version {
            component,
            limits: manifest.limits.clone(),
            manifest,
            description: Description::of_standard(Interface::WasiHttp02),
            created_at_ms: now_ms(),
            id,
        };
        let before = registry.store().deployments(&name(function)).unwrap();
        let before = before.first().map(|it| it.revision);
        let change = change(Split::all_to(version.id.number()), Cause::Deploy, before);
        let deployment = registry.store().deploy(&version, change).unwrap();
        (version, deployment)
    }

    fn in_force(registry: &Registry) -> Vec<String> {
        let all = registry.store().in_force().unwrap().into_iter();
        let shown = all.map(|it| {
            let (deployment, versions) = it.unwrap();
            let ids: Vec<_> = versions.iter().map(|it| it.id.to_string()).collect();
            format!("{}: {}", ids.join(" "), deployment.split)
        });
        shown.collect()
    }

    #[test]
    fn versions_and_deployments_count_up_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        assert_eq!(deploy(&registry, "shop", b"one").0.id.to_string(), "shop@1");
        let (second, deployment) = deploy(&registry, "shop", b"two");
        assert_eq!(second.id.to_string(), "shop@2");
        assert_eq!((deployment.revision, deployment.before), (2, Some(1)));
        deploy(&registry, "blog", b"one");
        let both = Split::parse(["1=90", "2=10"]).unwrap();
        let mut wanted = change(both, Cause::Split, Some(2));
        wanted.canary = Some(Canary {
            version: 2,
            abort_on: "1%".parse().unwrap(),
        });
        let split = registry.store().redeploy(&name("shop"), wanted).unwrap();
        drop(registry);

        let registry = Registry::open(folder.path()).unwrap();
        assert_eq!(
            in_force(&registry),
            ["blog@1: 1=100", "shop@1 shop@2: 1=90 2=10"]
        );
        let history = registry.store().deployments(&name("shop")).unwrap();
        assert_eq!(history[0], split);
        let revisions: Vec<_> = history.iter().map(|it| it.revision).collect();
        assert_eq!(revisions, [3, 2, 1]);
        assert_eq!(
            registry.store().deployment(&name("shop"), 2).unwrap(),
            Some(deployment)
        );
        assert_eq!(
            registry.store().versions(&name("shop")).unwrap()[0].id,
            second.id
        );
        assert!(
            registry
                .store()
                .version(&"shop@3".parse().unwrap())
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let (first, _) = deploy(&registry, "shop", b"one");
        assert_eq!(
            registry.store().remove(&name("shop")).unwrap(),
            [first.component]
        );
        assert!(registry.store().remove(&name("shop")).unwrap().is_empty());
        assert!(registry.store().in_force().unwrap().is_empty());
        let (next, deployment) = deploy(&registry, "shop", b"one");
        assert_eq!((next.id.number(), deployment.revision), (2, 2));
    }

    #[test]
    fn old_versions_go_but_none_that_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        for wasm in [b"a", b"b", b"c", b"d"] {
            deploy(&registry, "shop", wasm);
        }
        let back = Split::all_to(1);
        registry
            .store()
            .redeploy(&name("shop"), change(back, Cause::Split, Some(4)))
            .unwrap();
        let pruned = registry.store().prune(&name("shop"), 1).unwrap();
        let numbers = |versions: &[Version]| -> Vec<u32> {
            versions.iter().map(|it| it.id.number()).collect()
        };
        assert_eq!(numbers(&pruned), [3, 2]);
        assert_eq!(
            numbers(&registry.store().versions(&name("shop")).unwrap()),
            [4, 1]
        );
        assert_eq!(registry.store().deployment(&name("shop"), 2).unwrap(), None);
        assert_eq!(in_force(&registry), ["shop@1: 1=100"]);

        let components: Vec<_> = pruned.into_iter().map(|it| it.component).collect();
        deploy(&registry, "blog", b"b");
        registry.forget_unused(&components).unwrap();
        assert!(registry.component(&Digest::of(b"b")).is_some());
        assert!(registry.component(&Digest::of(b"c")).is_none());
    }

    #[test]
    fn a_damaged_record_takes_no_other_function_down() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        deploy(&registry, "shop", b"one");
        deploy(&registry, "blog", b"one");
        deploy(&registry, "wiki", b"one");
        for damage in [
            "UPDATE versions SET manifest = '{' WHERE function = 'blog'",
            "UPDATE deployments SET split = '{}' WHERE function = 'wiki'",
        ] {
            registry.database.lock().execute(damage, []).unwrap();
        }
        let all = registry.store().in_force().unwrap();
        assert!(matches!(all[0], Err(RegistryError::Damaged { .. })));
        assert_eq!(all[1].as_ref().unwrap().0.function, name("shop"));
        assert!(matches!(all[2], Err(RegistryError::Damaged { .. })));
    }

    #[test]
    fn a_database_of_the_first_schema_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(include_str!("schema.sql")).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        let manifest = json(&Manifest::named(name("shop")));
        let description = json(&Description::of_standard(Interface::WasiHttp02));
        let component = Digest::of(b"one");
        for number in [1, 2, 3] {
            let row = params![number, component.as_str(), manifest, description];
            old.execute(
                "INSERT INTO versions VALUES ('shop', ?1, ?2, ?3, ?4, 5)",
                row,
            )
            .unwrap();
        }
        old.execute("INSERT INTO deployments VALUES ('shop', 2, 100)", [])
            .unwrap();
        drop(old);

        let registry = Registry::open(folder.path()).unwrap();
        assert_eq!(in_force(&registry), ["shop@2: 2=100"]);
        assert_eq!(
            registry
                .store()
                .next_version(&name("shop"))
                .unwrap()
                .number(),
            4
        );
        assert_eq!(deploy(&registry, "shop", b"two").1.revision, 2);
    }

    /// The clock may have been wrong then, or be wrong now: numbers count.
    #[test]
    fn what_comes_from_the_future_is_not_the_newest_for_that() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        deploy(&registry, "shop", b"one");
        deploy(&registry, "shop", b"two");
        for table in ["versions", "deployments"] {
            let sql = format!("UPDATE {table} SET created_at = 9000000000000000");
            registry.database.lock().execute(&sql, []).unwrap();
        }
        let (third, deployment) = deploy(&registry, "shop", b"three");
        assert_eq!((third.id.number(), deployment.revision), (3, 3));
        drop(registry);

        let registry = Registry::open(folder.path()).unwrap();
        assert_eq!(in_force(&registry), ["shop@3: 3=100"]);
        let listed = registry.store().versions(&name("shop")).unwrap();
        let numbers: Vec<_> = listed.iter().map(|it| it.id.number()).collect();
        assert_eq!(numbers, [3, 2, 1]);
        let gone = registry.store().prune(&name("shop"), 1).unwrap();
        let gone: Vec<_> = gone.iter().map(|it| it.id.number()).collect();
        assert_eq!(
            gone,
            [1],
            "the third gets traffic, the second had it before"
        );
    }
}

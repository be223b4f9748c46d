//! [`Store`] over the database: reads on the readers' connections, everything else by the writer.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use super::batch::{Prepared, Waiting};
use super::leases::{self, LeaseJob, NewestLease};
use super::orders::{self, OrderJob};
use super::rows::{self, DeviceRow, KeyRow};
use super::writer::Job;
use super::{SqliteStore, keying, limit};
use crate::model::{Attempt, Device, Lease, NewOrder, Order, OrderId, OrderOutcome, Step};
use crate::profile::{Oui, Vendor};
use crate::store::{Change, OneTimeName, Recovery, Refusal, ServiceKey, Store, StoreError, StoredFile, WakeUpSent};
use crate::value::{EngineId, Fqdn, MacAddress, Timestamp};
use crate::wire::kerberos::PrincipalName;

#[async_trait]
impl Store for SqliteStore {
    async fn device(&self, mac: MacAddress) -> Result<Option<Device>, StoreError> {
        let miss = match self.shared.devices.get(mac) {
            Ok(device) => return Ok(Some(device)),
            Err(miss) => miss,
        };
        let device = self.devices.get(mac).await?;
        if let Some(device) = &device {
            self.shared.devices.fill(mac, miss, device.clone());
        }
        Ok(device)
    }

    async fn devices(&self, after: Option<MacAddress>, most: usize) -> Result<Vec<Device>, StoreError> {
        let sql = format!(
            "SELECT {} FROM devices WHERE mac > ? ORDER BY mac LIMIT ?",
            rows::DEVICE
        );
        let after = after.map(|mac| mac.to_string()).unwrap_or_default();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(limit(most));
        self.read(query, |row| rows::device(row, &self.key)).await
    }

    async fn devices_named(&self, name: &Fqdn, most: usize) -> Result<Vec<Device>, StoreError> {
        let sql = format!(
            "SELECT {} FROM devices WHERE labels = ? ORDER BY mac LIMIT ?",
            rows::DEVICE
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(rows::labels(name.as_str()))
            .bind(limit(most));
        self.read(query, |row| rows::device(row, &self.key)).await
    }

    async fn devices_at(&self, address: IpAddr, most: usize) -> Result<Vec<Device>, StoreError> {
        let sql = format!(
            "SELECT {} FROM devices WHERE mac IN (SELECT mac FROM addresses WHERE address = ? ORDER BY mac LIMIT ?)
             ORDER BY mac",
            rows::DEVICE
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(address.to_string())
            .bind(limit(most));
        self.read(query, |row| rows::device(row, &self.key)).await
    }

    async fn has_device_below(&self, name: &Fqdn) -> Result<bool, StoreError> {
        let labels = rows::labels(name.as_str());
        // A slash follows the dot in ASCII: the names between the two are those with at least one label more.
        let query = sqlx::query("SELECT 1 FROM devices WHERE labels > ? AND labels < ? LIMIT 1")
            .bind(format!("{labels}."))
            .bind(format!("{labels}/"));
        Ok(!self.read(query, |_| Ok(())).await?.is_empty())
    }

    async fn put_devices(&self, devices: Vec<Device>) -> Result<(), StoreError> {
        let devices = devices
            .into_iter()
            .map(|device| DeviceRow::new(device, &self.key))
            .collect();
        self.ask(|answer| Job::PutDevices(devices, answer)).await
    }

    async fn remove_device(&self, mac: MacAddress) -> Result<bool, StoreError> {
        self.ask(|answer| Job::RemoveDevice(mac, answer)).await
    }

    async fn reset_device(&self, mac: MacAddress, now: Timestamp) -> Result<bool, StoreError> {
        self.ask(|answer| Job::ResetDevice(mac, now, answer)).await
    }

    async fn attempt(&self, mac: MacAddress) -> Result<Option<Attempt>, StoreError> {
        let miss = match self.shared.attempts.get(mac) {
            Ok(attempt) => return Ok(Some(attempt)),
            Err(miss) => miss,
        };
        let attempt = self.attempts.get(mac).await?;
        if let Some(attempt) = &attempt {
            self.shared.attempts.fill(mac, miss, attempt.clone());
        }
        Ok(attempt)
    }

    async fn attempts(&self, mac: MacAddress, most: usize) -> Result<Vec<(Attempt, Vec<Step>)>, StoreError> {
        let sql = format!(
            "SELECT {} FROM attempts WHERE mac = ? ORDER BY seq DESC LIMIT ?",
            rows::ATTEMPT
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(mac.to_string()).bind(limit(most));
        let mut ladders = Vec::new();
        for attempt in self.read(query, |row| rows::attempt(row, &self.key)).await? {
            let steps = sqlx::query("SELECT step, at, outcome, detail FROM steps WHERE attempt = ? ORDER BY seq")
                .bind(attempt.id.to_string());
            ladders.push((attempt, self.read(steps, rows::step).await?));
        }
        Ok(ladders)
    }

    async fn unfinished(&self, before: Timestamp, most: usize) -> Result<Vec<Attempt>, StoreError> {
        let sql = format!(
            "SELECT {} FROM attempts WHERE phase <> 'ended' AND deadline < ? ORDER BY deadline LIMIT ?",
            rows::ATTEMPT
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(before.0).bind(limit(most));
        self.read(query, |row| rows::attempt(row, &self.key)).await
    }

    async fn record(&self, change: Change) -> Result<(), StoreError> {
        let prepared = Prepared::new(change, &self.key)?;
        self.ask(|answer| Job::Record(Box::new(Waiting { prepared, answer })))
            .await
    }

    async fn answer(&self, digest: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let query = sqlx::query("SELECT answer FROM seen WHERE digest = ?").bind(digest.to_vec());
        Ok(self.read(query, |row| Ok(row.try_get(0)?)).await?.pop())
    }

    async fn wake_up(&self, mac: MacAddress) -> Result<Option<WakeUpSent>, StoreError> {
        let query = sqlx::query("SELECT mac, nonce, expires, answered FROM wake_ups WHERE mac = ?");
        Ok(self.read(query.bind(mac.to_string()), keying::wake_up).await?.pop())
    }

    async fn recoveries(&self, peer: SocketAddr, now: Timestamp, most: usize) -> Result<Vec<Recovery>, StoreError> {
        let query = sqlx::query(
            "SELECT peer, mac, digest, expires FROM recoveries WHERE peer = ? AND expires > ? ORDER BY expires DESC
             LIMIT ?",
        );
        let query = query.bind(peer.to_string()).bind(now.0).bind(limit(most));
        self.read(query, keying::recovery).await
    }

    async fn vendors(&self, oui: Option<Oui>) -> Result<Vec<Vendor>, StoreError> {
        let query = sqlx::query(
            "SELECT oui, type_identifier, learned, mac, at FROM vendors WHERE ?1 IS NULL OR oui = ?1
             ORDER BY oui, type_identifier",
        );
        self.read(query.bind(oui.map(|oui| oui.to_string())), keying::vendor)
            .await
    }

    async fn forget_vendor(&self, oui: Oui, type_identifier: Option<&str>) -> Result<u64, StoreError> {
        let (oui, type_identifier) = (oui.to_string(), type_identifier.map(str::to_owned));
        self.ask(|answer| Job::ForgetVendor(oui, type_identifier, answer)).await
    }

    async fn file(&self, mac: MacAddress, name: &str) -> Result<Option<StoredFile>, StoreError> {
        if let Ok(file) = self.shared.files.get(mac)
            && file.name == name
        {
            let opened = rows::open_file(file.attempt, mac, name, &file.octets, &self.key);
            return opened.map(Some).map_err(|error| error.into_store(&self.shared.what));
        }
        let query = sqlx::query("SELECT attempt, mac, octets FROM files WHERE name = ? AND mac = ?");
        let query = query.bind(name).bind(mac.to_string());
        Ok(self.read(query, |row| rows::file(row, name, &self.key)).await?.pop())
    }

    fn refused(&self, refusal: Refusal) {
        if self.refusals.try_send(refusal).is_err() {
            self.shared.drop_refusal();
        }
    }

    async fn refusals(&self, mac: MacAddress, most: usize) -> Result<Vec<Refusal>, StoreError> {
        let query =
            sqlx::query("SELECT mac, peer, step, at, reason FROM refusals WHERE mac = ? ORDER BY seq DESC LIMIT ?");
        self.read(query.bind(mac.to_string()).bind(limit(most)), rows::refusal)
            .await
    }

    async fn keys(&self, principal: &PrincipalName) -> Result<Vec<ServiceKey>, StoreError> {
        let sql = format!(
            "SELECT {} FROM keys WHERE principal = ? ORDER BY forget IS NOT NULL, kvno DESC, etype",
            rows::KEY
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(principal.canonical());
        self.read(query, |row| rows::service_key(row, &self.key)).await
    }

    async fn all_keys(&self) -> Result<Vec<ServiceKey>, StoreError> {
        let sql = format!("SELECT {} FROM keys ORDER BY principal, kvno, etype", rows::KEY);
        self.read(sqlx::query(AssertSqlSafe(sql)), |row| rows::service_key(row, &self.key))
            .await
    }

    async fn put_keys(&self, keys: Vec<ServiceKey>) -> Result<(), StoreError> {
        let keys = keys.iter().map(|service| KeyRow::new(service, &self.key)).collect();
        self.ask(|answer| Job::PutKeys(keys, answer)).await
    }

    async fn replace_keys(&self, keys: Vec<ServiceKey>, forget: Timestamp) -> Result<(), StoreError> {
        let keys = keys.iter().map(|service| KeyRow::new(service, &self.key)).collect();
        self.ask(|answer| Job::ReplaceKeys(keys, forget, answer)).await
    }

    async fn forget_keys(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.ask(|answer| Job::ForgetKeys(now, answer)).await
    }

    async fn lease(&self, address: IpAddr) -> Result<Option<Lease>, StoreError> {
        self.leases.get(address.to_canonical()).await
    }

    async fn newest_lease(&self, mac: MacAddress) -> Result<Option<Lease>, StoreError> {
        let newest = self.newest_leases.get(mac).await?;
        Ok(newest.map(|NewestLease(lease)| lease))
    }

    async fn leases_of(&self, mac: MacAddress) -> Result<Vec<Lease>, StoreError> {
        let sql = format!(
            "SELECT {} FROM leases WHERE mac = ? ORDER BY {} LIMIT 1000",
            leases::LEASE,
            leases::NEWEST_FIRST
        );
        self.read(sqlx::query(AssertSqlSafe(sql)).bind(mac.to_string()), leases::lease)
            .await
    }

    async fn leases(&self, after: Option<IpAddr>, most: usize) -> Result<Vec<Lease>, StoreError> {
        let sql = format!(
            "SELECT {} FROM leases WHERE address > ? ORDER BY address LIMIT ?",
            leases::LEASE
        );
        let after = after
            .map(|address| address.to_canonical().to_string())
            .unwrap_or_default();
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(limit(most));
        self.read(query, leases::lease).await
    }

    async fn put_leases(&self, leases: Vec<Lease>) -> Result<(), StoreError> {
        self.ask(|answer| Job::Lease(LeaseJob::Put(leases, answer))).await
    }

    async fn follow_lease(&self, told: Lease) -> Result<Lease, StoreError> {
        self.ask(|answer| Job::Lease(LeaseJob::Follow(told, answer))).await
    }

    async fn remove_lease(&self, address: IpAddr) -> Result<bool, StoreError> {
        self.ask(|answer| Job::Lease(LeaseJob::Remove(address, answer))).await
    }

    async fn put_name(&self, name: OneTimeName) -> Result<(), StoreError> {
        self.ask(|answer| Job::Lease(LeaseJob::PutName(name, answer))).await
    }

    async fn name(&self, digest: [u8; 32]) -> Result<Option<OneTimeName>, StoreError> {
        let sql = format!("SELECT {} FROM names WHERE digest = ?", leases::NAME);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(digest.to_vec());
        Ok(self.read(query, leases::name).await?.pop())
    }

    async fn claim_name(
        &self,
        digest: [u8; 32],
        by: IpAddr,
        at: Timestamp,
        stale: Timestamp,
    ) -> Result<bool, StoreError> {
        self.ask(|answer| {
            Job::Lease(LeaseJob::Claim {
                digest,
                by,
                at,
                stale,
                answer,
            })
        })
        .await
    }

    async fn release_name(&self, digest: [u8; 32], delivered: Option<Timestamp>) -> Result<(), StoreError> {
        self.ask(|answer| {
            Job::Lease(LeaseJob::Release {
                digest,
                delivered,
                answer,
            })
        })
        .await
    }

    fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Relaxed)
    }

    async fn start_engine(&self) -> Result<(EngineId, u32), StoreError> {
        self.ask(Job::StartEngine).await
    }

    async fn place_order(&self, order: NewOrder) -> Result<OrderId, StoreError> {
        self.ask(|answer| Job::Order(OrderJob::Place(order, answer))).await
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let sql = format!("SELECT {} FROM orders WHERE seq = ?", orders::ORDER);
        Ok(self
            .read(sqlx::query(AssertSqlSafe(sql)).bind(id.0), orders::order)
            .await?
            .pop())
    }

    async fn take_orders(&self, now: Timestamp, under_way: &[OrderId], most: usize) -> Result<Vec<Order>, StoreError> {
        let waiting: Vec<bool> = self.read(orders::waiting(now), |row| Ok(row.try_get(0)?)).await?;
        if under_way.is_empty() && waiting == [false] {
            return Ok(Vec::new());
        }
        let (under_way, limit) = (under_way.to_vec(), limit(most));
        let job = |answer| OrderJob::Take {
            now,
            under_way,
            limit,
            answer,
        };
        self.ask(|answer| Job::Order(job(answer))).await
    }

    async fn end_order(&self, id: OrderId, outcome: OrderOutcome) -> Result<(), StoreError> {
        self.ask(|answer| Job::Order(OrderJob::End(id, outcome, answer))).await
    }

    async fn withdraw_order(&self, id: OrderId) -> Result<bool, StoreError> {
        self.ask(|answer| Job::Order(OrderJob::Withdraw(id, answer))).await
    }

    async fn sweep(&self, now: Timestamp, keep: Duration) -> Result<(), StoreError> {
        let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp(now.0.saturating_sub(keep));
        // In portions, so that the records of devices get in between.
        while self.ask(|answer| Job::Sweep { now, before, answer }).await? {}
        Ok(())
    }
}

//! Security Parameter Recovered: a device acknowledges its AP Reply (profile P3).

use std::net::SocketAddr;

use super::{KeymgmtService, SERVICE};
use crate::model::{Step, StepId};
use crate::service::drops;
use crate::store::{Change, Recovery, StoreError};
use crate::value::Timestamp;
use crate::wire::keymgmt::Recovered;

/// AP Replies to one address that an acknowledgement is compared with: the devices behind it that were just given keys.
const COMPARED: usize = 16;

impl KeymgmtService {
    /// Takes an acknowledgement: it is in the ladder of the device whose new subkey it proves, or is dropped and counted.
    pub(super) async fn recovered(&self, message: &Recovered, peer: SocketAddr) {
        match self.acknowledge(message, peer).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => drops::count(SERVICE, reason, peer, 0),
            Err(error) => {
                tracing::error!(%peer, %error, "an acknowledgement of an AP Reply cannot be stored");
                drops::count(SERVICE, "store", peer, 0);
            }
        }
    }

    async fn acknowledge(&self, message: &Recovered, peer: SocketAddr) -> Result<Result<(), &'static str>, StoreError> {
        let awaited = self.core.store.recoveries(peer, Timestamp::now(), COMPARED).await?;
        if awaited.is_empty() {
            return Ok(Err("security parameter recovered, not asked for"));
        }
        for recovery in &awaited {
            if self.acknowledges(message, recovery).await? {
                return Ok(Ok(()));
            }
        }
        let reason = "security parameter recovered, HMAC";
        if let [only] = awaited.as_slice() {
            self.core
                .refuse(Some(only.mac), peer, StepId::AP_REPLY, reason.to_owned());
        }
        Ok(Err(reason))
    }

    /// Whether the message acknowledges this AP Reply; if so, that is stored.
    async fn acknowledges(&self, message: &Recovered, recovery: &Recovery) -> Result<bool, StoreError> {
        let reply = self.core.store.answer(recovery.digest).await?;
        let attempt = self.core.store.attempt(recovery.mac).await?;
        let session = attempt.as_ref().and_then(|attempt| attempt.session.as_ref());
        let (Some(reply), Some(attempt), Some(session)) = (reply, &attempt, session) else {
            return Ok(false);
        };
        let hmac = session.learned.hmac.unwrap_or(self.core.profile.hmac);
        if !message.verify(self.core.profile.recovered, hmac, &reply, &session.subkey) {
            return Ok(false);
        }
        let detail = format!("Security Parameter Recovered from {}", recovery.peer);
        let change = Change {
            ladder: Some(attempt.id),
            steps: vec![Step::ok(StepId::AP_REPLY, Timestamp::now(), detail)],
            recovered: Some((recovery.peer, recovery.mac)),
            ..Change::default()
        };
        self.core.store.record(change).await?;
        Ok(true)
    }
}

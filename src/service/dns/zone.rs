//! One zone as the DNS library asks for it: the infrastructure's records, and the devices' from the store.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::rdata::{A, AAAA, PTR};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordType, TSigResponseContext};
use hickory_server::server::{Request, RequestInfo};
use hickory_server::zone_handler::{
    AuthLookup, AxfrPolicy, LookupControlFlow, LookupError, LookupOptions, LookupRecords, ZoneHandler, ZoneTransfer,
    ZoneType,
};

use crate::provisioning::zones::{Owner, Zone, dns_name};
use crate::store::{Store, StoreError};
use crate::value::Fqdn;

/// Devices of one name that are answered; names are meant to be one device's.
const SAME_NAME: usize = 8;
/// Names of one address that are answered.
const SAME_ADDRESS: usize = 16;

/// A zone over the store.
pub(super) struct DeviceZone {
    store: Arc<dyn Store>,
    zone: Zone,
}

impl DeviceZone {
    /// The handler of `zone`, with devices from `store`.
    pub(super) fn new(store: Arc<dyn Store>, zone: Zone) -> Self {
        Self { store, zone }
    }

    /// All records of `name`, written with `owner` as their name; `None` where there is no such name.
    async fn records(&self, name: &LowerName, owner: &Name) -> Result<Option<Vec<Record>>, StoreError> {
        Ok(match self.zone.owner(name) {
            Owner::Infrastructure(records) => Some(records.to_vec()),
            Owner::Device(name) => self.device(&name, owner).await?,
            Owner::Address(address, fixed) => self.address(address, fixed, owner).await?,
            Owner::Between => Some(Vec::new()),
            Owner::Nobody => None,
        })
    }

    async fn device(&self, name: &Fqdn, owner: &Name) -> Result<Option<Vec<Record>>, StoreError> {
        let devices = self.store.devices_named(name, SAME_NAME).await?;
        if devices.is_empty() {
            // A name that others lie below exists without records (RFC 8020 §2).
            return Ok(self.store.has_device_below(name).await?.then(Vec::new));
        }
        let addresses = devices.iter().flat_map(|device| &device.addresses);
        let mut records: Vec<Record> = Vec::new();
        for address in addresses {
            let data = match address.to_canonical() {
                IpAddr::V4(address) => RData::A(A(address)),
                IpAddr::V6(address) => RData::AAAA(AAAA(address)),
            };
            if !records.iter().any(|record| record.data == data) {
                records.push(self.record(owner, data));
            }
        }
        Ok(Some(records))
    }

    async fn address(
        &self,
        address: IpAddr,
        fixed: &[Record],
        owner: &Name,
    ) -> Result<Option<Vec<Record>>, StoreError> {
        let devices = self.store.devices_at(address, SAME_ADDRESS).await?;
        let names = devices.iter().map(|device| RData::PTR(PTR(dns_name(&device.fqdn))));
        let mut records = fixed.to_vec();
        records.extend(names.map(|data| self.record(owner, data)));
        Ok((!records.is_empty()).then_some(records))
    }

    fn record(&self, owner: &Name, data: RData) -> Record {
        Record::from_rdata(owner.clone(), self.zone.ttl(), data)
    }
}

/// The records of `kind`; for ANY those of one kind (RFC 8482 §4.1).
fn of_kind(records: Vec<Record>, kind: RecordType) -> Vec<Record> {
    let kind = match kind {
        RecordType::ANY => records.first().map_or(kind, Record::record_type),
        kind => kind,
    };
    records
        .into_iter()
        .filter(|record| record.record_type() == kind)
        .collect()
}

#[async_trait::async_trait]
impl ZoneHandler for DeviceZone {
    fn zone_type(&self) -> ZoneType {
        ZoneType::Primary
    }

    fn axfr_policy(&self) -> AxfrPolicy {
        AxfrPolicy::Deny
    }

    fn origin(&self) -> &LowerName {
        self.zone.origin()
    }

    async fn lookup(
        &self,
        name: &LowerName,
        kind: RecordType,
        info: Option<&RequestInfo<'_>>,
        _: LookupOptions,
    ) -> LookupControlFlow<AuthLookup> {
        // The owner is spelled as the client spelled it, which some clients compare with case.
        let owner = info.map_or_else(|| Name::from(name.clone()), |info| info.query.original().name().clone());
        let mut records = match self.records(name, &owner).await {
            Ok(Some(records)) => of_kind(records, kind),
            Ok(None) => return LookupControlFlow::Continue(Err(LookupError::from(ResponseCode::NXDomain))),
            Err(error) => {
                tracing::error!(%name, %error, "a name cannot be looked up");
                // What nobody handles is answered with SERVFAIL.
                return LookupControlFlow::Skip;
            }
        };
        if records.is_empty() {
            return LookupControlFlow::Continue(Err(LookupError::for_name_exists()));
        }
        for record in &mut records {
            record.name = owner.clone();
        }
        let additional = self.zone.additional(&records);
        let additional = (!additional.is_empty()).then_some(LookupRecords::Section(additional));
        let answer = AuthLookup::answers(LookupRecords::Section(records), additional);
        LookupControlFlow::Continue(Ok(answer))
    }

    async fn search(
        &self,
        request: &Request,
        options: LookupOptions,
    ) -> (LookupControlFlow<AuthLookup>, Option<TSigResponseContext>) {
        let found = match request.request_info() {
            Ok(info) => {
                let query = info.query;
                self.lookup(query.name(), query.query_type(), Some(&info), options)
                    .await
            }
            Err(error) => LookupControlFlow::Break(Err(error)),
        };
        (found, None)
    }

    async fn nsec_records(&self, _: &LowerName, _: LookupOptions) -> LookupControlFlow<AuthLookup> {
        LookupControlFlow::Continue(Ok(AuthLookup::default()))
    }

    async fn zone_transfer(
        &self,
        _: &Request,
        _: LookupOptions,
        _: u64,
    ) -> Option<(Result<ZoneTransfer, LookupError>, Option<TSigResponseContext>)> {
        Some((Err(LookupError::from(ResponseCode::Refused)), None))
    }
}

//! Every Kerberos message on its own, and key files: what is read is written and read back.

use hardline::wire::kerberos::{
    ApReq, KdcRep, KdcReq, KrbError, PaData, open_safe, parse_keytab, parse_service_key_file, split_der,
};

use super::world;

pub fn run(data: &[u8]) {
    if let Ok((first, rest)) = split_der(data) {
        assert_eq!(first.len() + rest.len(), data.len());
    }
    if let Ok(request) = ApReq::parse(data) {
        assert_eq!(ApReq::parse(&request.encode()), Ok(request));
    }
    if let Ok(request) = KdcReq::parse(data) {
        for padata in &request.padata {
            let _ = PaData::read_prov_srv_location(padata);
        }
        assert!(!request.body_der().is_empty());
    }
    if let Ok(reply) = KdcRep::parse(data) {
        assert!(KdcRep::parse(&reply.encode()).is_ok());
    }
    if let Ok(error) = KrbError::parse(data) {
        assert_eq!(KrbError::parse(&error.encode()), Ok(error));
    }
    let (_, key) = world::ticket(&world::kdcquery(), &world::mtafqdnmap());
    let _ = open_safe(data, &key);
    let _ = parse_keytab(data);
    let _ = parse_service_key_file(data);
}

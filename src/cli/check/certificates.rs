//! The certificates, keys and revocation lists that the services show and believe.

use std::path::{Path, PathBuf};

use super::Checker;
use crate::service::{bootstrap, server};
use crate::value::Timestamp;
use crate::wire::cert::{
    Certificate, KDC_PURPOSE, StalePolicy, certificates_from_pem, check_kdc_purpose, key_from_pem, names_kdc_of,
};

impl Checker<'_> {
    /// The certificates of a PEM file; what is wrong with them is noted.
    fn certificates(&mut self, key: &str, path: &Path) -> Vec<Certificate> {
        let read = std::fs::read(path).map_err(|error| error.to_string());
        let ders = read.and_then(|text| certificates_from_pem(&text).map_err(|error| error.to_string()));
        let parsed = ders.and_then(|ders| {
            let parse = |(at, der): (usize, &Vec<u8>)| Certificate::parse(der, at).map_err(|error| error.to_string());
            ders.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()
        });
        match parsed {
            Ok(certificates) if !certificates.is_empty() => certificates,
            Ok(_) => {
                self.wrong(
                    key,
                    format!("{}: it holds no certificate", path.display()),
                    "name a PEM file that does",
                );
                Vec::new()
            }
            Err(reason) => {
                let problem = format!("{}: {reason}", path.display());
                self.wrong(key, problem, "name a readable PEM file of certificates with RSA keys");
                Vec::new()
            }
        }
    }

    fn validity(&mut self, key: &str, path: &Path, certificate: &Certificate) {
        if !(certificate.not_before..=certificate.not_after).contains(&Timestamp::now()) {
            let (from, to) = (certificate.not_before, certificate.not_after);
            let problem = format!(
                "{}: the certificate of {} is valid from {from} to {to}",
                path.display(),
                certificate.subject_text()
            );
            self.wrong(key, problem, "replace it, or set kdc.expiry");
        }
    }

    pub(super) fn kdc_certificates(&mut self) {
        let kdc = &self.settings.kdc;
        let own = self.certificates("kdc.certificate", &kdc.certificate);
        let Some(own) = own.into_iter().next() else { return };
        self.validity("kdc.certificate", &kdc.certificate, &own);
        let key = std::fs::read(&kdc.key)
            .map(zeroize::Zeroizing::new)
            .map_err(|error| error.to_string());
        match key.and_then(|text| key_from_pem(&text).map_err(|error| error.to_string())) {
            Ok(key) if key.public_eq(own.key()) => {}
            Ok(_) => self.wrong(
                "kdc.key",
                format!("{}: it is not the key of kdc.certificate", kdc.key.display()),
                "name the key that belongs to the certificate",
            ),
            Err(reason) => {
                let problem = format!("{}: {reason}", kdc.key.display());
                self.wrong("kdc.key", problem, "name a readable, unencrypted RSA key");
            }
        }
        let mut chain: Vec<(PathBuf, Certificate)> = vec![(kdc.certificate.clone(), own)];
        for path in &kdc.chain {
            for certificate in self.certificates("kdc.chain", path) {
                chain.push((path.clone(), certificate));
            }
        }
        for pair in chain.windows(2) {
            let [(lower, below), (upper, above)] = pair else {
                continue;
            };
            self.validity("kdc.chain", upper, above);
            if !below.is_signed_by(above) {
                let problem = format!("{} did not sign {}", upper.display(), lower.display());
                self.wrong(
                    "kdc.chain",
                    problem,
                    "order the chain from the KDC's issuer up to below the root",
                );
            }
        }
        self.organisation(&chain);
        if let Some((path, own)) = chain.first() {
            self.kdc_name(&path.clone(), &own.clone());
        }
    }

    /// What devices and stock clients know the KDC's certificate by.
    fn kdc_name(&mut self, path: &Path, own: &Certificate) {
        let realm = &self.settings.realm;
        if !names_kdc_of(own, realm) {
            let problem = format!(
                "{}: its id-pkinit-san does not name krbtgt/{realm}@{realm}",
                path.display()
            );
            self.wrong(
                "kdc.certificate",
                problem,
                "devices refuse it: have a KDC certificate of this realm issued",
            );
        }
        if !check_kdc_purpose(own) {
            let problem = format!(
                "{}: its extendedKeyUsage lacks id-pkinit-KPKdc ({KDC_PURPOSE})",
                path.display()
            );
            self.wrong(
                "kdc.certificate",
                problem,
                "have it issued with that purpose, or without any",
            );
        }
    }

    /// The certificate directly below the root bears the operator's name (profile P35).
    fn organisation(&mut self, chain: &[(PathBuf, Certificate)]) {
        let below_root = chain
            .iter()
            .rev()
            .find(|(_, certificate)| !certificate.is_self_issued());
        let Some((path, certificate)) = below_root.filter(|_| chain.len() > 1) else {
            return;
        };
        let named = certificate.organisation.as_deref().unwrap_or_default();
        if named != self.settings.organisation {
            let problem = format!("{} names the organisation '{named}'", path.display());
            self.wrong("organisation", problem, "set the same name: devices compare the two");
        }
    }

    pub(super) fn device_roots(&mut self) {
        for path in &self.settings.kdc.device_roots {
            for certificate in self.certificates("kdc.device_roots", path) {
                self.validity("kdc.device_roots", path, &certificate);
            }
        }
    }

    pub(super) fn revocation_lists(&mut self) {
        const KEY: &str = "kdc.crl.files";
        // A root that cannot be read is reported by itself.
        let Ok(anchors) = server::device_roots(self.settings) else {
            return;
        };
        let lists = match server::revocation_lists(self.settings, &anchors) {
            Ok(lists) => lists,
            Err(error) => return self.wrong(KEY, error.to_string(), "fetch the CA's current list"),
        };
        if self.settings.kdc.crl.stale == StalePolicy::Ignore {
            return;
        }
        for list in lists.lists().iter().filter(|list| list.is_stale(Timestamp::now())) {
            let problem = format!(
                "the revocation list of {} is old: another one was due",
                list.issuer_text()
            );
            self.wrong(KEY, problem, "fetch the CA's current list, or set kdc.crl.stale");
        }
    }

    pub(super) fn bootstrap(&mut self) {
        let settings = self.settings;
        let table = &settings.bootstrap;
        if let Err(error) = bootstrap::document(settings) {
            self.wrong(
                "bootstrap.template",
                error.to_string(),
                "correct the template, or name another one",
            );
        }
        if let Err(problem) = bootstrap::legacy_user(settings) {
            self.wrong("bootstrap_legacy", problem, "correct the table, or set enabled = false");
        }
        if let Err(error) = server::bootstrap_identity(settings) {
            let remedy = "name a certificate and the RSA key that belongs to it";
            return self.wrong("bootstrap.certificate", error.to_string(), remedy);
        }
        let mut chain = Vec::new();
        for path in std::iter::once(&table.certificate).chain(&table.chain) {
            for certificate in self.certificates("bootstrap.certificate", path) {
                self.validity("bootstrap.certificate", path, &certificate);
                chain.push(certificate);
            }
        }
        if chain
            .windows(2)
            .any(|pair| matches!(pair, [below, above] if !below.is_signed_by(above)))
        {
            self.wrong(
                "bootstrap.chain",
                "a certificate is not signed by the next one",
                "order the chain from the server's issuer up to below the root",
            );
        }
    }
}

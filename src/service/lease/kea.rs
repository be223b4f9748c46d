//! ISC Kea, asked over its control channel with the commands of its hook `lease_cmds`: `lease4-get`, `lease6-get` and
//! their siblings by hardware address (Kea Administrator Reference Manual, "lease_cmds").

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::super::database::password;
use super::source::{Key, LeaseSource, SourceError, newest};
use crate::model::Lease;
use crate::settings::LeaseSource as Described;
use crate::value::{MacAddress, Timestamp, unhex};

/// The longest answer in octets that is read.
const MAX_ANSWER: usize = 1 << 20;

/// Kea's word for a lease that does not end.
const FOREVER: u32 = u32::MAX;

/// One Kea installation.
pub struct KeaSource {
    dhcp4: Option<Channel>,
    dhcp6: Option<Channel>,
    described: Described,
}

/// How one of its servers is spoken to.
enum Channel {
    Socket(PathBuf),
    Agent {
        service: &'static str,
        url: String,
        authorization: Option<String>,
        client: Client<HttpConnector, Full<Bytes>>,
    },
}

impl KeaSource {
    /// The Kea that `described` names.
    ///
    /// # Errors
    /// What is wrong with the password file.
    pub(super) fn new(described: &Described) -> Result<Self, String> {
        let secret = described.password_file.as_deref().map(password).transpose()?;
        let authorization = described.user.as_ref().map(|user| {
            let pair = format!("{user}:{}", secret.unwrap_or_default());
            format!("Basic {}", openssl::base64::encode_block(pair.as_bytes()))
        });
        let channel = |socket: &Option<PathBuf>, service| match (socket, &described.url) {
            (Some(path), _) => Some(Channel::Socket(path.clone())),
            (None, Some(url)) => Some(Channel::Agent {
                service,
                url: url.clone(),
                authorization: authorization.clone(),
                client: Client::builder(TokioExecutor::new()).build_http(),
            }),
            (None, None) => None,
        };
        Ok(Self {
            dhcp4: channel(&described.socket4, "dhcp4"),
            dhcp6: channel(&described.socket6, "dhcp6"),
            described: described.clone(),
        })
    }

    fn channel(&self, ipv6: bool) -> Option<&Channel> {
        if ipv6 { self.dhcp6.as_ref() } else { self.dhcp4.as_ref() }
    }

    /// The leases in the answer to a command; none where this server is not configured.
    async fn leases(&self, ipv6: bool, command: &str, arguments: Value) -> Result<Vec<Lease>, SourceError> {
        let Some(channel) = self.channel(ipv6) else {
            return Ok(Vec::new());
        };
        let answer = channel.ask(command, arguments).await?;
        let answer = Reply::deserialize(answer).map_err(SourceError::down)?;
        match answer.result {
            0 => {}
            // The command was done, and there is no such lease.
            3 => return Ok(Vec::new()),
            2 => {
                let reason = format!("{}; load libdhcp_lease_cmds.so", answer.text);
                return Err(SourceError::Down(reason));
            }
            // The agent has no socket of this server: it does not run here.
            1 if answer.text.starts_with("forwarding socket is not configured") => return Ok(Vec::new()),
            _ => return Err(SourceError::Down(format!("Kea: {}", answer.text))),
        }
        let leases = match answer.arguments.get("leases").and_then(Value::as_array) {
            Some(leases) => leases.clone(),
            None => vec![answer.arguments],
        };
        let assigned = leases
            .into_iter()
            .filter(|lease| lease["state"].as_u64().unwrap_or(0) == 0);
        assigned.map(|lease| self.read(lease)).collect()
    }

    fn read(&self, lease: Value) -> Result<Lease, SourceError> {
        let read = KeaLease::deserialize(lease).map_err(SourceError::content)?;
        let mac = read.hw_address.as_deref().and_then(|text| text.parse().ok());
        let duid = || unhex(&read.duid.as_deref()?.replace(':', "")).and_then(|duid| mac_of_duid(&duid));
        let mac = mac
            .or_else(duid)
            .ok_or_else(|| SourceError::content("it has no MAC address"))?;
        let extended = Extended::of(&read.user_context);
        let obtained = Timestamp::from_unix(read.cltt);
        let ends = (read.valid_lft != FOREVER).then(|| Timestamp::from_unix(read.cltt + i64::from(read.valid_lft)));
        Ok(Lease {
            cm_mac: extended.cm_mac,
            relay: extended.relay,
            class: self
                .described
                .classes
                .get(&read.subnet_id.to_string())
                .cloned()
                .or(extended.class),
            expires: ends,
            ..Lease::new(read.ip_address, mac, obtained)
        })
    }
}

#[async_trait]
impl LeaseSource for KeaSource {
    fn covers(&self, key: Key) -> bool {
        match key {
            Key::Address(address) => self.channel(address.is_ipv6()).is_some(),
            Key::Mac(_) => true,
        }
    }

    async fn find(&self, key: Key) -> Result<Option<Lease>, SourceError> {
        match key {
            Key::Address(address) => {
                let command = if address.is_ipv6() { "lease6-get" } else { "lease4-get" };
                let found = self.leases(address.is_ipv6(), command, json!({"ip-address": address}));
                Ok(newest(found.await?))
            }
            Key::Mac(mac) => {
                let by_mac = json!({"hw-address": mac});
                let mut leases = self.leases(false, "lease4-get-by-hw-address", by_mac).await?;
                // The DUID that most devices make of their MAC address (RFC 8415 §11.4).
                let duid = json!({"duid": format!("00:03:00:01:{mac}")});
                leases.extend(self.leases(true, "lease6-get-by-duid", duid).await?);
                Ok(newest(leases))
            }
        }
    }

    async fn probe(&self) -> Result<(), SourceError> {
        // Addresses for documentation (RFC 5737, RFC 3849), which no device has.
        self.leases(false, "lease4-get", json!({"ip-address": "192.0.2.254"}))
            .await?;
        self.leases(true, "lease6-get", json!({"ip-address": "2001:db8::fffe"}))
            .await?;
        Ok(())
    }
}

impl Channel {
    /// One command, and Kea's answer to it.
    async fn ask(&self, command: &str, arguments: Value) -> Result<Value, SourceError> {
        match self {
            Self::Socket(path) => {
                let question = json!({"command": command, "arguments": arguments}).to_string();
                let failed = |error| SourceError::Down(format!("{}: {error}", path.display()));
                let octets = over_socket(path, &question).await.map_err(failed)?;
                serde_json::from_slice(&octets).map_err(SourceError::down)
            }
            Self::Agent {
                service,
                url,
                authorization,
                client,
            } => {
                let question = json!({"command": command, "service": [service], "arguments": arguments});
                let mut request = hyper::Request::post(url.as_str()).header(CONTENT_TYPE, "application/json");
                if let Some(authorization) = authorization {
                    request = request.header(AUTHORIZATION, authorization.as_str());
                }
                let body = Full::new(Bytes::from(question.to_string()));
                let request = request
                    .body(body)
                    .map_err(|error| SourceError::Down(format!("{url}: {error}")))?;
                let response = client.request(request).await;
                let response = response.map_err(|error| SourceError::Down(format!("{url}: {}", deepest(&error))))?;
                let status = response.status();
                let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
                let octets = body
                    .map_err(|error| SourceError::Down(format!("{url}: {error}")))?
                    .to_bytes();
                if !status.is_success() {
                    return Err(SourceError::Down(format!("{url}: HTTP {status}")));
                }
                // The agent answers with one reply a service.
                match serde_json::from_slice(&octets).map_err(SourceError::down)? {
                    Value::Array(mut replies) if !replies.is_empty() => Ok(replies.swap_remove(0)),
                    reply => Ok(reply),
                }
            }
        }
    }
}

/// The innermost cause, which says what the system said.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

async fn over_socket(path: &Path, question: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path).await?;
    stream.write_all(question.as_bytes()).await?;
    let mut answer = Vec::new();
    // Kea ends the connection after its answer.
    stream.take(MAX_ANSWER as u64).read_to_end(&mut answer).await?;
    Ok(answer)
}

#[derive(Deserialize)]
struct Reply {
    result: i64,
    #[serde(default)]
    text: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct KeaLease {
    ip_address: IpAddr,
    hw_address: Option<String>,
    duid: Option<String>,
    cltt: i64,
    valid_lft: u32,
    #[serde(default)]
    subnet_id: u32,
    #[serde(default)]
    user_context: Value,
}

/// What a lease's user context says beyond the lease: with `store-extended-info` the relay agent's information.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Extended {
    pub(super) cm_mac: Option<MacAddress>,
    pub(super) relay: Option<IpAddr>,
    pub(super) class: Option<String>,
}

impl Extended {
    pub(super) fn of(context: &Value) -> Self {
        let information = &context["ISC"]["relay-agent-info"];
        // Kea 2.2 has the option as text, later ones an object with it.
        let option = information.as_str().or_else(|| information["sub-options"].as_str());
        let option = option.and_then(|text| unhex(text.strip_prefix("0x").unwrap_or(text)));
        let relays = context["ISC"]["relay-info"].as_array().map_or(&[][..], Vec::as_slice);
        let link = relays.first().and_then(|relay| relay["link"].as_str()?.parse().ok());
        let modem = || {
            relays.iter().find_map(|relay| {
                let options = relay["options"].as_str()?;
                modem_of_relay(&unhex(options.strip_prefix("0x").unwrap_or(options))?)
            })
        };
        Self {
            cm_mac: option.as_deref().and_then(remote_id).or_else(modem),
            relay: link,
            class: context["class"].as_str().map(str::to_owned),
        }
    }
}

/// The cable modem's MAC address in the relay agent's information: the remote ID (RFC 3046 §3.2), which a CMTS fills with
/// it.
pub(super) fn remote_id(mut option: &[u8]) -> Option<MacAddress> {
    while let [code, length, rest @ ..] = option {
        let (value, after) = rest.split_at_checked(usize::from(*length))?;
        if *code == 2 {
            return value.try_into().ok().map(MacAddress);
        }
        option = after;
    }
    None
}

/// The cable modem's MAC address in the options that a relay agent of DHCPv6 adds: option 1026 of CableLabs' vendor options,
/// else the remote ID (RFC 4649).
fn modem_of_relay(options: &[u8]) -> Option<MacAddress> {
    const CABLELABS: u32 = 4491;
    let vendor = option_of(options, 17).and_then(|value| value.split_first_chunk::<4>());
    let modem = vendor
        .filter(|(enterprise, _)| u32::from_be_bytes(**enterprise) == CABLELABS)
        .and_then(|(_, within)| option_of(within, 1026));
    // The enterprise, and what that has for an identifier.
    let remote = || option_of(options, 37)?.get(4..);
    modem.or_else(remote)?.try_into().ok().map(MacAddress)
}

/// The value of the first option of this code (RFC 8415 §21.1).
fn option_of(mut options: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [code_high, code_low, high, low, rest @ ..] = options {
        let length = u16::from_be_bytes([*high, *low]);
        let (value, after) = rest.split_at_checked(length.into())?;
        if u16::from_be_bytes([*code_high, *code_low]) == wanted {
            return Some(value);
        }
        options = after;
    }
    None
}

/// The MAC address in a DUID of type LLT or LL over Ethernet (RFC 8415 §11.2, §11.4).
pub(super) fn mac_of_duid(duid: &[u8]) -> Option<MacAddress> {
    let address = match duid {
        [0, 1, 0, 1, _, _, _, _, address @ ..] | [0, 3, 0, 1, address @ ..] => address,
        _ => return None,
    };
    address.try_into().ok().map(MacAddress)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddress = MacAddress([0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);

    #[test]
    fn what_kea_stores_of_the_relay_agent() {
        let kea_2_2 = json!({"ISC": {"relay-agent-info": "0x0104000000010206AABBCCDDEEFF"}, "class": "gold"});
        let later = json!({"ISC": {"relay-agent-info": {"sub-options": "0x0206aabbccddeeff"}}});
        assert_eq!(
            (Extended::of(&kea_2_2).cm_mac, Extended::of(&kea_2_2).class),
            (Some(MAC), Some("gold".into()))
        );
        assert_eq!(Extended::of(&later).cm_mac, Some(MAC));
        let v6 = json!({"ISC": {"relay-info": [{"hop": 0, "link": "2001:db8::1", "peer": "fe80::1"}]}});
        assert_eq!(Extended::of(&v6).relay, "2001:db8::1".parse().ok());
        assert_eq!(Extended::of(&v6).cm_mac, None);
        for options in [
            "0x0012000161001100 0e0000118b04020006aabbccddeeff",
            "0x0025000a0000118baabbccddeeff",
        ] {
            let options = options.replace(' ', "");
            let v6 = json!({"ISC": {"relay-info": [{"hop": 0, "link": "::1", "options": options}]}});
            assert_eq!(Extended::of(&v6).cm_mac, Some(MAC), "{options}");
            let cut = options.get(..options.len() - 2);
            let v6 = json!({"ISC": {"relay-info": [{"hop": 0, "link": "::1", "options": cut}]}});
            assert_eq!(Extended::of(&v6).cm_mac, None, "{options}");
        }
        for odd in [
            json!(null),
            json!([]),
            json!({"ISC": {"relay-agent-info": "0x02ff"}}),
            json!({"ISC": 5}),
        ] {
            assert_eq!(Extended::of(&odd), Extended::default(), "{odd}");
        }
    }

    #[test]
    fn rfc_8415_duids_with_a_mac_address() {
        let duid = |text: &str| mac_of_duid(&unhex(text).unwrap());
        assert_eq!(duid("00030001aabbccddeeff"), Some(MAC));
        assert_eq!(
            duid("000100011234567800aabbccddee").map(|mac| mac.bare()),
            Some("00aabbccddee".into())
        );
        for other in [
            "0004000102030405060708090a0b0c0d0e0f",
            "00030001aabb",
            "00030006aabbccddeeff",
            "",
        ] {
            assert_eq!(duid(other), None, "{other}");
        }
    }
}

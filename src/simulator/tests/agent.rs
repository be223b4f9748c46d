//! The agent of a device that has its keys: its INFORMs, and what it lets a manager do.

use super::super::agent::{Agent, Event, KeyForm, Reaction, Security, SelfDescription};
use super::*;

fn agent() -> (Agent, Manager) {
    let (association, manager) = exchange_keys(|_| {});
    let security = Security::User(Box::new(association.unwrap().unwrap().security));
    let profile = Profile::default();
    let form = KeyForm {
        placement: profile.key_placement,
        iv: profile.file_form.iv,
    };
    let random = &mut SeededRandom::new(87);
    (
        Agent::new(SelfDescription::of(&device()), security, form, NOW, random),
        manager,
    )
}

impl Manager {
    /// Acknowledges an INFORM, `spoil`ed.
    fn acknowledge(&self, inform: &[u8], spoil: impl FnOnce(&mut Pdu)) -> Vec<u8> {
        let Ok(snmp::Message::V3(message)) = snmp::parse(inform) else {
            panic!("SNMPv3");
        };
        assert_eq!(message.user_name(), Some(self.user.as_str()));
        let verdict = snmp::process(&message, Some(&self.keys), &self.engine, &UsmStats::default(), NOW);
        let Verdict::Request(request) = verdict else {
            panic!("{verdict:?}");
        };
        let mut response = request.scoped.pdu.acknowledgement();
        spoil(&mut response);
        snmp::encode_response(&request, &response, &self.keys, &self.engine, self.salts.next(), NOW)
    }

    /// A request to the agent.
    fn request(&self, msg_id: i32, pdu: &Pdu) -> Vec<u8> {
        let request = OutgoingRequest {
            msg_id,
            user: self.user.as_bytes(),
            keys: &self.agent_keys,
            engine_id: &self.agent,
            engine: &self.agent_clock,
            context_engine_id: &self.agent,
        };
        snmp::encode_request(&request, pdu, self.salts.next(), NOW)
    }

    /// The status and index of the agent's response.
    fn status(&self, answer: &[u8]) -> (ErrorStatus, u32) {
        let Ok(snmp::Message::V3(message)) = snmp::parse(answer) else {
            panic!("SNMPv3");
        };
        let reply = snmp::process_reply(&message, &self.agent_keys, &self.agent, &self.agent_clock, NOW);
        let snmp::Reply::Accepted { scoped, .. } = reply else {
            panic!("{reply:?}");
        };
        match scoped.pdu.kind {
            PduKind::Response { status, index } => (status, index),
            other => panic!("{other:?}"),
        }
    }
}

fn set(url: &str, request_id: i32) -> Pdu {
    let set = ConfigSet {
        url,
        hash: &[4; 20],
        encryption: None,
    };
    Pdu::new(PduKind::Set, request_id, set.bindings(MibDialect::Ietf).unwrap())
}

#[test]
fn eue15_an_inform_is_acknowledged_by_its_own_bindings() {
    let (mut agent, manager) = agent();
    agent.enroll(NOW);
    let inform = agent.inform(NOW).unwrap();
    let other = manager.acknowledge(&inform, |response| drop(response.bindings.pop()));
    assert!(matches!(
        agent.receive(&other, NOW).event,
        Some(Event::Wrong(Fault::OtherBindings))
    ));
    let foreign = manager.acknowledge(&inform, |response| response.request_id ^= 1);
    assert!(agent.receive(&foreign, NOW).event.is_none());
    let right = manager.acknowledge(&inform, |_| {});
    assert!(matches!(agent.receive(&right, NOW).event, Some(Event::Acknowledged)));
    assert!(agent.inform(NOW).is_none(), "nothing is outstanding");
}

#[test]
fn rfc3412_a_retransmitted_inform_has_a_msgid_of_its_own_and_the_same_request_id() {
    let (mut agent, manager) = agent();
    agent.report(ProvisioningState::Pass, NOW);
    let first = agent.inform(NOW).unwrap();
    let second = agent.inform(NOW).unwrap();
    assert_ne!(first, second);
    let late = manager.acknowledge(&first, |_| {});
    assert!(matches!(agent.receive(&late, NOW).event, Some(Event::Acknowledged)));
}

#[test]
fn eue19_a_repeated_set_is_answered_the_same_and_another_one_refused() {
    let (mut agent, manager) = agent();
    let first: Reaction = agent.receive(&manager.request(1, &set("tftp://192.0.2.1/a", 5)), NOW);
    assert!(matches!(&first.event, Some(Event::Told(told)) if told.url.file() == "a"));
    assert_eq!(manager.status(&first.answer.unwrap()), (ErrorStatus::NoError, 0));
    let again = agent.receive(&manager.request(2, &set("tftp://192.0.2.1/a", 5)), NOW);
    assert!(again.event.is_none());
    assert_eq!(manager.status(&again.answer.unwrap()), (ErrorStatus::NoError, 0));
    let other = agent.receive(&manager.request(3, &set("tftp://192.0.2.1/b", 6)), NOW);
    assert!(other.event.is_none());
    assert_eq!(
        manager.status(&other.answer.unwrap()),
        (ErrorStatus::InconsistentValue, 1)
    );
}

#[test]
fn eue19_a_set_below_the_negotiated_level_or_under_another_key_does_nothing() {
    let (mut agent, mut manager) = agent();
    let privacy = manager.agent_keys.privacy.take();
    let clear = agent.receive(&manager.request(1, &set("tftp://192.0.2.1/a", 5)), NOW);
    assert!(clear.event.is_none() && clear.answer.is_some(), "a report");
    manager.agent_keys.privacy = privacy;
    let mut changed = manager.request(2, &set("tftp://192.0.2.1/a", 5));
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert!(agent.receive(&changed, NOW).event.is_none());
    let community = snmp::encode_v2c(b"public", &set("tftp://192.0.2.1/a", 5));
    let reaction = agent.receive(&community, NOW);
    assert!(
        reaction.event.is_none() && reaction.answer.is_none(),
        "SNMPv2c has no access in secure flow"
    );
}

#[test]
fn a_hybrid_agent_hears_its_own_community_only() {
    let form = KeyForm {
        placement: Default::default(),
        iv: Default::default(),
    };
    let security = Security::Community("public".into());
    let random = &mut SeededRandom::new(88);
    let mut agent = Agent::new(SelfDescription::of(&device()), security, form, NOW, random);
    let datagram = |community: &[u8]| snmp::encode_v2c(community, &set("http://[::1]:80/a", 1));
    let stranger = agent.receive(&datagram(b"secret"), NOW);
    assert!(stranger.answer.is_none() && stranger.event.is_none());
    let own = agent.receive(&datagram(b"public"), NOW);
    assert!(own.answer.is_some() && matches!(own.event, Some(Event::Told(_))));
}

#[test]
fn hostile_datagrams_never_panic() {
    let (mut agent, manager) = agent();
    agent.enroll(NOW);
    let random = &mut SeededRandom::new(89);
    let exchange = ApExchange::begin(&device(), &secure(), &server(), &ticket(), NOW, random).unwrap();
    let (reply, _) = ap_reply(exchange.datagram(), |_| {});
    let request = AsExchange::begin(&identity(), &server(), NOW, random).unwrap();
    let as_reply = as_reply(request.datagram(), &granted());
    let set = manager.request(1, &set("tftp://192.0.2.1/a", 5));
    let samples = [reply, as_reply, set];
    for round in 0..300 {
        let mut datagram = samples[round % samples.len()].clone();
        let at = random.array::<2>();
        let at = usize::from(u16::from_be_bytes(at)) % datagram.len();
        datagram[at] ^= random.array::<1>()[0];
        if round % 7 == 0 {
            datagram.truncate(at);
        }
        let _ = agent.receive(&datagram, NOW);
        let _ = exchange.accept(&datagram, NOW, random);
        let _ = request.accept(&datagram, &device(), &identity(), &server(), NOW);
    }
}

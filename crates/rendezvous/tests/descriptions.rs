//! Session descriptions: what is read of those that browsers and libraries write, and what their receivers get.

mod support;

use std::net::IpAddr;

use proptest::prelude::*;
use rendezvous::{
    Config,
    sdp::{Description, Error, Relation},
};
use support::{sdp, sdp_with};

/// Where the peers of the vectors were seen.
const HOME: &str = "203.0.113.5";
const ELSEWHERE: &str = "198.51.100.7";

fn json(sdp: &str) -> String {
    serde_json::to_string(sdp).unwrap()
}

fn parse(sdp: &str) -> Result<Description, Error> {
    Description::parse(&json(sdp))
}

fn written(description: &Description, sender: &str, receiver: &str, config: &Config) -> String {
    let [sender, receiver] = [sender, receiver].map(|address| address.parse().unwrap());
    let mut text = String::new();
    description.write_for(&mut text, &Relation { sender, receiver, same_site: false, config });
    serde_json::from_str(&text).expect("a JSON string")
}

/// What a receiver elsewhere gets.
fn public(sdp: &str) -> String {
    written(&parse(sdp).unwrap(), HOME, ELSEWHERE, &Config::default())
}

/// Of these candidates, the addresses that come through.
fn passing(candidates: &[&str], sender: &str, receiver: &str, config: &Config) -> Vec<String> {
    let description = parse(&sdp_with(1, candidates)).unwrap();
    addresses(&written(&description, sender, receiver, config))
}

fn addresses(sdp: &str) -> Vec<String> {
    let candidates = sdp.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
    candidates.map(|line| line.split(' ').nth(4).unwrap().to_owned()).collect()
}

#[test]
fn chromium_behind_a_nat_without_stun_is_passed_on_without_its_names() {
    let chromium = include_str!("descriptions/chromium.sdp");
    let expected = "v=0\r\no=- 3351374038075165634 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:B2f+\r\na=ice-pwd:Nl+lU+iKxPN/AZ7q1YKJ0nk1\r\na=ice-options:trickle\r\n\
        a=fingerprint:sha-256 DE:D6:E1:7D:A2:74:71:02:A2:F8:35:EE:BB:40:DE:CD:6F:BE:57:29:C3:B9:F5:16:93:05:64:28:1D:C8:78:50\r\n\
        a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";
    assert_eq!(public(chromium), expected);
    let at_home = written(&parse(chromium).unwrap(), HOME, HOME, &Config::default());
    let names = [
        "a=candidate:2643660480 1 udp 2113942271 9f96d66f-43f5-42fc-a6fe-86e66ac10834.local 43714 typ host\r\n",
        "a=candidate:1458949920 1 udp 2113937151 bbbf8e48-6ebf-4824-b473-e3b35e2a913d.local 37511 typ host\r\n",
    ];
    assert!(at_home.contains(&names.concat()), "the higher priority first: {at_home}");
}

#[test]
fn simple_peer_firefox_libdatachannel_and_old_chromium_keep_what_stun_found() {
    for (sdp, line) in [
        (
            include_str!("descriptions/simple-peer.sdp"),
            "842163049 1 udp 1677729535 203.0.113.5 60213 typ srflx raddr 0.0.0.0 rport 0",
        ),
        (
            include_str!("descriptions/firefox.sdp"),
            "1 1 udp 1686052863 203.0.113.5 56432 typ srflx raddr 0.0.0.0 rport 0",
        ),
        (
            include_str!("descriptions/libdatachannel.sdp"),
            "3 1 udp 1686109951 203.0.113.5 53421 typ srflx raddr 0.0.0.0 rport 0",
        ),
        (
            include_str!("descriptions/chromium-2018.sdp"),
            "1853887674 1 udp 1518280447 203.0.113.5 54609 typ srflx raddr 0.0.0.0 rport 0",
        ),
    ] {
        let out = public(sdp);
        let lines: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("a=candidate:")).collect();
        assert_eq!(lines, [line]);
        assert_eq!(out.contains("a=end-of-candidates"), sdp.contains("a=end-of-candidates"));
        assert_eq!(out.contains("trickle"), sdp.contains("trickle"));
        assert!(!out.contains("192.168.") && !out.contains("mozilla") && !out.contains("IN IP4 203"));
        assert!(["setup", "mid", "ice-ufrag", "ice-pwd", "fingerprint"].iter().all(|name| {
            let named = |text: &str| {
                text.lines().find(|line| line.contains(&format!("a={name}:"))).map(str::to_owned)
            };
            named(sdp).is_some() && named(sdp) == named(&out)
        }));
    }
}

#[test]
fn safari_by_ipv6_keeps_the_addresses_of_its_64() {
    let safari = parse(include_str!("descriptions/safari.sdp")).unwrap();
    let given = |sender| addresses(&written(&safari, sender, ELSEWHERE, &Config::default()));
    assert_eq!(given("2001:db8:7:1::9999"), ["2001:db8:7:1::25"]);
    assert!(given("2001:db8:7:2::25").is_empty());
}

#[test]
fn a_native_peer_keeps_its_tcp_port_and_that_it_speaks_quic() {
    let out = public(include_str!("descriptions/str0m.sdp"));
    assert!(out.contains(" 1 tcp 1671430143 203.0.113.5 443 typ host tcptype passive\r\n"), "{out}");
    assert!(out.ends_with("a=braidcast-quic:1\r\n"));
    assert!(!out.contains("198.51.100.3"), "the relay is not the operator's");
    let config = Config { relays: vec!["198.51.100.0/29".parse().unwrap()], ..Config::default() };
    let out = written(&parse(include_str!("descriptions/str0m.sdp")).unwrap(), HOME, ELSEWHERE, &config);
    assert!(out.contains("198.51.100.3 50012 typ relay raddr 0.0.0.0 rport 0\r\n"), "{out}");
    assert!(!out.contains("10.0.0.4"));
}

#[test]
fn the_form_of_old_browsers_stays_theirs() {
    let out = public(include_str!("descriptions/chromium-2018.sdp"));
    assert!(out.contains("m=application 9 DTLS/SCTP 5000\r\n"));
    assert!(out.contains("a=sctpmap:5000 webrtc-datachannel 1024\r\n") && !out.contains("sctp-port"));
}

const SRFLX: &str = "1 1 udp 90 203.0.113.5 5000 typ srflx raddr 192.168.1.2 rport 4000";
const OTHER: &str = "2 1 udp 80 198.18.0.9 5000 typ host";
const V6: &str = "3 1 udp 70 2001:db8::1 5000 typ prflx raddr :: rport 0";
const HOST: &str = "4 1 udp 60 192.168.1.2 5000 typ host";
const CARRIER: &str = "5 1 udp 50 100.64.3.2 5000 typ host";
const ULA: &str = "6 1 udp 40 fd00::2 5000 typ host";
const MDNS: &str = "7 1 udp 30 BBBF8E48-6ebf-4824-b473-e3b35e2a913d.local 5000 typ host";
const SELF: &str = "8 1 udp 20 127.0.0.1 5000 typ host";
const ALL: [&str; 8] = [SRFLX, OTHER, V6, HOST, CARRIER, ULA, MDNS, SELF];

#[test]
fn strangers_get_the_address_that_was_seen_and_no_other() {
    assert_eq!(passing(&ALL, HOME, ELSEWHERE, &Config::default()), ["203.0.113.5"]);
    assert_eq!(passing(&ALL, "2001:db8::f", ELSEWHERE, &Config::default()), ["2001:db8::1"]);
    assert!(passing(&ALL, "2001:db9::f", ELSEWHERE, &Config::default()).is_empty());
    let both = Config { other_family: true, ..Config::default() };
    assert_eq!(passing(&ALL, HOME, ELSEWHERE, &both), ["203.0.113.5", "2001:db8::1"]);
}

#[test]
fn what_is_within_a_network_goes_to_those_behind_the_same_address() {
    let mdns = "bbbf8e48-6ebf-4824-b473-e3b35e2a913d.local";
    let near = ["203.0.113.5", "192.168.1.2", "100.64.3.2", "fd00::2", mdns];
    assert_eq!(passing(&ALL, HOME, HOME, &Config::default()), near);
    let parsed = parse(&sdp_with(1, &ALL)).unwrap();
    let (config, mut text) = (Config::default(), String::new());
    let [sender, receiver] = [HOME, ELSEWHERE].map(|address| address.parse().unwrap());
    parsed.write_for(&mut text, &Relation { sender, receiver, same_site: true, config: &config });
    assert_eq!(addresses(&serde_json::from_str::<String>(&text).unwrap()), near, "or of the same site");
}

#[test]
fn loopback_is_for_those_on_the_servers_own_host() {
    let given = passing(&[SELF, HOST], "127.0.0.1", "127.0.0.1", &Config::default());
    assert_eq!(given, ["192.168.1.2", "127.0.0.1"]);
    assert_eq!(passing(&[SELF, HOST], "127.0.0.1", "192.168.1.9", &Config::default()), ["192.168.1.2"]);
    assert!(passing(&[SELF, HOST], "127.0.0.1", HOME, &Config::default()).is_empty());
}

#[test]
fn who_is_seen_inside_is_believed_unless_the_operator_says_otherwise() {
    let strict = Config { trust_inside: false, ..Config::default() };
    for inside in ["127.0.0.1", "192.168.1.2", "fd00::2"] {
        let given = passing(&[SRFLX, OTHER], inside, ELSEWHERE, &Config::default());
        assert_eq!(given, ["203.0.113.5", "198.18.0.9"]);
        assert!(passing(&[SRFLX, OTHER], inside, ELSEWHERE, &strict).is_empty());
    }
    let given = passing(&[HOST, CARRIER, MDNS], "192.168.1.2", "192.168.1.9", &strict);
    assert_eq!(given, ["192.168.1.2"], "its own address was seen all the same");
}

#[test]
fn addresses_and_ports_that_nobody_shall_be_sent_to_never_pass() {
    let hostile = [
        "1 1 udp 1 169.254.1.1 5000 typ host",
        "1 1 udp 1 224.0.0.251 5353 typ host",
        "1 1 udp 1 255.255.255.255 5000 typ host",
        "1 1 udp 1 0.0.0.0 5000 typ host",
        "1 1 udp 1 fe80::1 5000 typ host",
        "1 1 udp 1 ::ffff:192.168.1.2 5000 typ host",
        "1 1 udp 1 192.168.1.2 53 typ host",
        "1 1 udp 1 192.168.1.2 443 typ host",
        "1 1 tcp 1 192.168.1.2 22 typ host tcptype passive",
        "1 1 tcp 1 192.168.1.2 9 typ host tcptype passive",
        "1 1 tcp 1 192.168.1.2 5000 typ host",
        "1 2 udp 1 192.168.1.2 5000 typ host",
        "1 1 sctp 1 192.168.1.2 5000 typ host",
        "1 1 udp 1 victim.example 5000 typ host",
        "1 1 udp 1 bbbf8e48-6ebf-4824-b473-e3b35e2a913d.local.example 5000 typ host",
        "1 1 udp 1 bbbf8e48-6ebf-4824-b473-e3b35e2a913d.local 5000 typ srflx raddr 0.0.0.0 rport 0",
        "1 1 udp 1 198.18.0.9 5000 typ relay raddr 0.0.0.0 rport 0",
    ];
    let inside = ["192.168.1.2", "192.168.1.2", "192.168.1.2"];
    for line in hostile {
        assert!(passing(&[line], inside[0], inside[1], &Config::default()).is_empty(), "{line}");
    }
}

#[test]
fn one_receiver_gets_eight_candidates_and_those_of_the_highest_priority() {
    let many: Vec<String> =
        (0..100).map(|n| format!("1 1 udp {n} 203.0.113.5 {} typ host", 5000 + n)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let out = written(&parse(&sdp_with(1, &many)).unwrap(), HOME, ELSEWHERE, &Config::default());
    let ports: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("a=c"))
        .map(|line| line.split(' ').nth(5).unwrap())
        .collect();
    assert_eq!(ports, ["5099", "5098", "5097", "5096", "5095", "5094", "5093", "5092"]);
}

#[test]
fn what_is_not_one_data_channel_is_refused() {
    let with = |old: &str, new: &str| parse(&sdp(1).replace(old, new)).map(|_| ());
    assert_eq!(with("", ""), Ok(()));
    assert_eq!(with("v=0", "v=1"), Err(Error::NotSdp));
    assert_eq!(with("m=application 9", "m=application 0"), Err(Error::NotData));
    assert_eq!(with("m=application", "m=audio"), Err(Error::NotData));
    assert_eq!(
        with("m=application", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nm=application"),
        Err(Error::NotData)
    );
    assert_eq!(with("webrtc-datachannel", "webrtc-datachannel 5"), Err(Error::NotData));
    assert_eq!(with("m=application", "x=application"), Err(Error::NotData));
    for name in ["ice-ufrag", "ice-pwd", "setup", "mid"] {
        assert_eq!(with(&format!("a={name}:"), "a=x:"), Err(Error::Missing(name)));
    }
    assert!(matches!(with("fingerprint:sha-256", "fingerprint:sha-1"), Err(Error::Missing(_))));
    for (old, new, name) in [
        ("ufrag:ufrg", "ufrag:u\"rg", "ice-ufrag"),
        ("ufrag:ufrg", "ufrag:abc", "ice-ufrag"),
        ("pwd:a/password", "pwd:a\\password", "ice-pwd"),
        ("setup:actpass", "setup:holdconn", "setup"),
        ("mid:0", "mid:\u{e9}", "mid"),
        ("mid:0", "mid:", "mid"),
        ("AB:AB", "AB:AG", "fingerprint"),
        ("AB:AB", "AB", "fingerprint"),
        ("sctp-port:5000", "sctp-port:0", "sctp-port"),
    ] {
        assert_eq!(with(old, new), Err(Error::Bad(name)), "{new}");
    }
    assert_eq!(parse(&format!("{}{}", sdp(1), "a=x\r\n".repeat(256))).map(|_| ()), Err(Error::ManyLines));
    for text in ["", "7", "{}", "\"\\ud800\"", "\"v=0"] {
        assert_eq!(Description::parse(text), Err(Error::NotText), "{text}");
    }
}

#[test]
fn however_the_string_is_escaped_it_says_the_same() {
    for sdp in [
        include_str!("descriptions/simple-peer.sdp"),
        include_str!("descriptions/firefox.sdp"),
        include_str!("descriptions/str0m.sdp"),
    ] {
        let sdp = sdp.replace("\r\n", "\n").replace('\n', "\r\n");
        let all: String = sdp.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        let some = json(&sdp).replace('/', "\\/");
        for text in [format!("\"{all}\""), some, json(&sdp.replace("\r\n", "\n"))] {
            assert_eq!(Description::parse(&text).unwrap(), parse(&sdp).unwrap(), "{text}");
        }
        assert!(parse(&sdp.replace("v=0\r\n", "v=0\r")).is_err());
    }
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| IpAddr::from(ip).to_string()),
        any::<[u8; 16]>().prop_map(|ip| IpAddr::from(ip).to_string()),
        prop::sample::select(vec![
            HOME,
            ELSEWHERE,
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.1.2",
            "100.64.0.1",
            "169.254.0.1",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
            "2001:db8::2",
            "bbbf8e48-6ebf-4824-b473-e3b35e2a913d.local",
            "x.example",
        ])
        .prop_map(str::to_owned),
    ]
}

fn candidate() -> impl Strategy<Value = String> {
    let ends = prop::sample::select(vec![
        "host",
        "host generation 0",
        "host tcptype active",
        "host tcptype passive",
        "srflx raddr 10.0.0.1 rport 7",
        "prflx raddr :: rport 7 tcptype so",
        "relay raddr 10.0.0.1 rport 7 ufrag abcd",
        "strange",
    ]);
    let transport = prop::sample::select(vec!["udp", "UDP", "tcp", "ssltcp"]);
    ("[0-9A-Za-z+/]{1,32}", transport, any::<u32>(), address(), any::<u16>(), ends).prop_map(
        |(foundation, transport, priority, address, port, end)| {
            format!("{foundation} 1 {transport} {priority} {address} {port} typ {end}")
        },
    )
}

/// Where a connection can be seen.
fn seen() -> impl Strategy<Value = IpAddr> {
    address().prop_filter_map("an address", |text| text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()))
}

/// The rules once more, by the standard library's own words: may the receiver be told `ip`, or (`None`) a multicast DNS name?
fn may_pass(ip: Option<IpAddr>, sender: IpAddr, receiver: IpAddr) -> bool {
    let net = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() >> 64 | 1 << 127,
    };
    let private = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64,
        IpAddr::V6(ip) => ip.is_unique_local(),
    };
    let public = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => {
            !private(ip)
                && !v4.is_loopback()
                && !v4.is_link_local()
                && (1..224).contains(&v4.octets()[0])
                && v4.octets()[..3] != [192, 0, 0]
        }
        IpAddr::V6(v6) => v6.segments()[0] >> 13 == 1,
    };
    let near = net(sender) == net(receiver) || !public(sender) && !public(receiver);
    match ip {
        None => near,
        Some(ip) if ip.is_loopback() => sender.is_loopback() && receiver.is_loopback(),
        Some(ip) if private(ip) => near || net(ip) == net(sender) && !public(receiver),
        Some(ip) => public(ip) && (net(ip) == net(sender) || !public(sender)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_says_the_same_when_it_is_read_again(
        candidates in prop::collection::vec(candidate(), 0..12), end: bool, sender in seen(), receiver in seen(),
    ) {
        let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
        let mut text = sdp_with(1, &candidates);
        if end {
            text.push_str("a=end-of-candidates\r\n");
        }
        let config = Config::default();
        let relation = Relation { sender, receiver, same_site: false, config: &config };
        let mut once = String::new();
        parse(&text).unwrap().write_for(&mut once, &relation);
        let mut twice = String::new();
        let again = Description::parse(&once).unwrap();
        again.write_for(&mut twice, &relation);
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!(Description::parse(&twice).unwrap(), again);
    }

    #[test]
    fn no_address_is_told_that_the_rules_do_not_allow(
        candidates in prop::collection::vec(candidate(), 0..12), sender in seen(), receiver in seen(),
    ) {
        let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
        let config = Config::default();
        let mut text = String::new();
        let relation = Relation { sender, receiver, same_site: false, config: &config };
        parse(&sdp_with(1, &candidates)).unwrap().write_for(&mut text, &relation);
        let text: String = serde_json::from_str(&text).unwrap();
        prop_assert!(addresses(&text).len() <= 8);
        for told in addresses(&text) {
            let ip = told.parse().ok();
            prop_assert!(ip.is_some() || told.ends_with(".local"));
            prop_assert!(may_pass(ip, sender, receiver), "{} from {} to {}", told, sender, receiver);
        }
    }

    #[test]
    fn no_text_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), line in "[a-z]=[a-z-]{1,12}:?[ -~]{0,40}", at in 1..12usize,
    ) {
        let _ = Description::parse(&String::from_utf8_lossy(&bytes));
        let lines = sdp(1);
        let mut lines: Vec<&str> = lines.lines().collect();
        lines.insert(at, &line);
        if let Ok(description) = parse(&lines.join("\n")) {
            let config = Config::default();
            let [sender, receiver] = [HOME, ELSEWHERE].map(|address| address.parse().unwrap());
            let mut text = String::new();
            description.write_for(&mut text, &Relation { sender, receiver, same_site: false, config: &config });
            prop_assert_eq!(Description::parse(&text), Ok(description));
        }
    }
}

//! Who reaches whom through which NATs: real links between hosts of a lab, which meet at a real tracker and learn from a STUN
//! server how they look from outside, and where nothing else leads to them, a TURN server relays.

mod peer;
mod plan;
mod relay;
mod server;

use libtest_mimic::{Arguments, Trial};
use netlab::{Lab, Report};
use peer::{GREETING_BYTES, Peer, What};
use plan::{HOSTS, PRIVATE};
use relay::Relay;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Far more than all of it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    if let Err(error) = netlab::enclose() {
        eprintln!("nat: {error}");
        return ExitCode::FAILURE;
    }
    let mut arguments = Arguments::from_args();
    // Each has the machine to itself.
    arguments.test_threads = Some(1);
    let trials = vec![
        trial("links_open_through_nats_as_theory_says", direct),
        trial("what_cannot_link_directly_is_relayed_and_nothing_else", relayed),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

/// Two hosts, by their place in the plan.
type Pair = (usize, usize);

fn pairs() -> impl Iterator<Item = Pair> {
    (0..HOSTS.len()).flat_map(|a| (a + 1..HOSTS.len()).map(move |b| (a, b)))
}

/// What became of every pair. Peers greet until those that have a path of their own have found it: before that a relay may
/// carry what they say, if its checks were answered first (RFC 8445, section 8.1.1).
fn outcome(lab: &Lab, relay: Option<&Relay>) -> BTreeSet<Pair> {
    let (tell, told) = mpsc::channel();
    let mut server = server::start(lab);
    server.turn = relay.map(|relay| relay.server.clone());
    let peers: Vec<Peer> = (0..HOSTS.len()).map(|n| Peer::start(lab, n, &server, tell.clone())).collect();
    let (mut heard, mut failed) = (BTreeSet::new(), BTreeSet::new());
    let begun = Instant::now();
    // Linked once both have heard the other.
    let is_linked = |heard: &BTreeSet<Pair>, (a, b): Pair| heard.contains(&(a, b)) && heard.contains(&(b, a));
    loop {
        let report = lab.report();
        let is_done = |&(a, b): &Pair| {
            let is_failed = failed.contains(&(a, b)) || failed.contains(&(b, a));
            is_failed || is_linked(&heard, (a, b)) && (!plan::reaches(a, b) || has_own_path(&report, (a, b)))
        };
        let Some((a, b)) = pairs().find(|pair| !is_done(pair)) else { break };
        let left = PATIENCE.saturating_sub(begun.elapsed());
        assert!(!left.is_zero(), "{} and {}: {report:?}", HOSTS[a].name, HOSTS[b].name);
        match told.recv_timeout(left) {
            Ok((host, peer, What::Heard)) => heard.insert((host, peer)),
            Ok((host, peer, What::Failed)) => failed.insert((host, peer)),
            Err(_) => continue,
        };
    }
    drop(peers);
    pairs().filter(|pair| is_linked(&heard, *pair)).collect()
}

fn direct() {
    let lab = Lab::start(&plan::plan()).expect("a lab");
    let linked = outcome(&lab, None);
    print(&linked, &lab.report());
    let expected: BTreeSet<Pair> = pairs().filter(|&(a, b)| plan::reaches(a, b)).collect();
    assert_eq!(names(&linked), names(&expected));
    check_paths(&lab.report());
}

fn relayed() {
    let lab = Lab::start(&plan::plan()).expect("a lab");
    let relay = Relay::start(&lab);
    let linked = outcome(&lab, Some(&relay));
    print(&linked, &lab.report());
    assert_eq!(names(&linked), names(&pairs().collect()));
    check_paths(&lab.report());
}

/// A pair that has a path of its own has sent what it said by that; nothing passes between two that have none.
fn check_paths(report: &Report) {
    for (a, b) in pairs() {
        let sent = sent(report, (a, b));
        let agrees = if plan::reaches(a, b) { has_own_path(report, (a, b)) } else { sent == [0, 0] };
        assert!(agrees, "{} {}: {sent:?} bytes", HOSTS[a].name, HOSTS[b].name);
    }
    only_candidates(report);
}

/// Whether a whole greeting has passed between these two either way.
fn has_own_path(report: &Report, pair: Pair) -> bool {
    sent(report, pair).iter().all(|bytes| *bytes > GREETING_BYTES as u64)
}

/// Bytes that passed between these two, from each.
fn sent(report: &Report, (a, b): Pair) -> [u64; 2] {
    let (a, b) = (HOSTS[a].name, HOSTS[b].name);
    [report.traffic(a, b).bytes, report.traffic(b, a).bytes]
}

/// What led nowhere went to addresses that peers had offered: those of others behind their NATs (RFC 8445, section 5.1.1).
fn only_candidates(report: &Report) {
    for (host, sent) in &report.unroutable {
        for address in sent.keys() {
            let is_offered = PRIVATE.iter().any(|(owner, private)| private == address && owner != host);
            assert!(is_offered, "{host} sent to {address}, where nobody said to be");
        }
    }
}

fn names(pairs: &BTreeSet<Pair>) -> Vec<(&'static str, &'static str)> {
    pairs.iter().map(|&(a, b)| (HOSTS[a].name, HOSTS[b].name)).collect()
}

fn print(linked: &BTreeSet<Pair>, report: &Report) {
    for (a, host) in HOSTS.iter().enumerate() {
        let row = (0..HOSTS.len()).map(|b| match linked.contains(&(a.min(b), a.max(b))) {
            true => '+',
            false if a == b => ' ',
            false => '.',
        });
        eprintln!("{:>16} {}", host.name, row.flat_map(|sign| [sign, ' ']).collect::<String>());
    }
    eprintln!("lost {}, refused {:?}, latest {:?}", report.lost, report.refused, report.latest());
}

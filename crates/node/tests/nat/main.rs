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

/// What became of every pair.
fn outcome(lab: &Lab, relay: Option<&Relay>) -> BTreeSet<Pair> {
    let (tell, told) = mpsc::channel();
    let mut server = server::start(lab);
    server.turn = relay.map(|relay| relay.server.clone());
    let peers: Vec<Peer> = (0..HOSTS.len()).map(|n| Peer::start(lab, n, &server, tell.clone())).collect();
    let (mut heard, mut failed) = (BTreeSet::new(), BTreeSet::new());
    let begun = Instant::now();
    // Linked once both have heard the other.
    let is_linked = |heard: &BTreeSet<Pair>, (a, b): Pair| heard.contains(&(a, b)) && heard.contains(&(b, a));
    while let Some(open) = pairs()
        .find(|&(a, b)| !is_linked(&heard, (a, b)) && !failed.contains(&(a, b)) && !failed.contains(&(b, a)))
    {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        match told.recv_timeout(left) {
            Ok((host, peer, What::Heard)) => heard.insert((host, peer)),
            Ok((host, peer, What::Failed)) => failed.insert((host, peer)),
            Err(_) => {
                let names = (HOSTS[open.0].name, HOSTS[open.1].name);
                panic!("nothing became of {names:?}: {:?}", lab.report())
            }
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
        let sent =
            [report.traffic(HOSTS[a].name, HOSTS[b].name), report.traffic(HOSTS[b].name, HOSTS[a].name)];
        let is_direct = plan::reaches(a, b);
        let agrees = |bytes: u64| if is_direct { bytes > GREETING_BYTES as u64 } else { bytes == 0 };
        assert!(sent.iter().all(|sent| agrees(sent.bytes)), "{} {}: {sent:?}", HOSTS[a].name, HOSTS[b].name);
    }
    only_candidates(report);
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

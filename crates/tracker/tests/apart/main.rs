//! A cluster on machines of their own: three trackers and three NATS servers in network namespaces, each killed in turn, then parted and
//! joined again, while viewers go on. It prints what a cluster costs and how long each trouble is felt.

mod rig;
mod viewer;

use std::{process::ExitCode, time::Duration};

use rig::{NODES, Rig};
use tokio::time::{Instant, sleep};
use viewer::{Viewer, meet, meet_soon};

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Swarms that are tried after each trouble: enough for each node to have some.
const FILMS: u64 = 12;

fn main() -> ExitCode {
    if let Some(code) = rig::run_as_node() {
        return code;
    }
    if rig::is_missing() {
        return ExitCode::SUCCESS;
    }
    if let Err(error) = netlab::enclose() {
        eprintln!("apart: {error}");
        return ExitCode::FAILURE;
    }
    let lab = netlab::Lab::start(&rig::plan()).expect("a lab");
    let rig = Rig::new(&lab);
    let viewers = lab.host("viewers").expect("it is in the plan");
    let story = viewers.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(story(rig));
    });
    match story.expect("a thread").join() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn story(mut rig: Rig) {
    for server in 0..3 {
        rig.start_nats(server);
    }
    println!("envelopes per node for 60 viewers each, who announce, offer and answer once:");
    for node in 0..NODES {
        rig.start_node(node).await;
        rig.linked(node + 1).await;
        println!("  {} nodes: {:.0}", node + 1, work(&rig, node + 1).await);
        latency(&rig, node + 1).await;
    }

    let mut names = 100_000;
    // They are there before all that follows, and are not to notice it.
    let mut old = Vec::new();
    for film in 0..FILMS {
        for node in 0..NODES {
            names += 1;
            let mut viewer = Viewer::join(rig.address(node), film, names).await;
            viewer.announce().await.expect("a reply");
            old.push((node, film, viewer));
        }
    }
    for victim in 0..NODES {
        rig.kill_node(victim);
        let [one, other] = [(victim + 1) % NODES, (victim + 2) % NODES];
        let took = all_meet(&rig, one, other, &mut names).await;
        println!("node {victim} killed: newcomers of all swarms meet after {took:.1?}");
        old.retain(|(node, ..)| *node != victim);
        stay(&mut old).await;
        rig.start_node(victim).await;
        rig.linked(NODES).await;
        for film in 0..FILMS {
            names += 1;
            let mut viewer = Viewer::join(rig.address(victim), film, names).await;
            viewer.announce_until(|_| true).await;
            old.push((victim, film, viewer));
        }
        counted(&rig, &mut old).await;
    }
    for victim in 0..3 {
        rig.kill_nats(victim);
        let mut slowest = Duration::ZERO;
        for node in 0..NODES {
            slowest = slowest.max(all_meet(&rig, node, (node + 1) % NODES, &mut names).await);
        }
        println!("NATS server {victim} killed: newcomers of all swarms meet after {slowest:.1?}");
        stay(&mut old).await;
        rig.start_nats(victim);
        rig.linked(NODES).await;
        counted(&rig, &mut old).await;
    }

    rig.part(2);
    rig.until(0, |stats| stats["nodes"] == 2).await;
    rig.until(2, |stats| stats["nodes"] == 1).await;
    let took = all_meet(&rig, 0, 1, &mut names).await.max(all_meet(&rig, 2, 2, &mut names).await);
    println!("parted: each side goes on after {took:.1?}");
    stay(&mut old).await;
    // Some leave meanwhile.
    old.retain(|(_, film, _)| film % 3 != 0);
    rig.heal(2);
    let begun = Instant::now();
    rig.linked(NODES).await;
    counted(&rig, &mut old).await;
    println!("healed: one swarm each, and no ghosts, after {:.1?}", begun.elapsed());
}

/// How long it takes until two newcomers meet in each of the swarms.
async fn all_meet(rig: &Rig, one: usize, other: usize, names: &mut u64) -> Duration {
    let begun = Instant::now();
    for film in 0..FILMS {
        *names += 2;
        meet_soon(rig.address(one), rig.address(other), film, *names).await;
    }
    begun.elapsed()
}

/// Whoever was there is still connected, and still answered.
async fn stay(old: &mut [(usize, u64, Viewer)]) {
    for (node, film, viewer) in old {
        let reply = viewer.announce_until(|reply| reply["interval"].is_number()).await;
        assert!(reply["interval"].is_number(), "on node {node}, film {film}: {reply}");
    }
}

/// Each swarm has as many members as there are viewers: nobody is lost, and nobody there who has gone.
async fn counted(rig: &Rig, old: &mut [(usize, u64, Viewer)]) {
    for film in 0..FILMS {
        let wanted = old.iter().filter(|one| one.1 == film).count();
        let mut asker = Viewer::join(rig.address(0), film, 1).await;
        let begun = Instant::now();
        loop {
            let members = asker.scrape().await;
            if members == Some(wanted as u64) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "film {film}: {members:?} of {wanted}");
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Viewers of all swarms on every node, and how many envelopes a node has sent for it, but for its beats.
async fn work(rig: &Rig, nodes: usize) -> f64 {
    let before = rig.sent(nodes).await;
    let begun = Instant::now();
    for pair in 0..nodes as u64 * 30 {
        let [one, other] = [pair as usize % nodes, (pair + 1) as usize % nodes];
        meet(rig.address(one), rig.address(other), 1000 + pair % 30, 10_000 + pair * 2).await;
    }
    // One beat a second, and two or three words about sizes and sums in five.
    let beats = begun.elapsed().as_secs_f64() * nodes as f64;
    (rig.sent(nodes).await - before - beats).max(0.0) / nodes as f64
}

/// From an offer to its answer, between viewers on the first and on the last node; each swarm is at any.
async fn latency(rig: &Rig, nodes: usize) {
    let mut times = Vec::new();
    for film in 0..60 {
        let number = 50_000 + (nodes as u64 * 100 + film) * 2;
        times.push(meet(rig.address(0), rig.address(nodes - 1), 2000 + film, number).await);
    }
    times.sort_unstable();
    let [median, most] = [times[times.len() / 2], times[times.len() * 9 / 10]];
    println!("     from an offer to its answer {median:.2?} (median; 90 %: {most:.2?})");
}

//! Swarms that are too big for one table.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rendezvous::cluster::Config;
use serde_json::Value;

use crate::world::*;

const SMALL: Config = Config {
    url: None,
    beat_every: std::time::Duration::from_secs(1),
    live: std::time::Duration::from_secs(3),
    sizes_every: std::time::Duration::from_secs(2),
    again_after: std::time::Duration::from_secs(20),
    cell_most: 50,
    cell_least: 5,
    relayed: 10_000,
    pending_bytes: 1 << 20,
    moves_per_tick: 200,
};

/// A swarm with so many viewers, spread over three nodes and networks.
fn crowd(count: u64) -> World {
    let mut world = World::with(3, SMALL);
    for conn in 0..count {
        world.connect(conn % 3, conn, &format!("203.{}.{}.7", conn % 200, conn / 200));
        world.say(conn % 3, conn, &announce(&swarm(1), conn));
        world.settle();
        assert_eq!(world.heard(conn % 3, conn).len(), 1);
    }
    world.run(60.0);
    world
}

/// Who is named to each, in some rounds.
fn named(world: &mut World, count: u64) -> BTreeMap<u64, BTreeSet<u64>> {
    let mut named: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for _ in 0..3 {
        world.run(5.0);
        for conn in 0..count {
            world.say(conn % 3, conn, &announce(&swarm(1), conn));
            world.settle();
            let reply = world.heard(conn % 3, conn).pop().unwrap();
            let peers = reply["candidates"].as_array().unwrap().iter().map(Value::as_str);
            named
                .entry(conn)
                .or_default()
                .extend(peers.map(|peer| peer.unwrap()[8..].parse::<u64>().unwrap()));
        }
    }
    named
}

#[test]
fn a_swarm_that_grows_is_split_and_its_cells_are_bridged() {
    let count = 300;
    let mut world = crowd(count);
    let cells: usize = world.nodes.values().map(|node| node.figures().cells).sum();
    assert!((8..=16).contains(&cells), "{cells} cells");
    let members = world.all_members() as u64;
    assert!((count..count * 5 / 4).contains(&members), "{members}: some are in two");

    let named = named(&mut world, count);
    assert!(named.values().all(|peers| peers.len() >= 5), "everybody meets somebody");
    let (mut reached, mut queue) = (BTreeSet::from([0]), VecDeque::from([0]));
    while let Some(one) = queue.pop_front() {
        let others = named.iter().filter(|(_, peers)| peers.contains(&one)).map(|one| *one.0);
        for other in named[&one].iter().copied().chain(others) {
            if reached.insert(other) {
                queue.push_back(other);
            }
        }
    }
    assert_eq!(reached.len() as u64, count, "there is a way from each to each");
    let met: usize = named.values().map(BTreeSet::len).sum();
    assert!(met < 300 * 15, "but nobody is named the whole swarm: {met}");
}

#[test]
fn offers_to_whoever_is_named_arrive_and_so_do_their_answers() {
    let count = 300;
    let mut world = crowd(count);
    let film = swarm(1);
    for (from, peers) in named(&mut world, count).into_iter().take(60) {
        world.heard(from % 3, from);
        world.run(1.0);
        // The last announce's: some of those before may be in a cell that a bridge left.
        for &to in peers.iter().take(2) {
            world.heard(to % 3, to);
            world.say(from % 3, from, &signal(&film, from, &name(to).into(), &name(9).into(), "offer"));
            world.settle();
            let offer = world.heard(to % 3, to).remove(0);
            world.say(to % 3, to, &signal(&film, to, &offer["peer_id"], &offer["offer_id"], "answer"));
            world.settle();
            let heard = world.heard(from % 3, from);
            assert_eq!(heard.last().unwrap()["answer"]["type"], "answer", "{heard:?}");
        }
    }
}

#[test]
fn cells_of_a_swarm_that_shrinks_are_joined_again() {
    let mut world = crowd(300);
    for conn in 6..300 {
        world.disconnect(conn % 3, conn);
    }
    world.run(120.0);
    assert_eq!(world.members(&swarm(1)).values().sum::<usize>(), 6);
    assert_eq!(world.nodes.values().map(|node| node.figures().cells).sum::<usize>(), 1);
}

#[test]
fn a_split_swarm_stays_split_when_the_owner_of_its_first_cell_dies() {
    let mut world = crowd(300);
    for victim in 0..2u64 {
        let left = (0..300).filter(|conn| conn % 3 > victim).count();
        world.kill(victim);
        world.run(9.0);
        let cells: usize = world.nodes.values().map(|node| node.figures().cells).sum();
        assert!(cells >= 4, "{cells}");
        assert!((left..left * 5 / 4).contains(&world.all_members()));
    }
}

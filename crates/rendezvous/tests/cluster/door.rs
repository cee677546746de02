//! Who may join, where that is not for everybody: tokens that are shown at several nodes, and takedowns that are given to one.

use rendezvous::{ConnId, cluster::Out};
use serde_json::{Value, json};

use crate::world::*;

fn shown(swarm: &str, peer: u64, token: &str) -> Value {
    let mut message = announce(swarm, peer);
    message["token"] = json!(token);
    message
}

/// Connects to a node and shows a token there; the reply.
fn enter(world: &mut World, node: u64, conn: u64, swarm: &str, token: &str) -> Value {
    world.connect(node, conn, "127.0.0.1");
    world.say(node, conn, &shown(swarm, conn, token));
    world.settle();
    world.heard(node, conn).remove(0)
}

/// Ten films with a viewer of each at every one of three nodes.
fn filled() -> World {
    let mut world = World::asking(3);
    for (film, node) in (0..10).flat_map(|film| (0..3).map(move |node| (film, node))) {
        let conn = film * 10 + node;
        let reply = enter(&mut world, node, conn, &swarm(film), &format!("t{conn}"));
        assert_eq!(reply["token_until"], (world.now + LIFE).as_secs(), "{reply}");
    }
    assert_eq!(world.all_members(), 30);
    world
}

/// Nobody is in the film, and nobody comes in again, at any node.
fn is_down(world: &mut World, film: &str, conn: u64) {
    assert_eq!(world.members(film), [].into());
    for node in world.nodes.keys().copied().collect::<Vec<_>>() {
        let reply = enter(world, node, conn + node, film, &format!("n{}", conn + node));
        assert_eq!(reply["denied"], "revoked", "{reply}");
    }
}

#[test]
fn who_has_a_token_meets_others_wherever_they_are_and_who_has_none_does_not() {
    let mut world = World::asking(3);
    for film in (0..6).map(swarm) {
        let [ann, bob, eve] = [0, 1, 2].map(|n| 1000 + 10 * world.carried as u64 + n);
        enter(&mut world, 0, ann, &film, &format!("a{ann}"));
        let reply = enter(&mut world, 1, bob, &film, &format!("b{bob}"));
        assert_eq!(reply["candidates"], json!([name(ann)]));
        world.connect(2, eve, "127.0.0.1");
        world.say(2, eve, &announce(&film, eve));
        world.say(2, eve, &signal(&film, eve, &json!(name(ann)), &json!(name(7)), "offer"));
        world.settle();
        let told = world.heard(2, eve);
        assert_eq!(told[0]["denied"], "no-token");
        assert!(told[1]["failure reason"].is_string() && world.heard(0, ann).is_empty());
        assert_eq!(world.members(&film).values().sum::<usize>(), 2);
        // Later announces of who is in show nothing.
        world.say(1, bob, &announce(&film, bob));
        world.settle();
        assert_eq!(world.heard(1, bob)[0]["incomplete"], 2);
    }
    let denied: u64 = world.nodes.values().map(|node| node.stats().denied).sum();
    assert_eq!(denied, 6);
}

#[test]
fn a_token_admits_at_one_node_once() {
    let mut world = filled();
    for (conn, film) in [(0u64, 0u64), (11, 1), (22, 2)] {
        for node in 0..3 {
            let reply = enter(&mut world, node, 500 + conn * 10 + node, &swarm(film), &format!("t{conn}"));
            assert_eq!(reply["denied"], "spent", "{reply}");
        }
    }
    // Nor after its viewer has left, or its node has died.
    world.disconnect(0, 0);
    world.kill(1);
    world.run(8.0);
    for (old, film) in [(0, 0), (1, 0)] {
        assert_eq!(enter(&mut world, 2, 900 + old, &swarm(film), &format!("t{old}"))["denied"], "spent");
    }
}

#[test]
fn of_two_who_come_by_one_token_at_the_same_moment_one_stays() {
    let mut world = World::asking(3);
    let film = swarm(1);
    for node in 0..3 {
        world.connect(node, node, "127.0.0.1");
        world.say(node, node, &shown(&film, node, "twin"));
    }
    world.settle();
    assert_eq!(world.members(&film).values().sum::<usize>(), 1);
    let last: Vec<Value> = (0..3).map(|node| world.heard(node, node).pop().unwrap()).collect();
    assert_eq!(last[0]["denied"], Value::Null);
    assert_eq!([&last[1]["denied"], &last[2]["denied"]], ["spent", "spent"]);
}

#[test]
fn a_token_that_was_used_in_both_halves_of_a_cluster_is_good_for_one_when_they_are_one_again() {
    let mut world = World::asking(3);
    [(0, 2), (1, 2)].into_iter().for_each(|(one, other)| world.part(one, other));
    world.run(5.0);
    let film = swarm(1);
    assert_eq!(enter(&mut world, 0, 1, &film, "twin")["incomplete"], 1);
    assert_eq!(enter(&mut world, 2, 2, &film, "twin")["incomplete"], 1, "nobody there can know");
    world.cut.clear();
    world.run(5.0);
    assert_eq!(world.members(&film).values().sum::<usize>(), 1);
    assert_eq!(world.heard(2, 2)[0]["denied"], "spent");
    // And a node that is new hears by what others are in.
    world.start(7);
    world.run(4.0);
    assert_eq!(enter(&mut world, 7, 3, &film, "twin")["denied"], "spent");
}

#[test]
fn a_membership_at_another_node_ends_with_its_token_or_goes_on_with_a_new_one() {
    let mut world = World::asking(2);
    let film = world_swarm(&mut world, 1);
    enter(&mut world, 0, 1, &film, "one");
    enter(&mut world, 0, 2, &film, "two");
    for _ in 0..3 {
        world.run(90.0);
        (1..3).for_each(|conn| world.say(0, conn, &announce(&film, conn)));
        world.settle();
    }
    world.heard(0, 2);
    world.say(0, 2, &shown(&film, 2, "three"));
    world.settle();
    let reply = world.heard(0, 2).remove(0);
    assert_eq!(reply["token_until"], (world.now + LIFE).as_secs(), "{reply}");
    world.heard(0, 1);
    world.run(60.0);
    assert_eq!(world.heard(0, 1)[0]["denied"], "expired");
    assert_eq!(world.members(&film), [(1, 1)].into());
}

/// A film that this node keeps.
fn world_swarm(world: &mut World, node: u64) -> String {
    for number in 5000.. {
        let film = swarm(number);
        enter(world, node, number, &film, &format!("w{number}"));
        let owner = world.owner(&film);
        world.disconnect(node, number);
        world.settle();
        if owner == node {
            return film;
        }
    }
    unreachable!()
}

#[test]
fn a_takedown_that_one_node_is_given_empties_the_swarm_at_all() {
    for given in 0..3 {
        let mut world = filled();
        world.take_down(given, takedown(1, &[&swarm(3), &swarm(5)]));
        world.run(2.0);
        for conn in [30, 31, 32, 50, 51, 52] {
            assert_eq!(world.heard(conn % 10, conn)[0]["denied"], "revoked");
        }
        is_down(&mut world, &swarm(3), 600);
        is_down(&mut world, &swarm(5), 700);
        assert_eq!(world.all_members(), 24, "the others are as they were");
        // A newer list says the whole again, and an older one nothing.
        world.take_down((given + 1) % 3, takedown(2, &[&swarm(5)]));
        world.take_down(given, takedown(1, &[&swarm(3), &swarm(5)]));
        world.run(2.0);
        for node in 0..3 {
            let reply = enter(&mut world, node, 800 + node, &swarm(3), &format!("again{node}"));
            assert!(reply["interval"].is_number(), "{reply}");
        }
        is_down(&mut world, &swarm(5), 900);
    }
}

#[test]
fn a_takedown_outlives_the_node_that_it_was_given_to_and_reaches_those_that_come() {
    let mut world = filled();
    world.take_down(0, takedown(1, &[&swarm(3)]));
    world.run(2.0);
    world.kill(0);
    world.run(5.0);
    world.start(9);
    // Nobody has told it yet.
    world.connect(9, 600, "127.0.0.1");
    world.say(9, 600, &shown(&swarm(3), 600, "early"));
    world.run(5.0);
    assert_eq!(world.heard(9, 600).pop().unwrap()["denied"], "revoked");
    is_down(&mut world, &swarm(3), 700);
}

#[test]
fn a_takedown_gets_to_those_that_were_cut_off_as_soon_as_they_are_back() {
    let mut world = filled();
    [(0, 2), (1, 2)].into_iter().for_each(|(one, other)| world.part(one, other));
    world.run(5.0);
    world.take_down(0, takedown(1, &[&swarm(3)]));
    world.run(10.0);
    assert_eq!(world.members(&swarm(3)), [(2, 1)].into(), "the part that does not know");
    world.cut.clear();
    world.run(3.0);
    is_down(&mut world, &swarm(3), 600);
    assert_eq!(world.all_members(), 27);
}

#[test]
fn a_long_list_comes_in_parts_also_when_some_are_lost() {
    let mut world = filled();
    let names: Vec<String> = (100..100_000).map(swarm).chain([swarm(3)]).collect();
    let list = takedown(1, &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(list.bytes.len() > 1_900_000);
    world.take_down(0, list);
    world.cut.insert((0, 1));
    world.run(0.25);
    world.part(0, 2);
    world.run(0.25);
    world.cut.clear();
    world.run(10.0);
    is_down(&mut world, &swarm(3), 600);
}

#[test]
fn what_another_node_says_of_whom_it_is_about_is_what_its_client_gets() {
    let mut world = World::asking(2);
    let film = world_swarm(&mut world, 1);
    world.connect(0, 1, "127.0.0.1");
    // The outside of it is an answer to nobody, and the last field counts.
    let twice = format!(
        r#"{{"action":"announce","info_hash":"{}","info_hash":"{film}","peer_id":"{}","answer":7,"answer":null}}"#,
        swarm(8),
        name(1)
    );
    let (mut out, now) = (Out::default(), world.now);
    let verdict = world.nodes.get_mut(&0).unwrap().handle(now, ConnId(1), twice.as_bytes(), &mut out);
    let rendezvous::Verdict::Ask(question) = verdict else { panic!("{verdict:?}") };
    assert_eq!(question.info_hash, rendezvous::InfoHash::from_binary(&film).unwrap());
    assert_eq!(world.all_members(), 0);
}

//! Several trackers as one: who meets whom, wherever each of them is connected, and what is left of it when nodes go and come.

mod cells;
mod door;
mod faults;
mod random;
mod world;

use serde_json::json;
use world::*;

#[test]
fn viewers_on_different_nodes_meet() {
    let mut world = World::new(3);
    for number in 0..20 {
        let film = swarm(number);
        let [ann, bob] = [number * 10, number * 10 + 1];
        world.join(0, ann, &film);
        let reply = world.join(1, bob, &film);
        assert_eq!((&reply["incomplete"], &reply["candidates"]), (&json!(2), &json!([name(ann)])), "{reply}");
        world.say(1, bob, &signal(&film, bob, &json!(name(ann)), &json!(name(7)), "offer"));
        world.settle();
        let offer = world.heard(0, ann).remove(0);
        assert_eq!((&offer["peer_id"], &offer["offer"]["type"]), (&json!(name(bob)), &json!("offer")));
        world.say(0, ann, &signal(&film, ann, &offer["peer_id"], &offer["offer_id"], "answer"));
        world.settle();
        let answer = world.heard(1, bob).remove(0);
        assert_eq!((&answer["peer_id"], &answer["answer"]["type"]), (&json!(name(ann)), &json!("answer")));
    }
    let owned: Vec<_> = world.nodes.values().map(|node| node.stats().swarms).collect();
    assert!(owned.iter().all(|&swarms| swarms > 0), "each node has some: {owned:?}");
    assert_eq!(owned.iter().sum::<usize>(), 20, "and no two the same");
}

#[test]
fn offers_that_come_with_an_announce_reach_other_nodes_too() {
    let mut world = World::new(3);
    for number in 0..10 {
        let film = swarm(number);
        let [ann, bob] = [number * 10, number * 10 + 1];
        world.join(2, ann, &film);
        world.connect(0, bob, "127.0.0.1");
        let announce = json!({"action": "announce", "info_hash": film, "peer_id": name(bob), "numwant": 1, "offers": offers(5)});
        world.say(0, bob, &announce);
        world.settle();
        assert_eq!(world.heard(0, bob)[0]["incomplete"], 2);
        let offer = world.heard(2, ann).remove(0);
        world.say(2, ann, &signal(&film, ann, &offer["peer_id"], &offer["offer_id"], "answer"));
        world.settle();
        assert_eq!(world.heard(0, bob)[0]["peer_id"], json!(name(ann)));
    }
}

#[test]
fn who_leaves_or_loses_the_connection_is_gone_everywhere_at_once() {
    let mut world = World::new(3);
    let film = world.swarm_of(2);
    (0..4).for_each(|conn| drop(world.join(conn % 2, conn, &film)));
    assert_eq!(world.members(&film), [(2, 4)].into());
    world.disconnect(0, 0);
    world.say(
        1,
        1,
        &json!({"action": "announce", "info_hash": film, "peer_id": name(1), "event": "stopped"}),
    );
    world.settle();
    assert_eq!(world.members(&film), [(2, 2)].into());
    assert_eq!(world.heard(1, 1)[0]["incomplete"], 2, "whoever stops is told");
}

#[test]
fn a_name_belongs_to_who_had_it_first_on_whatever_node() {
    let mut world = World::new(3);
    for number in 0..10 {
        let film = swarm(number);
        let [ann, thief] = [number * 10, number * 10 + 1];
        world.join(0, ann, &film);
        world.connect(1, thief, "127.0.0.1");
        world.say(1, thief, &announce(&film, ann));
        world.say(
            1,
            thief,
            &json!({"action": "announce", "info_hash": film, "peer_id": name(ann), "event": "stopped"}),
        );
        world.run(12.0);
        let told = world.heard(1, thief);
        assert!(told.iter().all(|one| one["failure reason"].is_string()) && !told.is_empty(), "{told:?}");
        // Nor when another node takes the swarm over.
        let owner = world.owner(&film);
        if owner == 2 {
            world.kill(2);
            world.run(8.0);
            world.start(2);
            world.run(4.0);
        }
        world.say(1, thief, &signal(&film, ann, &json!(name(ann)), &json!(name(1)), "answer"));
        assert_eq!(world.members(&film).values().sum::<usize>(), 1);
        world.say(0, ann, &announce(&film, ann));
        world.settle();
        assert!(world.heard(0, ann).iter().all(|one| one["failure reason"].is_null()));
    }
}

#[test]
fn a_scrape_of_several_swarms_is_answered_by_each_owner_for_its_own() {
    let mut world = World::new(3);
    let films: Vec<_> = (0..9).map(swarm).collect();
    films.iter().zip(0..).for_each(|(film, conn)| drop(world.join(0, conn, film)));
    world.connect(1, 100, "127.0.0.1");
    world.say(1, 100, &json!({"action": "scrape", "info_hash": films}));
    world.settle();
    let heard = world.heard(1, 100);
    assert!(heard.len() > 1);
    let counted: Vec<_> = heard.iter().flat_map(|one| one["files"].as_object().unwrap()).collect();
    assert_eq!(counted.len(), 9);
    assert!(counted.iter().all(|(_, file)| file["incomplete"] == 1));
}

#[test]
fn our_clients_are_told_where_their_swarm_is_and_others_are_not() {
    let mut world = World::new(2);
    let film = world.swarm_of(1);
    assert_eq!(world.join(0, 1, &film)["go to"], "wss://node1");
    assert_eq!(world.join(1, 2, &film).get("go to"), None, "it is there already");
    world.connect(0, 3, "127.0.0.1");
    let classic = json!({"action": "announce", "info_hash": film, "peer_id": name(3)});
    world.say(0, 3, &classic);
    world.settle();
    assert_eq!(world.heard(0, 3)[0].get("go to"), None, "a client that does not ask for candidates");
}

#[test]
fn what_concerns_no_other_node_is_said_to_none() {
    let mut world = World::new(3);
    let film = world.swarm_of(0);
    let before = world.carried;
    (0..50).for_each(|conn| drop(world.join(0, conn, &film)));
    assert_eq!(world.carried, before);
    let other = world.swarm_of(1);
    let before = world.carried;
    (50..100).for_each(|conn| drop(world.join(0, conn, &other)));
    assert_eq!(world.carried, before + 100, "an announce and its reply each");
}

//! Nodes that die, come, stop with notice, and do not hear each other.

use serde_json::json;

use crate::world::*;

/// Ten films, with one viewer of each on every node.
fn filled() -> World {
    let mut world = World::new(3);
    for number in 0..10 {
        (0..3).for_each(|node| drop(world.join(node, number * 10 + node, &swarm(number))));
    }
    assert_eq!(world.all_members(), 30);
    world
}

#[test]
fn when_an_owner_dies_its_swarms_live_on_at_another_and_newcomers_are_answered() {
    let mut world = filled();
    world.kill(1);
    // Before anybody knows of it.
    for number in 0..10 {
        world.connect(0, 500 + number, "127.0.0.1");
        world.say(0, 500 + number, &announce(&swarm(number), 500 + number));
    }
    world.run(8.0);
    for number in 0..10 {
        let film = swarm(number);
        let told = world.heard(0, 500 + number);
        assert_eq!(told.iter().filter(|one| one["interval"].is_number()).count(), 1, "{told:?}");
        assert_eq!(world.members(&film).values().sum::<usize>(), 3, "two that were there, and the newcomer");
        let reply = world.join(2, 600 + number, &film);
        assert_eq!(reply["candidates"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn of_a_node_that_dies_no_member_is_left_and_its_clients_are_taken_in_elsewhere() {
    let mut world = filled();
    world.kill(1);
    // They come back at once, under the names that are still taken.
    for number in 0..10 {
        let conn = number * 10 + 1;
        world.connect(2, conn, "127.0.0.1");
        world.say(2, conn, &announce(&swarm(number), conn));
    }
    world.run(10.0);
    assert_eq!(world.all_members(), 30);
    for number in 0..10 {
        let told = world.heard(2, number * 10 + 1);
        assert!(told.iter().all(|one| one["interval"].is_number()) && told.len() == 1, "{told:?}");
    }
    world.kill(2);
    world.run(5.0);
    assert_eq!(world.all_members(), 10);
}

#[test]
fn a_node_that_comes_takes_its_share_and_nobody_is_lost() {
    let mut world = filled();
    world.start(3);
    world.run(5.0);
    assert_eq!(world.all_members(), 30);
    let share = world.nodes[&3].stats().swarms;
    assert!((1..6).contains(&share), "{share} of ten");
    for number in 0..10 {
        assert_eq!(world.members(&swarm(number)).values().collect::<Vec<_>>(), [&3], "together at one node");
    }
}

#[test]
fn a_node_that_stops_gives_its_swarms_away_first() {
    let mut world = filled();
    world.nodes.get_mut(&1).unwrap().drain();
    world.run(2.0);
    assert_eq!(world.nodes[&1].stats().members, 0);
    assert_eq!(world.all_members(), 30, "its clients are still served");
    assert_eq!(world.nodes[&1].elsewhere(0), Some("wss://node0"));
    assert_eq!(world.nodes[&1].elsewhere(1), Some("wss://node2"));
    assert_eq!(world.nodes[&0].elsewhere(7), Some("wss://node2"), "nobody is sent to it");
    // The last one has nobody to give them to.
    world.kill(0);
    world.kill(2);
    world.run(4.0);
    assert_eq!((world.all_members(), world.nodes[&1].elsewhere(0)), (10, None));
}

#[test]
fn without_the_bus_each_node_serves_its_own_and_afterwards_they_are_one_again() {
    let mut world = filled();
    for pair in [(0, 1), (1, 2), (0, 2)] {
        world.part(pair.0, pair.1);
    }
    world.run(5.0);
    for number in 0..10 {
        assert_eq!(world.members(&swarm(number)), [(0, 1), (1, 1), (2, 1)].into(), "no ghost of the others");
        assert_eq!(world.join(1, 700 + number, &swarm(number))["incomplete"], 2);
    }
    world.disconnect(0, 0);
    world.cut.clear();
    world.run(5.0);
    assert_eq!(world.all_members(), 39);
    for number in 0..10 {
        assert_eq!(world.members(&swarm(number)).len(), 1, "together at one node");
    }
}

#[test]
fn a_line_that_is_cut_one_way_is_no_line() {
    let mut world = filled();
    world.cut.insert((0, 1));
    world.run(6.0);
    let film = (0..10).map(swarm).find(|film| world.members(film).contains_key(&1)).unwrap();
    let reply = world.join(0, 800, &film);
    assert!(reply["interval"].is_number(), "whoever cannot reach the one that has it gets another: {reply}");
    world.cut.clear();
    world.run(6.0);
    assert_eq!(world.all_members(), 31);
}

#[test]
fn an_announce_that_is_lost_is_sent_again() {
    let mut world = World::new(2);
    let film = world.swarm_of(1);
    world.connect(0, 1, "127.0.0.1");
    world.part(0, 1);
    world.say(0, 1, &announce(&film, 1));
    world.settle();
    world.cut.clear();
    assert_eq!(world.heard(0, 1), Vec::<serde_json::Value>::new());
    world.run(4.0);
    assert_eq!(world.heard(0, 1).len(), 1);
    assert_eq!(world.members(&film), [(1, 1)].into());
}

#[test]
fn a_member_that_its_owner_has_forgotten_is_one_again_as_soon_as_it_speaks() {
    let mut world = World::new(2);
    let film = world.swarm_of(1);
    world.join(0, 1, &film);
    world.join(0, 2, &film);
    // Beats are lost for just as long as to be forgotten, and nothing else of it is noticed here.
    world.cut.insert((0, 1));
    world.run(3.5);
    assert_eq!(world.members(&film).get(&1), None);
    world.cut.clear();
    world.say(0, 1, &signal(&film, 1, &json!(name(2)), &json!(name(9)), "offer"));
    world.run(4.0);
    assert_eq!(world.members(&film), [(1, 2)].into());
}

#[test]
fn what_was_lost_on_the_way_is_noticed_and_made_good() {
    let mut world = World::new(2);
    let film = world.swarm_of(1);
    (0..4).for_each(|conn| drop(world.join(0, conn, &film)));
    // Too short for anybody to be taken for dead.
    world.part(0, 1);
    world.disconnect(0, 0);
    world.settle();
    world.cut.clear();
    assert_eq!(world.members(&film), [(1, 4)].into(), "one of them a ghost");
    world.run(8.0);
    assert_eq!(world.members(&film), [(1, 3)].into());
}

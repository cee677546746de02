//! Random lives of clients and nodes: afterwards everybody is in each of his swarms, once. And random bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rendezvous::cluster::Out;

use crate::world::*;

#[derive(Clone, Debug)]
enum Step {
    Join { node: u64, film: u64 },
    Leave(usize),
    Kill(u64),
    Start(u64),
    Part(u64, u64),
    Heal,
    Drain(u64),
    Run(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4u64, 0..5u64).prop_map(|(node, film)| Step::Join { node, film }),
        3 => any::<prop::sample::Index>().prop_map(|index| Step::Leave(index.index(1000))),
        1 => (0..4u64).prop_map(Step::Kill),
        2 => (0..4u64).prop_map(Step::Start),
        1 => (0..4u64, 0..4u64).prop_map(|(one, other)| Step::Part(one, other)),
        1 => Just(Step::Heal),
        1 => (0..4u64).prop_map(Step::Drain),
        4 => (1..16u8).prop_map(Step::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn after_any_trouble_everybody_is_in_his_swarm_once(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new(3);
        let mut incarnations = 10;
        // A process that starts again is another node.
        let mut alive: BTreeMap<u64, u64> = (0..3).map(|node| (node, node)).collect();
        let mut clients = Vec::new();
        for (conn, step) in (1u64..).zip(steps) {
            match step {
                Step::Join { node, film } => if let Some(&node) = alive.get(&node) {
                    world.connect(node, conn, "127.0.0.1");
                    world.say(node, conn, &announce(&swarm(film), conn));
                    clients.push((node, conn, film));
                },
                Step::Leave(index) => if !clients.is_empty() {
                    let (node, conn, _) = clients.swap_remove(index % clients.len());
                    world.disconnect(node, conn);
                },
                Step::Kill(node) => if let Some(node) = alive.remove(&node) {
                    world.kill(node);
                    clients.retain(|client| client.0 != node);
                },
                Step::Start(node) => if let std::collections::btree_map::Entry::Vacant(vacant) = alive.entry(node) {
                    incarnations += 1;
                    vacant.insert(incarnations);
                    world.start(incarnations);
                },
                Step::Part(one, other) => if let (Some(&one), Some(&other)) = (alive.get(&one), alive.get(&other)) && one != other {
                    world.part(one, other);
                },
                Step::Heal => world.cut.clear(),
                Step::Drain(node) => if let Some(node) = alive.get(&node) {
                    world.nodes.get_mut(node).unwrap().drain();
                },
                Step::Run(quarters) => world.run(f64::from(quarters) / 4.0),
            }
        }
        world.cut.clear();
        world.run(40.0);
        for film in 0..5 {
            let wanted = clients.iter().filter(|client| client.2 == film).count();
            let members = world.members(&swarm(film));
            prop_assert!(members.len() <= 1, "{members:?}");
            prop_assert_eq!(members.values().sum::<usize>(), wanted);
        }
        for (node, conn, _) in clients {
            let told = world.heard(node, conn);
            prop_assert!(told.iter().any(|one| one["interval"].is_number()), "{told:?}");
        }
    }

    #[test]
    fn any_bytes_from_the_bus_are_borne(head in prop::collection::vec(any::<u8>(), 0..60), kind in 0..12u8, from in 0..5u64) {
        let mut world = World::new(2);
        world.join(0, 1, &swarm(1));
        let mut bytes = vec![2, kind];
        bytes.extend(from.to_be_bytes());
        bytes.extend(head);
        let now = world.now;
        world.nodes.get_mut(&0).unwrap().receive(now, &bytes, &mut Out::default());
        world.run(5.0);
        prop_assert!(world.join(0, 2, &swarm(1))["interval"].is_number());
    }
}

use super::*;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = [u8; 20]> {
    any::<[u8; 20]>()
}

fn cell() -> impl Strategy<Value = Cell> {
    (0..4096u16).prop_map(Cell)
}

fn locality() -> impl Strategy<Value = Locality> {
    let address = any::<IpAddr>().prop_map(|address| address.to_canonical());
    (address, prop::option::of(1..u32::MAX)).prop_map(|(address, asn)| Locality { address, asn })
}

proptest! {
    #[test]
    fn a_beat_reads_as_it_was_written(
        draining in any::<bool>(),
        url in "[a-z:/.]{0,256}",
        hears in prop::collection::vec(any::<u64>().prop_map(NodeId), 0..NODES),
        notices in prop::collection::vec((any::<[u8; 32]>(), any::<u64>()), 0..TOPICS),
        levels in prop::collection::vec((name().prop_map(InfoHash), (0..12u8).prop_map(|n| Level::new(n).unwrap())), 0..40),
        from in any::<u64>().prop_map(NodeId),
    ) {
        let beat = Envelope::Beat(Beat { draining, url, hears, notices, levels });
        let bytes = beat.write(from);
        prop_assert_eq!(read(&bytes), Some((from, beat)));
    }

    #[test]
    fn messages_read_as_they_were_written(
        conn in any::<u64>(),
        cell in cell(),
        which in 0..3usize,
        locality in locality(),
        about in prop::option::of((name().prop_map(InfoHash), name().prop_map(PeerId))),
        text in ".{0,200}",
        members in any::<u32>(),
    ) {
        let ask = [Ask::Reply, Ask::Join, Ask::Quiet][which];
        let standing = [Standing::Member, Standing::Stranger, Standing::Taken][which];
        let from = NodeId(7);
        let wanted = Wanted { topic: [9; 32], number: conn, offset: members };
        for envelope in [
            Envelope::Said(Said { conn, cell, ask, locality, about, text: text.as_bytes() }),
            Envelope::Gone { conn },
            Envelope::Reply(Reply { conn, cell, about: about.map(|one| one.0), standing, text: &text }),
            Envelope::Pass { conn, text: &text },
            Envelope::Size { info_hash: InfoHash([1; 20]), cell, members },
            Envelope::Sum(conn),
            Envelope::Used(vec![Used { token: TokenId([3; 16]), until_unix_secs: conn }; which]),
            Envelope::Fetch(wanted),
            Envelope::Part(Part { wanted, total: members, bytes: text.as_bytes() }),
        ] {
            let bytes = envelope.write(from);
            prop_assert_eq!(read(&bytes), Some((from, envelope)));
            // What is cut off within the names is not taken for something else.
            if bytes.len() > 17 {
                prop_assert_eq!(read(&bytes[..17]), None);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..12u8) {
        read(&bytes);
        if bytes.len() > 2 {
            (bytes[0], bytes[1]) = (VERSION, kind);
            if let Some((from, envelope)) = read(&bytes) {
                prop_assert_eq!(read(&envelope.write(from)).map(|read| read.0), Some(from));
            }
        }
    }
}

//! What is written here is what the releases write, byte for byte.

use bytes::Bytes;
use node::pml::identity::{Family, Kind, Variant, descriptions, identities, swarms};
use node::pml::wire::{Command, Incoming, Joiner, RequestId, SegmentId};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../data/pml-vectors.json")).unwrap()
}

fn list<'a>(vectors: &'a Value, name: &str) -> &'a Vec<Value> {
    let list = vectors[name].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Bytes {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn command(json: &Value) -> Command {
    let number = |name: &str| u32::try_from(json[name].as_u64().unwrap_or(0)).unwrap();
    let ids = |name: &str| -> Vec<SegmentId> {
        let ids = json[name].as_array().into_iter().flatten();
        ids.map(|id| SegmentId::new(id.as_i64().unwrap()).unwrap()).collect()
    };
    let code = number("c");
    if code == 0 {
        return Command::Announcement { held: ids("l"), fetching: ids("p") };
    }
    let segment = SegmentId::new(json["i"].as_i64().unwrap()).unwrap();
    let request = RequestId(number("r"));
    match code {
        1 => Command::Request { segment, request, from: number("b") },
        2 => Command::Data { segment, request, bytes: number("s") },
        3 => Command::Completed { segment, request },
        4 => Command::Absent { segment, request },
        5 => Command::Cancel { segment, request },
        _ => panic!("no such command: {json}"),
    }
}

fn variant(json: &Value) -> Variant {
    let properties = &json["properties"];
    let text = |name: &str| properties[name].as_str().map(str::to_owned);
    let number = |name: &str| properties[name].as_u64().map(|number| number as u32);
    Variant {
        kind: if json["kind"] == "main" { Kind::Main } else { Kind::Secondary },
        position: json["position"].as_u64().unwrap_or(0) as u32,
        bitrate: properties["bitrate"].as_u64(),
        codecs: text("codecs"),
        width: number("width"),
        height: number("height"),
        language: text("language"),
        channels: text("channels"),
        name: text("name"),
        frame_rate: text("frame_rate").map(|rate| rate.parse().unwrap()),
        video_range: text("video_range"),
    }
}

#[test]
fn every_command_is_written_and_read_as_the_releases_do() {
    for vector in list(&vectors(), "commands") {
        let command = command(&vector["cmd"]);
        let bytes = unhex(text(&vector["hex"]));
        assert_eq!(command.messages(65535), std::slice::from_ref(&bytes), "{vector}");
        assert_eq!(Joiner::default().take(bytes), Ok(Some(Incoming::Command(command))), "{vector}");
    }
}

#[test]
fn a_long_command_is_split_and_joined_as_the_releases_do() {
    for vector in list(&vectors(), "split") {
        let count = vector["cmd"]["count"].as_u64().unwrap() as u32;
        let held: Vec<SegmentId> = (0..count).map(SegmentId::from).collect();
        let command = Command::Announcement { held, fetching: Vec::new() };
        let messages = command.messages(vector["max_message"].as_u64().unwrap() as usize);
        let written: Vec<String> = messages.iter().map(|message| hex(message)).collect();
        let expected: Vec<&str> = list(vector, "messages").iter().map(text).collect();
        assert_eq!(written, expected, "{count} ids");

        let mut joiner = Joiner::default();
        let joined = messages.into_iter().filter_map(|message| joiner.take(message).unwrap());
        assert_eq!(joined.collect::<Vec<_>>(), [Incoming::Command(command)]);
    }
}

#[test]
fn swarms_have_the_names_that_the_releases_give_them() {
    let vectors = vectors();
    let swarm_id = text(&vectors["swarm_id"]);
    for (family, name) in [(Family::A, "a"), (Family::B, "b"), (Family::C, "c")] {
        for vector in list(&vectors, name) {
            let variants = [variant(vector)];
            let swarm = swarms(family, swarm_id, &variants).remove(0);
            assert_eq!(swarm.info_hash.to_string(), text(&vector["info_hash"]), "{vector}");
            if let Some(identity) = vector["identity"].as_str() {
                assert_eq!(identities(family, &variants), [identity], "{vector}");
            }
            if let Some(description) = vector["description"].as_str() {
                assert_eq!(descriptions(family, &variants), [description], "{vector}");
            }
        }
    }
}

//! Another reader of boxes sees in our headers and fragments what we meant.

mod common;

use std::time::Duration;

use cmaf::{Kind, init_segment};
use common::{Scratch, audio_track, cut, film, video_track};
use mp4_atom::{Any, Buf, Codec, DecodeMaybe, Moof, Moov};

fn atoms(mut bytes: &[u8]) -> Vec<Any> {
    let mut atoms = Vec::new();
    while bytes.has_remaining() {
        atoms.push(Any::decode_maybe(&mut bytes).expect("legal").expect("whole"));
    }
    atoms
}

fn moov(bytes: &[u8]) -> Moov {
    let found =
        atoms(bytes).into_iter().find_map(|a| if let Any::Moov(moov) = a { Some(moov) } else { None });
    found.expect("a moov")
}

#[test]
fn the_init_segment_reads_the_same_elsewhere() {
    for track in [video_track(), audio_track()] {
        let bytes = init_segment(&track);
        assert!(
            matches!(&atoms(&bytes)[0], Any::Ftyp(ftyp) if ftyp.compatible_brands.contains(&b"cmfc".into()))
        );
        let moov = moov(&bytes);
        let [trak] = &moov.trak[..] else { panic!("one track") };
        let mvex = moov.mvex.expect("fragments follow");
        assert_eq!(mvex.trex[0].track_id, trak.tkhd.track_id);
        assert_eq!(trak.mdia.mdhd.timescale, track.timescale);
        let stbl = &trak.mdia.minf.stbl;
        assert_eq!(stbl.stts.entries.len(), 0);
        match (&stbl.stsd.codecs[..], track.kind) {
            ([Codec::Avc1(avc)], Kind::Video) => {
                assert_eq!((avc.visual.width, avc.visual.height), (1280, 720));
                assert_eq!(avc.avcc.avc_profile_indication, 0x64);
                assert!(trak.edts.is_none(), "video needs no edit list");
            }
            ([Codec::Mp4a(aac)], Kind::Audio) => {
                assert_eq!(aac.esds.es_desc.dec_config.object_type_indication, 0x40);
                assert_eq!(aac.audio.channel_count, 2);
                let edits = trak.edts.as_ref().and_then(|e| e.elst.as_ref()).expect("priming is an edit");
                assert_eq!(edits.entries[0].media_time, Some(1024));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn fragments_read_the_same_elsewhere_and_their_times_go_on() {
    let scratch = Scratch::new("atoms");
    let source = scratch.path("film.mp4");
    film(&source, 9.0, "");
    for cut in cut(&source, Duration::from_secs(4)) {
        moov(&cut.init);
        let (mut next, mut number) = (0, 1);
        for segment in &cut.segments {
            let atoms = atoms(&segment.bytes);
            assert!(matches!(&atoms[0], Any::Styp(_)));
            for pair in atoms[1..].chunks(2) {
                let [Any::Moof(moof), Any::Mdat(mdat)] = pair else { panic!("moof and mdat in turns") };
                assert_eq!(moof.mfhd.sequence_number, number);
                number += 1;
                let traf = &moof.traf[0];
                assert!(traf.tfhd.default_base_is_moof);
                assert_eq!(traf.tfdt.as_ref().expect("each has a time").base_media_decode_time, next);
                let mut total = 0;
                for sample in samples(moof) {
                    next +=
                        u64::from(sample.duration.or(traf.tfhd.default_sample_duration).expect("a duration"));
                    total += sample.size.expect("a size") as usize;
                }
                assert_eq!(total, mdat.data.len());
            }
            let first =
                atoms.iter().find_map(|a| if let Any::Moof(m) = a { Some(samples(m)[0]) } else { None });
            let first = first.expect("a moof");
            assert_eq!(first.cts.unwrap_or(0), 0, "keyframes are shown when they are decoded");
        }
    }
}

fn samples(moof: &Moof) -> Vec<mp4_atom::TrunEntry> {
    match &moof.traf[0].trun[0].samples {
        mp4_atom::TrunSamples::Explicit(entries) => entries.clone(),
        other => panic!("{other:?}"),
    }
}

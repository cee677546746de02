//! FLV that ffmpeg wrote is read, and FLV that we write is read by ffmpeg.

mod common;

use cmaf::{Kind, Sample, Track};
use common::live::{film, hashes};
use origin::live::flv::{FileReader, Media, TagReader, TagWriter};
use std::path::Path;

fn read(film: &Path) -> ([Option<Track>; 2], [Vec<Sample>; 2]) {
    let (mut file, mut tags) = (FileReader::default(), TagReader::default());
    let (mut tracks, mut samples) = ([None, None], [Vec::new(), Vec::new()]);
    let mut media = Vec::new();
    for part in std::fs::read(film).unwrap().chunks(1000) {
        for tag in file.push(part).unwrap() {
            media.extend(tags.tag(tag).unwrap());
        }
    }
    media.extend(tags.flush());
    for media in media {
        match media {
            Media::Track(number, track) => tracks[usize::from(number)] = Some(track),
            Media::Sample(number, sample) => samples[usize::from(number)].push(sample),
        }
    }
    (tracks, samples)
}

#[test]
fn a_film_goes_through_flv_and_back() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["film.flv", "from.ts"] {
        let source = film(&temp, 3, name);
        let flv = temp.path().join("copy.flv");
        common::clip(temp.path(), &format!("-i {} -c copy -f flv", source.display()), "copy.flv");
        let ([video, audio], [pictures, sound]) = read(&flv);
        assert_eq!(pictures.len(), 90, "{name}");
        assert!(sound.len() > 135, "{name}: {} frames of sound", sound.len());
        let (video, audio) = (video.unwrap(), audio.unwrap());
        assert_eq!((video.width, video.height, audio.sample_rate), (640, 360, 48_000));

        let mut bytes = Vec::new();
        TagWriter.begin(&mut bytes, Some(&video), Some(&audio)).unwrap();
        for sample in &pictures {
            TagWriter.sample(&mut bytes, Kind::Video, sample.dts as u32, sample.cts_offset, sample);
        }
        for sample in &sound {
            TagWriter.sample(&mut bytes, Kind::Audio, (sample.dts / 48) as u32, 0, sample);
        }
        let again = temp.path().join("again.flv");
        std::fs::write(&again, bytes).unwrap();
        assert_eq!(hashes(&again, Kind::Video), hashes(&flv, Kind::Video));
        assert_eq!(hashes(&again, Kind::Audio), hashes(&flv, Kind::Audio));
    }
}

/// Small numbers that are the same in every run.
struct Numbers(u32);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % limit
    }
}

#[test]
fn damage_of_any_kind_is_refused_or_understood() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let read = |name: &str| std::fs::read(corpus.join(name)).unwrap();
    type Entry = fn(&[u8]);
    let entries: [(Vec<u8>, Entry); 2] = [
        (read("live_flv/film"), origin::live::flv::fuzz),
        (read("live_rtmp/story"), origin::live::fuzz_rtmp),
    ];
    let mut numbers = Numbers(1);
    for (seed, entry) in entries {
        entry(&seed);
        for _ in 0..3000 {
            let mut bytes = seed.clone();
            for _ in 0..1 + numbers.below(4) {
                let at = numbers.below(bytes.len());
                match numbers.below(4) {
                    0 => bytes[at] = numbers.below(256) as u8,
                    1 => bytes.truncate(at + 1),
                    2 => bytes.insert(at, 255),
                    _ => {
                        let end = (at + numbers.below(64)).min(bytes.len());
                        let part = bytes[at..end].to_vec();
                        bytes.extend(part);
                    }
                }
            }
            entry(&bytes);
        }
    }
}

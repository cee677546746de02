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

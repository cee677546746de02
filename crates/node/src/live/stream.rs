//! What is known of a live stream: its description, and what signed heads have told of its parts. Its invariant: nothing is told of here
//! that the session has not taken, nor what it has forgotten since.

use crate::origin::{self, Origin};
use crate::serving::Texts;
use bytes::Bytes;
use manifest::live::{Cut, Description, MAX_DESCRIPTION_BYTES, Refused};
use manifest::{Kind, PublicKey, SegmentId};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// Parts of a rendition that are remembered, as many as the core knows of.
const PARTS_MAX: usize = 1024;

/// The name of the description.
const DESCRIPTION: &str = "live.bcs";

/// Why a live stream cannot be opened.
#[derive(Debug, Error)]
pub enum OpenLive {
    /// No description: it is no live stream of Braidcast, or the origin is away.
    #[error("no description of a live stream: {0}. Is this the address of a Braidcast stream?")]
    NoDescription(#[source] origin::Error),
    /// The description is damaged, or signed by somebody else.
    #[error("the description is refused: {0}")]
    Refused(#[from] Refused),
}

/// What a head tells of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its number in the rendition.
    pub sequence: u32,
    /// When it starts, milliseconds since the stream began.
    pub start_ms: u32,
    /// How long it lasts, milliseconds.
    pub duration_ms: u32,
    /// Its bytes.
    pub size: u32,
    /// How it is cut.
    pub cut: Cut,
}

impl Told {
    /// When it starts and ends, from the beginning of the stream.
    pub(crate) fn span(&self) -> (Duration, Duration) {
        let start = Duration::from_millis(self.start_ms.into());
        (start, start + Duration::from_millis(self.duration_ms.into()))
    }
}

/// What has become of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Rises with each part that is told of.
    pub version: u64,
    /// The origin says that nothing comes any more.
    pub is_over: bool,
    /// Another stream goes on under its name.
    pub is_superseded: bool,
}

/// One live stream.
#[derive(Debug)]
pub struct Stream {
    sealed: Bytes,
    /// Whose it has to be, if that was said.
    key: Option<PublicKey>,
    born_ms: u64,
    swarm: [u8; 20],
    piece_len: u32,
    /// Folder and kind of each rendition, which stay.
    renditions: Vec<(String, Kind)>,
    /// What changes is the list of initialisation segments.
    description: Mutex<Description>,
    /// By rendition, oldest first, without a gap.
    told: Mutex<Vec<VecDeque<Told>>>,
    news: watch::Sender<News>,
}

impl Stream {
    /// Fetches and reads the description. With `key`, only what that key signed is taken.
    ///
    /// # Errors
    /// [`OpenLive`].
    pub async fn open(origin: &Origin, key: Option<&PublicKey>) -> Result<Self, OpenLive> {
        let sealed = origin.fresh_file(DESCRIPTION, MAX_DESCRIPTION_BYTES).await;
        Ok(Self::read(sealed.map_err(OpenLive::NoDescription)?, key)?)
    }

    /// Reads a description. With `key`, only what that key signed is taken.
    pub(crate) fn read(sealed: Bytes, key: Option<&PublicKey>) -> Result<Self, Refused> {
        let description = Description::open(&sealed, key)?;
        let renditions: Vec<_> = description.renditions.iter().map(|r| (r.id.clone(), r.kind)).collect();
        Ok(Self {
            sealed,
            key: key.copied(),
            born_ms: description.born_ms,
            swarm: description.stream(),
            piece_len: description.piece_len,
            told: Mutex::new(vec![VecDeque::new(); renditions.len()]),
            renditions,
            description: Mutex::new(description),
            news: watch::Sender::default(),
        })
    }

    /// The description as it was signed, when the stream was opened.
    pub(crate) fn sealed(&self) -> &Bytes {
        &self.sealed
    }

    /// What zero of its timeline is on the calendar, milliseconds since 1970 UTC.
    pub(crate) fn born_ms(&self) -> u64 {
        self.born_ms
    }

    pub(crate) fn swarm(&self) -> [u8; 20] {
        self.swarm
    }

    pub(crate) fn piece_len(&self) -> u32 {
        self.piece_len
    }

    /// How many renditions it has.
    pub(crate) fn renditions(&self) -> usize {
        self.renditions.len()
    }

    /// A rendition's folder.
    pub(crate) fn folder(&self, rendition: u8) -> Option<&str> {
        self.renditions.get(usize::from(rendition)).map(|(id, _)| id.as_str())
    }

    /// What a rendition carries.
    pub(crate) fn kind(&self, rendition: u8) -> Option<Kind> {
        self.renditions.get(usize::from(rendition)).map(|(_, kind)| *kind)
    }

    /// The place of the rendition with this folder.
    pub(crate) fn rendition(&self, folder: &str) -> Option<u8> {
        self.renditions.iter().position(|(id, _)| id == folder).and_then(|at| u8::try_from(at).ok())
    }

    /// Whether these are the bytes of an initialisation segment that the rendition has had.
    pub(crate) fn is_init(&self, rendition: u8, bytes: &[u8]) -> bool {
        let root = manifest::digest::root(bytes);
        lock(&self.description)
            .renditions
            .get(usize::from(rendition))
            .is_some_and(|r| r.inits.contains(&root))
    }

    /// Which captions may be given out.
    pub(crate) fn texts(&self) -> Texts {
        Texts::new(self.key.as_ref(), self.swarm)
    }

    /// Fetches the description that the origin has now: a newer one of this stream is taken, one of another stream is noticed.
    pub(crate) async fn describe_anew(&self, origin: &Origin) {
        // Without one all stays as it is.
        if let Ok(sealed) = origin.fresh_file(DESCRIPTION, MAX_DESCRIPTION_BYTES).await {
            self.describe(&sealed);
        }
    }

    fn describe(&self, sealed: &[u8]) {
        let Ok(newer) = Description::open(sealed, self.key.as_ref()) else { return };
        if newer.born_ms != self.born_ms || newer.stream() != self.swarm {
            self.news.send_modify(|news| news.is_superseded = true);
            return;
        }
        let mut description = lock(&self.description);
        if description.becomes(&newer) {
            *description = newer;
        }
    }

    /// A head has told of a part. What does not follow on what was told before starts the rendition anew, as in the core.
    pub(crate) fn tell(&self, rendition: u8, part: Told) {
        {
            let mut told = lock(&self.told);
            let Some(line) = told.get_mut(usize::from(rendition)) else { return };
            if line.back().is_some_and(|last| part.sequence <= last.sequence) {
                return;
            }
            if line.back().is_some_and(|last| part.sequence != last.sequence + 1) {
                line.clear();
            }
            if line.len() == PARTS_MAX {
                line.pop_front();
            }
            line.push_back(part);
        }
        self.news.send_modify(|news| news.version += 1);
    }

    /// Forgets the oldest parts, as long as they are not known any more.
    pub(crate) fn forget(&self, is_known: impl Fn(SegmentId) -> bool) {
        for (rendition, line) in (0u8..).zip(lock(&self.told).iter_mut()) {
            while line.front().is_some_and(|part| !is_known(SegmentId::new(rendition, part.sequence))) {
                line.pop_front();
            }
        }
    }

    /// What heads have told of a part.
    pub(crate) fn part(&self, part: SegmentId) -> Option<Told> {
        let told = lock(&self.told);
        let line = told.get(usize::from(part.rendition))?;
        let at = part.sequence.checked_sub(line.front()?.sequence)?;
        line.get(at as usize).copied()
    }

    /// All that is known of a rendition, oldest first.
    pub(crate) fn parts(&self, rendition: u8) -> Vec<Told> {
        lock(&self.told).get(usize::from(rendition)).map_or(Vec::new(), |line| line.iter().copied().collect())
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        self.news.send_if_modified(|news| !std::mem::replace(&mut news.is_over, true));
    }

    /// What has become of it.
    pub(crate) fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::SecretKey;
    use manifest::live::LiveRendition;

    fn described(born_ms: u64, number: u32, inits: usize) -> Bytes {
        let publisher = SecretKey::from_seed([7; 32]);
        let rendition = LiveRendition {
            id: "v0".to_owned(),
            kind: Kind::Video,
            bandwidth_bps: 1000,
            inits: (0..inits).map(|n| manifest::digest::root(&[n as u8])).collect(),
        };
        let description = Description {
            publisher: publisher.public(),
            born_ms,
            name: "stage".to_owned(),
            number,
            piece_len: 16_384,
            renditions: vec![rendition],
        };
        description.seal(&publisher).into()
    }

    fn stream() -> Stream {
        Stream::read(described(1000, 1, 1), None).unwrap()
    }

    fn told(sequence: u32) -> Told {
        Told { sequence, start_ms: sequence * 200, duration_ms: 200, size: 1, cut: Cut::default() }
    }

    #[test]
    fn what_is_told_has_no_gap_and_is_forgotten_from_the_front() {
        let stream = stream();
        let known = |stream: &Stream| stream.parts(0).iter().map(|part| part.sequence).collect::<Vec<_>>();
        [3, 4, 4, 2, 5].into_iter().for_each(|n| stream.tell(0, told(n)));
        assert_eq!(known(&stream), [3, 4, 5]);
        assert_eq!(stream.part(SegmentId::new(0, 4)), Some(told(4)));
        assert_eq!(stream.part(SegmentId::new(0, 2)), None);
        stream.forget(|part| part.sequence > 3);
        assert_eq!(known(&stream), [4, 5]);
        stream.tell(0, told(9));
        assert_eq!(known(&stream), [9]);
        (10..3000).for_each(|n| stream.tell(0, told(n)));
        assert_eq!(known(&stream).len(), PARTS_MAX);
        stream.tell(1, told(1)); // no such rendition
    }

    #[test]
    fn a_newer_description_is_taken_and_another_stream_noticed() {
        let stream = stream();
        assert!(stream.is_init(0, &[0]) && !stream.is_init(0, &[1]));
        stream.describe(&described(1000, 2, 2));
        assert!(stream.is_init(0, &[1]) && !stream.is_init(1, &[1]));
        stream.describe(b"no description");
        assert!(!stream.news().borrow().is_superseded);
        stream.describe(&described(2000, 1, 1));
        assert!(stream.news().borrow().is_superseded);
        let publisher = SecretKey::from_seed([7; 32]).public();
        let keyed = |key| Stream::read(described(1000, 1, 1), Some(&key));
        assert!(keyed(publisher).is_ok() && keyed(SecretKey::from_seed([8; 32]).public()).is_err());
    }
}
